"""Verdicts of places, shares of them, and correlations across them."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from flatminima.statistics.intervals import mean_ends
from flatminima.studies.open_1_map import runs, spheres, tables
from tests.studies.open_1_map.test_runs import Kept

PLACE = runs.Place("bias", 50, "ball", False)
NOISY = runs.Place("deep", 100, "xor", True)


def history(scores, traces=None):
    """What a race comes to: a score an arm."""
    empty = [None] * len(scores)
    found = {name: list(empty) for name in tables.MEASURED}
    found["trace"] = list(traces or [1.0] * len(scores))
    return found | {"score": list(scores), "lost": [0.0] * len(scores)}


def raced(gain_of, place=PLACE, seeds=range(100, 110)):
    """Races in which 1-SAM is above decay by a function of the seed."""
    found = {}
    for seed in seeds:
        scores = [0.5 + gain_of(seed), 0.5, 0.5, 0.9, 0.4]
        found[runs.race(place, runs.USUAL, seed)] = history(scores)
    return found


def test_rows_have_a_method_each():
    table = tables.rows(raced(lambda seed: 0.1, seeds=[100]))
    assert table["method"].tolist() == list(runs.METHODS)
    assert table["score"].tolist() == [0.6, 0.5, 0.5, 0.9, 0.4]
    assert table["gap"].isna().all()
    assert tables.rows({}).empty


def test_verdicts_are_those_of_the_interval():
    up = tables.rows(raced(lambda seed: 0.1 + 0.001 * seed))
    down = tables.rows(raced(lambda seed: -0.1 - 0.001 * seed))
    open_ = tables.rows(raced(lambda seed: 0.1 * (-1) ** seed))
    words = []
    for table in (up, down, open_):
        judged = tables.verdicts(tables.gains(table, runs.SAM, runs.DECAY))
        words.append(judged["verdict"].item())
    assert words == ["better", "worse", "undecided"]
    judged = tables.verdicts(tables.gains(up, runs.SAM, runs.DECAY)).iloc[0]
    values = np.array([0.1 + 0.001 * seed for seed in range(100, 110)])
    low, high = stats.t.interval(0.95, 9, values.mean(), stats.sem(values))
    assert judged["mean"] == pytest.approx(values.mean())
    # evenly spaced values have no skewness, so this is Student's
    assert (judged["low"], judged["high"]) == pytest.approx((low, high))


def test_one_seed_decides_nothing():
    table = tables.rows(raced(lambda seed: 0.3, seeds=[100]))
    judged = tables.verdicts(tables.gains(table, runs.SAM, runs.DECAY))
    assert judged["verdict"].item() == "undecided"


def test_traces_are_compared_by_their_logarithms():
    config = runs.race(PLACE, runs.USUAL, 100)
    table = tables.rows({config: history([0.5] * 5, [8.0, 1.0, 2.0, 0.0, 1.0])})
    flat = tables.gains(table, runs.SAM, runs.DECAY, "trace")
    assert flat.iloc[0, 0] == pytest.approx(np.log(4))
    assert np.isnan(tables.gains(table, runs.SMALL, runs.DECAY, "trace").iloc[0, 0])


def test_who_is_flatter_is_undecided_where_one_does_not_fit():
    words = []
    for losses in ([0.1] * 5, [0.9, *[0.1] * 4], [0.1, 0.1, 0.9, 0.1, 0.1]):
        found = {}
        for seed in range(100, 110):
            traces = [1.0 + 0.01 * seed, *[20.0] * 4]
            ends = history([0.5] * 5, traces) | {"loss": list(losses)}
            found[runs.race(PLACE, runs.USUAL, seed)] = ends
        judged = tables.sharper(tables.rows(found), runs.SAM, runs.DECAY)
        words.append(judged["verdict"].item())
    assert words == ["worse", "undecided", "undecided"]
    nothing = tables.sharper(tables.rows({}), runs.SAM, runs.DECAY)
    assert nothing.empty


def test_a_share_of_places_has_its_exact_interval():
    judged = pd.DataFrame({"verdict": ["better"] * 3 + ["worse"] * 17})
    share, low, high = tables.more_than_half(judged, "better")
    exact = stats.binomtest(3, 20).proportion_ci(0.95, "exact")
    assert share == pytest.approx(0.15 - 0.5)
    assert (low, high) == pytest.approx((exact.low - 0.5, exact.high - 0.5))
    assert np.isnan(tables.more_than_half(judged.iloc[:0], "better")).all()


def test_counts_are_apart_by_label_noise():
    table = tables.rows(
        raced(lambda seed: 0.1 + 0.001 * seed)
        | raced(lambda seed: -0.1 - 0.001 * seed, NOISY)
    )
    counts = tables.counts(table)
    assert counts.loc[(runs.SAM, "clean labels"), "better"] == 1
    assert counts.loc[(runs.SAM, "label noise"), "worse"] == 1
    assert counts.loc[(runs.NOISE, "clean labels"), "undecided"] == 1
    clean, noisy = tables.by_noise(tables.gains(table, runs.SAM, runs.DECAY))
    assert (clean > 0).all() and (noisy < 0).all()


def test_an_architecture_can_be_left_out():
    table = tables.rows(raced(lambda seed: 0.2) | raced(lambda seed: -0.4, NOISY))
    found = tables.without(tables.gains(table, runs.SAM, runs.DECAY), "deep")
    assert tables.over_places(found).to_numpy() == pytest.approx(np.full(10, 0.2))
    means = tables.by_architecture(table, (runs.SAM, runs.DECAY))
    assert means.index.tolist() == ["2-MLP-Bias", "3-layer MLP"]
    assert means.loc["3-layer MLP", ("score", runs.SAM)] == pytest.approx(0.1)
    assert tables.by_architecture(table.iloc[:0], (runs.SAM, runs.DECAY)).empty


def test_means_over_places_leave_out_seeds_that_lack_one():
    table = tables.rows(
        raced(lambda seed: 0.2) | raced(lambda seed: 0.4, NOISY, range(100, 105))
    )
    found = tables.over_places(tables.gains(table, runs.SAM, runs.DECAY))
    assert found.index.tolist() == list(range(100, 105))
    assert found.to_numpy() == pytest.approx(np.full(5, 0.3))


def test_pseudo_values_average_to_the_correlation():
    rng = np.random.default_rng(3)
    x = pd.Series(rng.standard_normal(40))
    y = x + rng.standard_normal(40)
    values = tables.across(x, y)
    assert len(values) == 40
    assert values.mean() == pytest.approx(stats.spearmanr(x, y).statistic, abs=0.02)
    assert tables.across(x, pd.Series(np.exp(y))) == pytest.approx(values)
    assert len(tables.across(x, y * np.nan)) == 0
    assert len(tables.across(x, y * 0)) == 0


@pytest.mark.parametrize("slope", [0.0, 0.7])
def test_their_interval_covers_the_correlation(slope):
    """Bivariate normal: Spearman's rho is (6 / pi) asin(r / 2)."""
    rng, n, draws = np.random.default_rng(5), 24, 300
    r = slope / (1 + slope**2) ** 0.5
    rho = 6 / np.pi * np.arcsin(r / 2)
    covered = 0
    for _ in range(draws):
        x = pd.Series(rng.standard_normal(n))
        y = slope * x + rng.standard_normal(n)
        low, high = mean_ends(tables.across(x, y), 0.95)
        covered += low <= rho <= high
    # 0.95 less three standard errors of a share over so many draws, and a little bias
    assert covered / draws > 0.95 - 3 * (0.95 * 0.05 / draws) ** 0.5 - 0.01


def sphere(flat, large):
    """Scores of two sizes of the sphere under one seed."""
    found = {}
    for n, scores in zip((4, 20), zip(flat, large, strict=True), strict=True):
        config = spheres.cell(n, 2, 100)
        found[config] = history([*scores, 0.95]) | {"gap": [1e-8 * n, None, None]}
    return tables.rows(found)


def test_sizes_of_the_sphere():
    table = sphere((0.2, 0.93), (0.95, 0.91))
    assert tables.recovered(table, spheres.FLATTEST).tolist() == [0.5]
    assert tables.recovered(table, spheres.LARGE).tolist() == [1.0]
    assert tables.with_enough(table, spheres.FLATTEST).tolist() == [0.93]
    assert tables.gaps(table).tolist() == pytest.approx([4e-8, 2e-7])
    lost = table.assign(gap=np.nan)
    assert np.isinf(tables.gaps(lost)).all()


def test_a_build_says_how_it_agrees():
    made = raced(lambda seed: 0.1, seeds=[100, 101])
    own = Kept(dict(made))
    assert "2 of them are committed, and 2 of these ended" in tables.beside(made, own)
    moved = {config: dict(line) for config, line in made.items()}
    first = next(iter(moved))
    moved[first]["score"] = [0.6000006, *moved[first]["score"][1:]]
    said = tables.beside(moved, own)
    assert "1 of these ended" in said and "1e-06, relatively" in said
    assert "none of them is committed" in tables.beside(made, Kept({}))
    assert tables.scale(made, own) == (
        "ours: 1 places of 336, committed, seeds 100 to 101"
    )
    assert tables.scale(made, Kept({})) == "ours: 1 places of 336, seeds 100 to 101"
