"""Too long an ascent step: the threshold, and who is counted by it."""

import math

import numpy as np
import pandas as pd
import pytest

from flatminima.claims import decide
from flatminima.data.xor import sample_xor
from flatminima.models import no_bias, sim_bn
from flatminima.sharpness import sim_bn as sim_bn_sharpness
from flatminima.sharpness.closed_form import linearised
from flatminima.sharpness.gauss_newton import retract
from flatminima.studies.scenario_1 import long_radius
from flatminima.sweeps.sweep import sweep
from tests.tables import runs

SIZE = {"d": 6, "n": 12, "width": 24, "lr": 0.01, "rho": 0.05}


@pytest.mark.parametrize(
    ("beta", "kappa", "fit", "lowest"),
    [
        (0.0, 0.5, "lowest", 1.0),
        (0.0, 0.99, "lowest", 1.0),
        (0.0, 1.01, "local minimum", 0.0),
        (0.0, 1.99, "local minimum", 0.0),
        (0.0, 2.01, "no minimum", 0.0),
        (0.0, 4.0, "no minimum", 0.0),
        (0.5, 0.99, "lowest", 1.0),
        (0.5, 1.01, "local minimum", 0.0),
        (0.5, 1.32, "local minimum", 0.0),
        (0.5, 1.35, "no minimum", 0.0),
        (1.0, 0.99, "lowest", 1.0),
        (1.0, 1.01, "no minimum", 0.0),
    ],
)
def test_the_fit_on_a_fine_grid(beta, kappa, fit, lowest):
    """The derivation in the docstring, by search: neither limit is used."""
    (row,) = long_radius.minima([kappa], beta).itertuples()
    assert row[1:] == (lowest, fit)
    below, local = long_radius.limits(beta)
    expected = "lowest" if kappa < below else "no minimum"
    assert fit == ("local minimum" if below < kappa < local else expected)


def test_claims_are_about_networks_without_biases():
    assert (long_radius.SAFE, long_radius.LOST) == long_radius.limits(0.0) == (1, 2)


def test_the_barrier_between_the_limits():
    """Without biases the loss is highest at c = kappa^2 / 4, on the way to 0."""
    c = np.linspace(0, 1, 100001)
    loss = long_radius.far_side(c, 1.5)
    assert c[np.argmax(loss)] == pytest.approx(1.5**2 / 4, abs=1e-4)
    assert loss.max() == pytest.approx((1 + 1.5**2 / 4) ** 2)
    assert (loss[0], loss[-1]) == (1.0, 1.5**2)


def no_bias_outputs():
    """Gradients of every output by the closed form, and what sqrt(c) multiplies."""
    rng = np.random.default_rng(0)
    x, model = rng.normal(size=(8, 4)), no_bias.Model()
    start = no_bias.init(model, 4, 3000, rng)
    return linearised(model, x), [30 * p for p in start], (1.0, 1.0)


def sim_bn_outputs(size):
    """The same of a Sim-BN whose first layer has this scale."""
    rng = np.random.default_rng(0)
    x, model = sim_bn.inputs(sim_bn.Model(), rng.normal(size=(8, 4))), sim_bn.Model()
    w, gamma, v = sim_bn.init(model, 4, 3000, rng)
    start = [size * w, 3 * gamma, 3 * v]
    return sim_bn_sharpness.linearised(model, x), start, (0.0, 1.0, 1.0)


def gradient(linearise, parameters, i):
    at = linearise(tuple(parameters))
    return at.f[i], at.pull_back(np.eye(len(at.f))[i])


def inner(one, other):
    return sum(float(np.sum(a * b)) for a, b in zip(one, other, strict=True))


def growth(network, kappa, c=0.999):
    """How fast SAM's own updates make outputs grow, a little below the fit."""
    linearise, start, moved = network
    n = len(linearise(tuple(start)).f)
    y = np.where(np.arange(n) % 2, 1.0, -1.0)
    at = retract(linearise, tuple(start), y).parameters
    radii = kappa / np.sqrt(np.diag(linearise(at).gram()))
    here = [p * c ** (m / 2) for p, m in zip(at, moved, strict=True)]
    total = 0.0
    for i in range(n):
        f, up = gradient(linearise, here, i)
        reach = np.sign(f - y[i]) * radii[i] / inner(up, up) ** 0.5
        there = [p + reach * g for p, g in zip(here, up, strict=True)]
        f, up = gradient(linearise, there, i)
        scaled = [m * p for p, m in zip(here, moved, strict=True)]
        total -= 2 * (f - y[i]) * inner(up, scaled)
    return total


def share_that_is_not_moved(network):
    linearise, start, moved = network
    n = len(linearise(tuple(start)).f)
    y = np.where(np.arange(n) % 2, 1.0, -1.0)
    at = retract(linearise, tuple(start), y).parameters
    ups = [gradient(linearise, at, i)[1] for i in range(n)]
    still = [[g for g, m in zip(up, moved, strict=True) if not m] for up in ups]
    rest = sum(inner(each, each) for each in still)
    return rest / sum(inner(up, up) for up in ups)


@pytest.mark.parametrize(
    ("make", "least_share"),
    [
        (no_bias_outputs, 0.0),
        (lambda: sim_bn_outputs(0.1), 0.3),
        (lambda: sim_bn_outputs(100.0), 0.0),
    ],
)
def test_sam_leaves_the_fit_at_the_limit(make, least_share):
    """The true gradient at the end of the true ascent step, of wide networks."""
    network = make()
    beta = share_that_is_not_moved(network)
    assert least_share <= beta < 0.9
    local = long_radius.limits(beta).local
    assert growth(network, 0.9 * local) > 0 > growth(network, 1.1 * local)
    if least_share:
        # 2 is the limit without biases, and too much here
        assert growth(network, 1.9) < 0


def test_limits_of_sim_bn_from_its_trace():
    data = sample_xor(12, 5, seed=0)
    inputs = sim_bn.inputs(sim_bn.Model(), data.x)
    start = sim_bn.init(sim_bn.Model(), 5, 40, np.random.default_rng(1))
    linearise = sim_bn_sharpness.linearised(sim_bn.Model(), inputs)
    at = linearise(retract(linearise, start, data.y).parameters)
    trace = 2 * at.norm_sq.mean()
    bound = sim_bn.lower_bound(sim_bn.Model(), np.ones(12), data.y)
    traces = pd.Series([trace, bound, math.nan])
    table = long_radius.sim_bn_limits(traces, bound, 1.0)
    beta = 1 - at.second_layer_trace / trace
    assert 0 < beta <= table["β at most"][0]
    assert table["limit at least"][0] <= long_radius.limits(beta).local < 2
    assert table["β at most"][1] == 0
    assert table["limit at least"][1] == 2
    np.testing.assert_allclose(table["κ"], np.sqrt(traces / 2))
    assert table.loc[2].isna().all()


def test_no_trace_is_below_the_bound():
    with pytest.raises(ValueError, match=r"trace = \[3.9\]: allowed are at least 4"):
        long_radius.sim_bn_limits(pd.Series([3.9]), 4.0, 1.0)


@pytest.mark.parametrize("beta", [-0.1, 1.1, math.nan])
def test_a_share_is_from_0_to_1(beta):
    with pytest.raises(ValueError, match="beta = .*: allowed are shares from 0 to 1"):
        long_radius.limits(beta)
    with pytest.raises(ValueError, match="beta = "):
        long_radius.far_side(np.ones(1), 1.0, beta)


def test_the_second_phase_has_the_radius():
    short, long = long_radius.configs([0.1, 0.7], epochs=5, further=2, **SIZE)
    assert (short.rho, short.num_steps, short.measure_at) == (0.05, 84, (60,))
    assert [phase.rho for phase in (*short.phases, *long.phases)] == [0.1, 0.7]
    assert short.phases[0].start == 60


@pytest.mark.parametrize(
    ("radii", "changes", "message"),
    [
        ([], {}, r"radii = \[\]: allowed are positive"),
        ([0.1, 0.0], {}, "radii = "),
        ([0.1], {"epochs": 0}, "epochs = 0: must be an integer of at"),
        ([0.1], {"further": 1.5}, "further = 1.5: must be an integer"),
        ([0.1], {"lr": -1.0}, "lr"),
    ],
)
def test_bad_values_are_refused(radii, changes, message):
    with pytest.raises(ValueError, match=message):
        long_radius.configs(radii, **({"epochs": 5, "further": 2} | SIZE | changes))


def test_outcomes_of_runs():
    cells = long_radius.configs([0.05, 1.5], epochs=500, further=100, **SIZE)
    rows = long_radius.outcomes(cells, [sweep([cell], 3) for cell in cells])
    assert rows["second_rho"].tolist() == [0.05] * 3 + [1.5] * 3
    assert rows["init_seed"].tolist() == [0, 1, 2] * 2
    assert (rows["kappa"][:3] < 1).all() and (rows["kappa"][3:] > 2).all()
    assert (rows["as_predicted"] == 1).all()
    middle = sweep(cells[1:], 3).query("step == 6000")["retracted_trace"]
    expected = 1.5 * np.sqrt(middle / 2)
    assert rows["kappa"][3:].tolist() == pytest.approx(expected.tolist())
    table = long_radius.by_radius(rows)
    assert table.index.tolist() == [0.05, 1.5]
    assert table["output error after"].tolist() == pytest.approx(
        rows.groupby("second_rho")["output_error"].median().tolist()
    )


def by_hand(radius, trace, error):
    (config,) = long_radius.configs([radius], epochs=1, further=1, **SIZE)
    ends = runs(3, output_error=error)
    ends = ends[ends["last"]]
    starts = ends.assign(step=12, last=False, retracted_trace=trace)
    return config, pd.concat([starts, ends], ignore_index=True)


@pytest.mark.parametrize(
    ("radius", "error", "predicted"),
    [
        (0.3, [0.0, 0.09, 0.11], [1, 1, 0]),  # kappa = 0.9
        (0.5, [0.0, 0.3, 1.0], [None, None, None]),  # 1.5
        (0.7, [0.0, 0.49, 0.51], [0, 0, 1]),  # 2.1
    ],
)
def test_what_was_predicted(radius, error, predicted):
    config, table = by_hand(radius, 18.0, error)
    rows = long_radius.outcomes([config], [table])
    found = [None if math.isnan(x) else x for x in rows["as_predicted"]]
    assert found == predicted


def test_a_run_without_a_fit_predicts_nothing_and_seeds_are_averaged():
    known = by_hand(0.3, 18.0, [0.0, 0.2, 0.0])
    unknown = by_hand(0.7, [math.nan, 18.0, 18.0], [1.0, 1.0, 0.0])
    rows = long_radius.outcomes(*zip(known, unknown, strict=True))
    seeds = long_radius.by_seed(rows)
    assert seeds["as_predicted"].tolist() == [1.0, 0.5, 0.5]
    assert seeds["last"].all()
    verdict = decide.share("s1-long-radius", seeds)
    assert verdict.effect == pytest.approx(2 / 3)
