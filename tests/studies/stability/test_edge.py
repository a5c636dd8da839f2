"""Runs at the edge of stability, and to the end, at a small size."""

import numpy as np
import pandas as pd
import pytest

from flatminima.studies.stability import edge, landing, perceptrons

TASK = {"sizes": (1, 8, 1), "degree": 2, "points": 10, "seeds": [3, 4]}


@pytest.mark.parametrize("setting", edge.settings(0.5))
def test_a_path_is_that_of_plain_updates(setting):
    found = edge.path(setting, edge=30.0, updates=20, looks=2, **TASK)
    shape = perceptrons.Shape(TASK["sizes"], setting.activation)
    x, y = edge.task(2, 10, 1)
    theta, v, losses = shape.init(4)[None], np.zeros((1, shape.dim)), []
    for _ in range(21):
        losses.append(float(perceptrons.gradient(shape, theta, x, y)[1][0]))
        at = theta + setting.momentum * v if setting.method == "nesterov" else theta
        slope = perceptrons.gradient(shape, at, x, y)[0]
        v = setting.momentum * v - setting.lr(30.0) * slope
        theta = theta + v
    mine = found[found["data_seed"] == 4]
    np.testing.assert_allclose(mine["loss"], [losses[0], losses[10], losses[20]])
    assert mine["step"].tolist() == [0, 10, 20]
    rising = np.mean(np.diff(losses)[10:] > 0)
    assert mine["rising_share"].iloc[-1] == pytest.approx(rising)


def test_learning_rates_share_one_edge():
    lrs = [setting.lr(20.0) for setting in edge.settings(0.5)]
    np.testing.assert_allclose(lrs, [0.1, 0.15, 0.075, 0.1])


def test_runs_that_diverge_have_no_numbers():
    found = edge.path(edge.Setting("GD"), edge=0.1, updates=60, looks=6, **TASK)
    summary = edge.hovering(found)
    assert summary["diverged"].all() and summary["hovering"].isna().all()
    assert edge.hover_table(found).loc["GD", "diverged"] == 2


def test_the_first_update_at_a_loss():
    found = edge.at_loss(0.05, 0.2, updates=3000, **TASK)
    assert (found["loss"] <= 0.2).all() and (found["lambda_max"] > 0).all()
    never = edge.at_loss(0.05, 1e-12, updates=5, **TASK)
    assert never["lambda_max"].isna().all()
    assert len(edge.two_rates(found, never)) == 2


def test_ends_are_flat_enough():
    found = landing.ends([0.1, 0.3], range(4), updates=8000)
    ended = found[found["converged"]]
    assert len(ended) >= 2 and ended["loss"].max() <= landing.ENDS_AT
    assert landing.excess(found).max() < 0.01
    assert landing.undecided(found) == []
    assert landing.summary(found)["converged"].sum() == len(ended)


def test_where_nothing_converges_nothing_is_decided():
    found = landing.ends([0.1, 1e3], [0], updates=30)
    assert not found["converged"].any() and found["diverged"].tolist() == [False, True]
    assert landing.excess(found).tolist() == [0]
    (lost,) = landing.undecided(found)
    assert lost["diverged"].all()
    assert landing.log_ratio(found).isna().all()


def test_pairs_are_those_of_most_seeds():
    table = pd.DataFrame(
        {
            "data_seed": [0, 0, 0, 1, 1, 1],
            "lr": [0.1, 0.2, 0.4] * 2,
            "lambda_max": [8.0, np.nan, 2.0, 16.0, 8.0, 4.0],
        }
    )
    np.testing.assert_allclose(np.exp(landing.log_ratio(table)), [4, 4])
