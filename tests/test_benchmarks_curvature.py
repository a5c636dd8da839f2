"""The benchmark of curvature: both sides agree, and all rows are there."""

import numpy as np
import pytest
from benchmarks import curvature

from flatminima.runs.nets.config import NetConfig
from tests.sharpness.nets import dense_hessian, mlp

SMALL = NetConfig(n=40, width=4, num_steps=60, lr=0.3)


@pytest.fixture(scope="module")
def rows():
    return {row["name"]: row for row in curvature.rows(SMALL, repeats=1)}


def test_every_row_has_both_times_and_its_ratio(rows, capsys):
    assert len(rows) == 4
    for row in rows.values():
        assert row["ratio"] == pytest.approx(row["peer"] / row["ours"])
        gradients = row["peer_gradients"] / row["ours_gradients"]
        assert gradients == pytest.approx(row["ratio"])
    curvature.show(list(rows.values()))
    assert len(capsys.readouterr().out.splitlines()) == 6


def test_lambda_max_is_compared_at_equal_residuals(rows):
    row = rows["lambda_max"]
    assert 0 < row["residual"] <= curvature.RESIDUAL
    assert row["products"] > 1 and row["our_products"] > 1


def test_power_iteration_finds_the_largest_eigenvalue():
    at = mlp(2, n=30, activation="relu")
    value, count = curvature.power_iteration(at, 1e-8)
    assert value == pytest.approx(np.linalg.eigvalsh(dense_hessian(at))[-1], rel=1e-7)
    assert count > 2


def test_power_iteration_gives_up(monkeypatch):
    monkeypatch.setattr(curvature, "MOST", 2)
    with pytest.raises(RuntimeError, match="after 2 products"):
        curvature.power_iteration(mlp(2), 1e-12)
