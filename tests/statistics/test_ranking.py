"""Kendall's tau in its three kinds, against scipy, by hand and by simulation."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from flatminima.statistics import ranking

AXES = ["lr", "width"]


def design(seeds: int, rng: np.random.Generator) -> pd.DataFrame:
    """Networks of two data sets, whose gap depends on both axes."""
    rows = pd.DataFrame(
        [
            {"data": data, "lr": lr, "width": width, "data_seed": s, "init_seed": s}
            for data, lr, width, s in product("ab", (0, 1), (0, 1, 2), range(seeds))
        ]
    )
    rows["gap"] = 3.0 * rows["width"] + rows["lr"] + rng.normal(size=len(rows)) / 100
    rows["right"] = rows["gap"] ** 3
    rows["width_only"] = rows["width"].astype(float)
    rows["wrong_along_lr"] = 3.0 * rows["width"] - rows["lr"]
    return rows


def test_tau_is_scipys_without_ties():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 30))
    y += x
    assert ranking.tau(x, y) == pytest.approx(stats.kendalltau(x, y).statistic)


def test_a_tie_counts_as_half_a_pair_each_way():
    assert ranking.tau(np.array([0.0, 0, 1]), np.array([0.0, 1, 2])) == 2 / 3
    assert ranking.tau(np.zeros(4), np.arange(4.0)) == 0
    assert np.isnan(ranking.tau(np.zeros(1), np.zeros(1)))


@pytest.mark.parametrize(("one", "other"), [(3, 1), (1, 3)])
def test_what_has_no_pairs_is_refused(one, other):
    says = f"x, y: must be as long as each other, not {one}, {other}"
    with pytest.raises(ValueError, match=says):
        ranking.tau(np.arange(float(one)), np.arange(float(other)))


def test_what_ranks_along_one_axis_only_is_seen_in_the_slices():
    rows = design(3, np.random.default_rng(0))
    one = ranking.slices(rows, "width_only", "gap", AXES, ["data"])
    assert one["a"]["width"].tolist() == [1.0] * 3
    assert one["b"]["lr"].tolist() == [0.0] * 3
    wrong = ranking.slices(rows, "wrong_along_lr", "gap", AXES, ["data"])
    assert ranking.worst(wrong, 0.95) == (-1.0, -1.0, -1.0)
    assert ranking.mean_over_seeds(wrong, 0.95)[0] == 0
    overall = ranking.overall(rows, "wrong_along_lr", "gap", ["data"])
    assert (overall > 0.5).all(axis=None)


def test_a_monotone_measure_ranks_everything():
    rows = design(3, np.random.default_rng(1))
    for table in (
        ranking.overall(rows, "right", "gap", ["data"]),
        ranking.slices(rows, "right", "gap", AXES, ["data"]),
    ):
        assert ranking.mean_over_seeds(table, 0.95) == (1.0, 1.0, 1.0)


def test_groups_of_any_size_are_those_taken_one_by_one():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.integers(0, 6, (200, 2)), columns=["x", "gap"])
    rows = rows.assign(data=rng.integers(0, 9, 200), data_seed=0, init_seed=0)
    rows.loc[::7, "x"] = np.nan
    table = ranking.overall(rows, "x", "gap", ["data"])
    for name, part in rows.dropna().groupby("data"):
        expected = ranking.tau(part["x"].to_numpy(), part["gap"].to_numpy())
        assert table[name].item() == pytest.approx(expected, abs=1e-15)


def test_missing_networks_leave_the_other_slices():
    rows = design(2, np.random.default_rng(0))
    kept = rows.drop(rows.index[(rows["lr"] == 1) & (rows["width"] > 0)])
    table = ranking.slices(kept, "right", "gap", AXES, ["data"])
    assert table.notna().all(axis=None)
    assert (table == 1).all(axis=None)
    few = ranking.slices(rows[rows["lr"] == 0], "right", "gap", AXES, ["data"])
    assert few["a"]["lr"].isna().all()
    assert ranking.worst(few, 0.95)[0] == 1


def test_nothing_gives_nothing():
    rows = design(1, np.random.default_rng(0)).iloc[:0]
    table = ranking.slices(rows, "right", "gap", AXES, ["data"])
    assert np.isnan(ranking.mean_over_seeds(table, 0.95)).all()
    assert np.isnan(ranking.worst(table, 0.95)).all()
    assert ranking.effects(rows, "gap", AXES, ["data"], 0.95).empty


def test_an_effect_is_the_difference_of_the_ends():
    rows = design(4, np.random.default_rng(0))
    table = ranking.effects(rows, "gap", AXES, ["data"], 0.95)
    found = table.set_index(["data", "axis"])
    np.testing.assert_allclose(found["effect"].xs("lr", level=1), 1, atol=0.02)
    np.testing.assert_allclose(found["effect"].xs("width", level=1), 6, atol=0.02)
    assert found.loc[("a", "lr"), "pairs"] == 12
    assert (table["low"] > 0).all()


def test_the_interval_of_the_worst_covers_it():
    """Two columns have the smallest mean, which makes the sample minimum too low."""
    rng, true, hits, repeats = np.random.default_rng(0), -0.2, 0, 400
    means = np.array([true, true, true + 0.05, 0.3])
    for _ in range(repeats):
        table = pd.DataFrame(means + 0.1 * rng.normal(size=(10, 4)))
        _, low, high = ranking.worst(table, 0.95)
        hits += low <= true <= high
    assert stats.binomtest(hits, repeats, 0.95, alternative="less").pvalue > 0.01
