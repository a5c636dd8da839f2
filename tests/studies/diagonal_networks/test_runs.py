"""The study of diagonal networks: grids, what converged, what other seeds choose."""

import numpy as np
import pandas as pd
import pytest

from flatminima.runs import loop
from flatminima.runs.descent import train
from flatminima.runs.descent.problem import problem
from flatminima.sources.implicit_bias import sparse_regression
from flatminima.studies.diagonal_networks import plots, runs, tables

SMALL = {"d": 8, "complexity": 2, "num_steps": 3000}


@pytest.fixture(scope="module")
def grids():
    return runs.settings([0.05, 0.1], [0.01], m=2, groups=2, **SMALL)


def ends(log_losses, converged=True):
    shares = np.broadcast_to(converged, len(log_losses))
    return pd.DataFrame(
        {"log_test_loss": np.where(shares, log_losses, np.nan), "converged": shares}
    )


def test_rules_differ_in_the_group_alone(grids):
    assert list(grids) == ["GD", "n-SAM", "2-SAM", "1-SAM", "GD, smaller α"]
    dumps = [grids[rule][0.1].model_dump() for rule in ("n-SAM", "2-SAM", "1-SAM")]
    for other in dumps[1:]:
        assert {k for k in other if other[k] != dumps[0][k]} == {"group"}
    gd, small = grids["GD"][0.0].model_dump(), grids["GD, smaller α"][0.01].model_dump()
    assert {k for k in gd if gd[k] != small[k]} == {"alpha"}
    assert all(c.n == 4 for grid in grids.values() for c in grid.values())


def test_a_table_is_that_of_its_setting(grids):
    found = runs.run(grids, range(3, 5))
    alone = loop.run(grids["1-SAM"][0.1].with_seeds(4, 4))
    row = found["1-SAM"][0.1].set_index("data_seed").loc[4]
    assert row["loss"] == alone.history["loss"].iloc[-1]
    assert len(found["1-SAM"][0.1]) == 2


def test_a_run_that_did_not_converge_has_no_test_loss(grids):
    short = {"GD": {0.0: sparse_regression(**SMALL | {"n": 4, "num_steps": 5})}}
    found = runs.run(short, range(2))["GD"][0.0]
    assert not found["converged"].any()
    assert found["log_test_loss"].isna().all() and found["trace"].isna().all()


def test_the_best_is_the_lowest_where_all_converged():
    wild = ends([-9.0, -9.0], [True, False])
    assert runs.best({1.0: ends([-1, -2]), 2.0: ends([-3, -2]), 3.0: wild}) == 2.0
    assert runs.best({1.0: wild, 2.0: ends([0.0, 0.0], False)}) == 1.0


def test_the_length_of_the_first_ascent_is_that_of_autograd(grids):
    """By the engine's own step: one of 1-SAM's length against n-SAM's."""
    config = grids["GD"][0.0]
    data = problem(config).data
    each = [0.1 * y * x for x, y in zip(data.x, data.y, strict=True)]
    whole = np.mean(each, axis=0)
    expected = np.sqrt(np.mean([g @ g for g in each]) / (whole @ whole))
    assert runs.longer([0], config) == pytest.approx(expected)


def test_limits_come_close_to_the_programme_and_fall_with_the_rate():
    found = runs.limits([0.3], [0.005, 0.01], [1], time=300, n=4, d=8, complexity=2)
    assert found["distance"].max() < 2e-3
    assert runs.exponents(found)[0] == pytest.approx(1.0, abs=0.1)


def test_a_limit_that_diverged_has_no_distance():
    found = runs.limits([1.0], [5.0], [1], time=500, n=4, d=8, complexity=2)
    assert found["diverged"].all() and found["distance"].isna().all()
    assert np.isnan(runs.exponents(found)).all()
    assert plots.distances(found).axes[0].texts


def test_the_published_loss_of_gradient_descent_comes_out():
    assert runs.published_errors().max() < 1e-6


def test_level_sets_lie_between_the_balls():
    angles = np.linspace(0, np.pi / 2, 21)
    l1, l2 = tables.norm_ball(1, angles), tables.norm_ball(2, angles)
    np.testing.assert_allclose(l2, 1.0)
    np.testing.assert_allclose(l1, 1 / (np.cos(angles) + np.sin(angles)))
    for alpha in (1e-3, 0.3, 10.0):
        radius = tables.level_set(alpha, angles)
        assert np.all(radius >= l1 - 1e-9) and np.all(radius <= l2 + 1e-9)
    assert tables.misfit(1e-12, 1) < tables.misfit(1e-3, 1) < tables.misfit(1.0, 1)


def test_recovery_finds_a_sparse_target_with_enough_examples():
    table = runs.recovery([1e-4, 1.0], [3, 9], [1, 2], d=10, sparsity=1)
    pursuit = table[(table["alpha"] == 0.0) & (table["n"] == 9)]
    assert (pursuit["error"] < 1e-9).all()
    assert runs.recovered(table[table["n"] == 9]).max() < 1e-5
    assert len(table) == 3 * 2 * 2
    hit = tables.shares(table)
    assert hit[0.0].loc[9] == 1.0 and hit[1.0].loc[3] == 0.0


def test_the_gap_of_traces_is_signed_by_who_tests_better():
    keys = {"data_seed": [1, 2], "init_seed": [1, 2]}
    one = pd.DataFrame({**keys, "log_test_loss": [-1.0, -4.0], "trace": [3.0, 3.0]})
    two = pd.DataFrame({**keys, "log_test_loss": [-2.0, -2.0], "trace": [2.0, 2.0]})
    np.testing.assert_allclose(runs.trace_gap(one, two), [1.0, -1.0])


def test_figures_are_drawn_from_few_runs(grids):
    compared = runs.compare(grids, range(2), range(2, 3))
    figure = plots.against_rho(compared)
    assert len(figure.axes) == 2
    assert len(tables.grid(compared)) == 8
    assert len(plots.level_sets([0.1]).axes) == 1
    table = runs.recovery([0.1], [3, 4], [1], d=6, sparsity=1)
    assert len(plots.recoveries(table).axes) == 2
    assert train.single(grids["GD"][0.0]) is False
