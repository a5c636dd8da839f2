"""Label-noise SGD against a loop written out, and its constants against arithmetic."""

import numpy as np
import pandas as pd
import pytest

from flatminima.runs.descent.problem import problem
from flatminima.runs.descent.train import raw_bits
from flatminima.studies.label_noise import paths

FIELDS = paths.base(d=6, n=3, sparsity=1, alpha=0.5, delta=0.5, seed=3)
RATES = [0.004, 0.008]


def by_hand(config, steps):
    """The same draws of the generator, and the update as the chapter writes it."""
    data, lr = problem(config).data, config.lr
    u = v = np.full(config.d, config.alpha)
    for bits in raw_bits(config, 1, 0, steps, 1)[:, 0]:
        i = (int(bits >> np.uint64(32)) * config.n) >> 32
        noise = config.label_noise * (1 if int(bits) & 1 else -1)
        z = data.x[i]
        r = z @ (u**2 - v**2) - data.y[i] - noise
        scale = 4 * config.factor * lr * r
        u, v = u * (1 - scale * z), v * (1 + scale * z)
    return np.concatenate([u, v])


@pytest.mark.parametrize("factor", [paths.HALF, paths.PRINTED])
def test_a_path_is_that_of_the_loop(factor):
    config = paths.config_at(FIELDS, 0.01, 40, factor=factor)
    path = paths.follow(config, [10, 40])
    for step, theta in zip((10, 40), path.theta, strict=True):
        np.testing.assert_allclose(theta, by_hand(config, step), rtol=1e-12)


def test_a_step_multiplies_all_products_alike():
    path = paths.follow(paths.config_at(FIELDS, 0.01, 50), [50])
    products = path.theta[0, :6] * path.theta[0, 6:]
    np.testing.assert_allclose(products, products[0], rtol=1e-12)
    assert path.products[0] == pytest.approx(np.log(products[0]))


def test_constants_are_read_off_an_exact_decay():
    config = paths.config_at(FIELDS, 0.01, 1)
    taus = np.linspace(0.1, 1, 10)
    for factor, rate in ((paths.HALF, 16), (paths.PRINTED, 32)):
        each = config.model_copy(update={"factor": factor})
        size = np.exp(-rate * 0.3 * 0.25 * taus / 2)
        theta = np.repeat(size[:, None], 12, axis=1)
        path = paths.Path(each, taus / 0.01**2, theta)
        assert paths.constants({0.01: path})[0.01] == pytest.approx(0.3)


def test_the_extrapolation_takes_away_what_is_linear():
    values = pd.Series({0.004: 0.25 + 3 * 0.004, 0.002: 0.25 + 3 * 0.002, 0.1: 9.0})
    assert paths.extrapolated(values) == pytest.approx(0.25)


def test_power_of_a_power():
    rates = np.array([0.1, 0.2, 0.4])
    values = pd.Series(5 * rates**0.7, index=rates)
    assert paths.power(values) == pytest.approx(0.7)
    values.iloc[1] = np.nan
    assert np.isnan(paths.power(values))


def test_the_limiting_flow_decays_as_the_constant_says():
    config = paths.config_at(FIELDS, 0.01, 1)
    at = paths.limiting_flow(config, [0.5, 1.0])
    products = np.log(at[:, :6] * at[:, 6:]).mean(axis=1)
    assert products[0] - products[1] == pytest.approx(16 * 0.5**2 / 4 * 0.5, rel=1e-4)


def test_a_seed_is_observed_near_its_constant_and_a_lost_one_has_none():
    seen = paths.observe(FIELDS, RATES, time=1.0, tau=0.5)
    found = seen.statistics()
    assert found["constant"] == pytest.approx(0.25, abs=0.01)
    assert found["printed"] == pytest.approx(0.5, abs=0.02)
    lost = paths.observe(FIELDS, [0.5, 1.0], time=50.0, tau=100.0)
    assert lost.diverged
    assert np.isnan(lost.statistics()["constant"])
