"""What rescaling does to a network's sharpness."""

import numpy as np
import pandas as pd
import pytest
import torch

from flatminima.sharpness.minimum import Shares
from flatminima.studies.rescaling import curves, measures, norms, plots, runs
from flatminima.studies.rescaling.curves import Curve

SIZE = {"n": 60, "width": 6, "depth": 3, "num_steps": 60}


@pytest.fixture(scope="module")
def nets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLATMINIMA_STORE", str(folder))
        return {
            norm: runs.train_all(runs.net_config(norm, **SIZE), range(2))
            for norm in ("none", "batch")
        }


@pytest.fixture
def plain(nets):
    return nets["none"][0]


@pytest.fixture
def normed(nets):
    return nets["batch"][0]


def dense(each, net):
    at = each.at(net)
    return torch.func.hessian(at.loss)(at.theta)


def test_a_curve_by_hand():
    one = Curve(first=16.0, stays=3.0, last=1.0)
    assert one.at(2.0) == 16 / 4 + 3 + 4
    assert one.flattest == pytest.approx(2)
    assert one.least == pytest.approx(11)
    assert one.at(one.reaching(50.0)) == pytest.approx(50)
    assert one.reaching(50.0) > one.flattest
    assert curves.curve(
        Shares(np.array([1.0, 2, 4]), np.array([8.0, 16, 32]))
    ) == Curve(first=1 + 8 + 16, stays=2 + 32, last=4)


def test_formulas_against_dense_hessians(plain):
    each = plain[0]
    for a in (0.3, 2.5):
        alphas = runs.ends(a, 3)
        hessian = dense(each, curves.moved(each, alphas))
        values = torch.linalg.eigvalsh(hessian)
        formula = curves.curve(curves.of_net(each)).at(a)
        assert float(hessian.trace()) == pytest.approx(float(formula), rel=1e-8)
        largest = curves.largest_formula(each, alphas)
        assert float(values[-1]) == pytest.approx(largest, rel=1e-6)
    assert curves.curve_errors(plain, [0.1, 7]).max() < 1e-10
    assert curves.lambda_errors(plain, 3.0).max() < 1e-6
    assert curves.log_rise(plain, 5.0).shape == (2,)


def test_a_net_is_made_sharp_and_stays_the_same(plain):
    found = curves.sharpen(plain[0])
    assert found.times == pytest.approx(1e6)
    assert found.outputs < 1e-12
    assert found.predictions == 0
    tried = curves.attempts(plain)
    assert tried.outputs.max() < 1e-6
    assert tried.said.startswith("scaled-down")


def test_the_least_traces_are_in_order(plain, normed):
    for each in [*plain, *normed]:
        found = curves.least(each)
        values = [found.trace, found.ends, found.layers, found.units]
        assert values == sorted(values, reverse=True)
        assert found.units > 0
        hessian = dense(each, each.folded)
        assert float(hessian.trace()) == pytest.approx(found.trace, rel=1e-8)
    flat = [curves.least(each) for each in plain]
    np.testing.assert_allclose(
        curves.shares_left(flat) * curves.times_flatter(flat), 1, rtol=1e-12
    )


def test_nothing_to_decide_by_counts_as_a_failure():
    assert curves.attempts([]).outputs.tolist() == [1.0]
    assert curves.some([]).tolist() == [1.0]
    assert curves.some([0.5]).tolist() == [0.5]
    assert curves.least_table([], []).empty
    assert measures.before_and_after([], 2.0).empty


def test_biases_take_the_product(plain):
    alphas = [3.0, 0.5, 2 / 3]
    each = plain[0]
    assert curves.printed_change(each, alphas, products=True) < 1e-12
    assert curves.printed_change(each, alphas, products=False) > 1e-4
    assert curves.minimum_changes(plain, 2).max() < 1e-8


def test_random_factors_have_product_1():
    assert np.prod(curves.random_alphas(4, 0)) == pytest.approx(1)


def test_behind_batch_norm(normed):
    each = normed[0]
    net = norms.behind_norm(each, 5.0)
    torch.testing.assert_close(
        curves.outputs(each, net), curves.outputs(each, each.net)
    )
    moving, stays = norms.norm_shares(each)
    trace = float(dense(each, net).trace())
    assert trace == pytest.approx(moving / 25 + stays, rel=1e-8)
    assert norms.norm_errors(normed, [0.2, 5]).max() < 1e-8
    assert norms.norm_folded_changes(normed, [0.2, 5]).max() < 1e-8
    left = norms.norm_left(normed)
    assert ((left > 0) & (left < 1)).all()


def test_the_layer_norms_floor(store):
    config = runs.ln_config(d=6, n=12, width=16, num_steps=3000)
    found = norms.layer_norm(config, range(2), [0.5, 2, 1e3])
    assert len(found.bounds) > 0
    assert found.errors.max() < 1e-8
    assert (found.traces >= found.bounds[:, None] * (1 - 1e-9)).all()
    np.testing.assert_allclose(found.traces[:, -1], found.bounds, rtol=1e-3)


def test_which_measures_see_a_rescaling(plain):
    ratio = measures.before_and_after(plain, 4.0)["ratio"]
    blind = ["SAM's rise, adaptive", "average rise, adaptive", "normalised sharpness"]
    blind += ["description length, relative", "minimum sharpness"]
    for name, value in ratio.items():
        if name in blind:
            assert value == pytest.approx(1, rel=1e-6), name
        else:
            assert abs(np.log(value)) > 0.05, name


def test_further_takes_the_pairs_that_have_a_distance():
    found = curves.further(np.array([2.0, np.nan, 1.0]), np.array([1.0, 1.0, 0.0]))
    np.testing.assert_allclose(found, [np.log(2)])


def test_figures_come_out_with_and_without_networks(nets, plain, normed):
    factors = np.array([0.5, 1, 2])
    none = norms.LayerNorm(factors, np.empty((0, 3)), np.empty((0, 3)), np.empty(0))
    after = runs.continue_all(*nets["none"], 2.0, 2)
    empty = runs.Continued(
        {name: pd.DataFrame({"diverged": []}).astype(bool) for name in runs.AFTER}, {}
    )
    for draw in (
        lambda: plots.plain(plain, factors),
        lambda: plots.plain([], factors),
        lambda: plots.hidden(normed, none, factors),
        lambda: plots.hidden([], none, factors),
        lambda: plots.after(after, 2.0),
        lambda: plots.after(empty, 2.0),
    ):
        draw().canvas.draw()
