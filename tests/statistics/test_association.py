"""Statistics of a sweep, on tables whose answer is known before the computation."""

import numpy as np
import pandas as pd
import pytest

from flatminima.statistics.association import (
    flatness_association,
    matched_difference,
    variance_shares,
)
from flatminima.sweeps.table import near_interpolating


def checkpoints(ratios, accuracies, *, seed=0, rule="1-SAM", bound=2.0):
    """Checkpoints of one run, at these ratios of trace to bound."""
    return pd.DataFrame(
        {
            "data_seed": seed,
            "init_seed": seed,
            "rule": rule,
            "bound": bound,
            "retracted_trace": np.asarray(ratios, float) * bound,
            "test_accuracy": np.asarray(accuracies, float),
        }
    )


def crossed(values):
    """The ends of one run for every pair of seeds, after a row that is no end."""
    pairs = np.ndindex(*np.shape(values))
    rows = [
        {"data_seed": i, "init_seed": j, "metric": value, "last": last}
        for i, j in pairs
        for value, last in ((-1e3 * i, False), (values[i][j], True))
    ]
    return pd.DataFrame(rows)


def test_only_retracted_checkpoints_count():
    table = checkpoints([3.0, np.nan, 1.5], [0.5, 0.6, 0.7])
    found = near_interpolating(table)
    assert found["ratio"].tolist() == [3.0, 1.5]
    assert "ratio" not in table


# --- Kendall's tau ------------------------------------------------------------


def test_flatter_always_better_is_one_and_always_worse_minus_one():
    table = pd.concat(
        [
            checkpoints([5, 3, 2, 1], [0.5, 0.6, 0.7, 0.9], seed=0),
            checkpoints([5, 3, 2, 1], [0.9, 0.7, 0.6, 0.5], seed=1),
        ]
    )
    assert flatness_association(table) == pytest.approx([1.0, -1.0])


def test_one_swap_of_four():
    # five of six pairs agree: tau = (5 - 1) / 6
    table = checkpoints([4, 3, 2, 1], [0.5, 0.7, 0.6, 0.9])
    assert flatness_association(table) == pytest.approx([4 / 6])


def test_it_ranks_by_trace_over_bound_not_by_trace():
    # ratios 1, 2, 3 with bounds that turn the order of the traces round
    rows = checkpoints([1, 2, 3], [0.9, 0.8, 0.7])
    rows["bound"] = [100.0, 10.0, 1.0]
    rows["retracted_trace"] = [100.0, 20.0, 3.0]
    assert flatness_association(rows) == pytest.approx([1.0])


@pytest.mark.filterwarnings("error")
def test_seeds_that_have_no_tau_are_left_out():
    table = pd.concat(
        [
            checkpoints([2, 1], [0.5, 0.9], seed=0),  # too few
            checkpoints([3, 2, 1], [0.5, 0.5, 0.5], seed=1),  # nothing to rank
            checkpoints([np.nan] * 3, [0.1, 0.2, 0.3], seed=2),  # none interpolates
            checkpoints([3, 2, 1], [0.5, 0.6, 0.7], seed=3),
        ]
    )
    assert flatness_association(table) == pytest.approx([1.0])
    nothing = checkpoints([np.nan], [0.5])
    assert flatness_association(nothing).shape == (0,)


# --- differences at equal trace -----------------------------------------------


def test_planted_offsets_come_back_by_seed(rng):
    offsets = [0.1, -0.2, 0.0]
    ratios = 1 + rng.uniform(size=30)
    parts = []
    for seed, offset in enumerate(offsets):
        base = 0.5 + 0 * ratios
        parts.append(checkpoints(ratios, base + offset, seed=seed, rule="A"))
        parts.append(checkpoints(ratios, base, seed=seed, rule="B"))
    table = pd.concat(parts).sample(frac=1, random_state=0)
    assert matched_difference(table, "A", "B") == pytest.approx(offsets)
    assert matched_difference(table, "B", "A") == pytest.approx([-0.1, 0.2, 0.0])


@pytest.mark.parametrize(
    ("ratio", "pairs"), [(1.0999, 1), (1.1001, 0), (1 / 1.0999, 1), (1 / 1.1001, 0)]
)
def test_the_tolerance_is_relative_and_symmetric(ratio, pairs):
    table = pd.concat(
        [
            checkpoints([7.0 * ratio], [0.9], rule="A"),
            checkpoints([7.0], [0.5], rule="B"),
        ]
    )
    found = matched_difference(table, "A", "B", tolerance=0.1)
    assert found == pytest.approx([0.4] * pairs)


def test_the_mean_is_over_pairs_that_match():
    table = pd.concat(
        [
            checkpoints([1.0, 1.05, 9.0], [0.9, 0.8, 0.1], rule="A"),
            checkpoints([1.0, 5.0], [0.6, 1.0], rule="B"),
        ]
    )
    assert matched_difference(table, "A", "B") == pytest.approx([(0.3 + 0.2) / 2])


def test_seeds_without_a_pair_are_left_out():
    table = pd.concat(
        [
            checkpoints([1.0], [0.9], seed=0, rule="A"),
            checkpoints([2.0], [0.9], seed=0, rule="B"),
            checkpoints([1.0], [0.9], seed=1, rule="A"),
            checkpoints([1.0], [0.7], seed=2, rule="A"),
            checkpoints([1.0], [0.6], seed=2, rule="B"),
        ]
    )
    assert matched_difference(table, "A", "B") == pytest.approx([0.1])


def test_seeds_without_an_accuracy_are_left_out():
    # the training set is the whole cube: nothing is held out
    parts = [
        checkpoints([1.0, 2.0, 3.0], accuracies, seed=seed, rule=rule)
        for seed, accuracies in enumerate(([np.nan] * 3, [0.5] * 3))
        for rule in ("A", "B")
    ]
    assert matched_difference(pd.concat(parts), "A", "B") == pytest.approx([0.0])
    assert flatness_association(pd.concat(parts[:2])).shape == (0,)


def test_simpsons_paradox():
    # Along each rule flatter is better; B is flatter and worse. Over all, flatter is
    # worse, and at equal trace A is better by 0.25.
    better = checkpoints([4, 3, 2], [0.85, 0.90, 0.95], rule="A")
    worse = checkpoints([2, 1.5, 1], [0.70, 0.73, 0.76], rule="B")
    both = pd.concat([better, worse])
    assert flatness_association(better) == pytest.approx([1.0])
    assert flatness_association(worse) == pytest.approx([1.0])
    assert flatness_association(both)[0] < 0
    assert matched_difference(both, "A", "B") == pytest.approx([0.25])


@pytest.mark.parametrize("tolerance", [0, -0.1, np.nan])
def test_a_tolerance_of_nothing_is_refused(tolerance):
    with pytest.raises(ValueError, match=r"tolerance = .*: must be above 0"):
        matched_difference(checkpoints([1], [1]), "A", "B", tolerance)


# --- variance -----------------------------------------------------------------

DATA = np.array([[1.0], [2.0], [6.0]])
INITIALISATION = np.array([[0.0, 1.0, 5.0, 8.0]])


@pytest.mark.parametrize(
    ("values", "shares"),
    [
        (DATA + 0 * INITIALISATION, (1, 0, 0)),
        (0 * DATA + INITIALISATION, (0, 1, 0)),
        (np.array([[1.0, -1.0], [-1.0, 1.0]]), (0, 0, 1)),
        # sums of squares 4 x 14 and 3 x 41, no interaction
        (DATA + INITIALISATION, (56 / 179, 123 / 179, 0)),
        (np.full((5, 5), 0.7), (0, 0, 0)),  # 0.7 is not the mean of 25 times 0.7
        (np.array([[3.0]]), (0, 0, 0)),
    ],
    ids=["data", "initialisation", "interaction", "additive", "nothing", "one run"],
)
def test_shares_in_closed_form(values, shares):
    found = variance_shares(crossed(values), "metric")
    expected = dict(zip(("data", "initialisation", "interaction"), shares, strict=True))
    assert found == pytest.approx(expected, abs=1e-12)


def test_shares_of_random_values_add_up(rng):
    found = variance_shares(crossed(rng.normal(size=(4, 6))), "metric")
    assert sum(found.values()) == pytest.approx(1)
    assert min(found.values()) > 0


def test_a_metric_that_no_run_has_leaves_the_shares_open():
    found = variance_shares(crossed([[np.nan, np.nan], [np.nan, np.nan]]), "metric")
    assert found == pytest.approx(
        {"data": np.nan, "initialisation": np.nan, "interaction": np.nan}, nan_ok=True
    )


def test_a_gap_is_refused():
    table = crossed([[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(ValueError, match="has a gap"):
        variance_shares(table.iloc[:-1], "metric")
