"""What runs from many starts say."""

import numpy as np
import pandas as pd
import pytest

from flatminima.claims import decide
from flatminima.studies.start import plots, tables
from tests.tables import runs


def at(accuracies, start=1.0, **columns):
    """Ends of runs, one a seed."""
    table = runs(len(accuracies), test_accuracy=list(accuracies), **columns)
    return table.assign(start=start)


def test_what_one_change_makes_of_the_gap():
    large, small, other = at([0.6, 0.5]), at([1.0, 0.7]), at([0.9, 0.9])
    found = tables.beyond_half_the_gap(large, small, other)
    np.testing.assert_allclose(found, [0.4 - 0.15, 0.2 - 0.2], atol=1e-12)


def test_a_seed_with_a_diverged_run_has_no_share():
    lost = at([1.0, 0.7], diverged=[False, True])
    found = tables.beyond_half_the_gap(at([0.6, 0.5]), lost, at([0.9, 0.9]))
    assert len(found) == 1


def test_minus_taus_of_start_and_metric():
    table = pd.concat(
        [
            at([0.0, 0.0], 0.1, kernel_moved=[0.9, 0.1]),
            at([0.0, 0.0], 1.0, kernel_moved=[0.5, 0.3]),
            at([0.0, 0.0], 3.0, kernel_moved=[0.2, 0.2]),
        ]
    )
    np.testing.assert_allclose(
        tables.falls_with_start(table, "kernel_moved"), [1.0, -1 / 3]
    )


def test_one_start_has_no_tau():
    table = at([0.0, 0.0], kernel_moved=[0.9, 0.1])
    assert tables.falls_with_start(table, "kernel_moved").size == 0


def test_the_summary_turns_failing_around():
    spread = np.linspace(-0.005, 0.005, 10)
    low, high = at(0.6 + spread), at(0.99 + spread)
    columns = {
        "own": {
            "bias": decide.share("start-bias-one", low),
            "sim_ln": decide.share("start-ln-one", high),
        },
        "small": {"bias": decide.share("start-bias-small", high)},
    }
    found = tables.summary(columns)
    assert found.loc["2-MLP-Bias", "own"].startswith("✗ 0.600 [0.59")
    assert found.loc["2-MLP-Sim-LN", "own"].startswith("✓ 0.990")
    assert found.loc["2-MLP-Bias", "small"].startswith("✓")


def test_the_summary_counts_seeds_where_their_share_decides():
    two_groups = at(np.repeat([1.0, 0.5], [3, 7]))
    verdict = decide.share("start-no-bias-small", two_groups)
    found = tables.summary({"small": {"no_bias": verdict}})
    assert found.loc["2-MLP-No-Bias", "small"] == "✗ right on 3 of 10 seeds"


def test_where_settings_end():
    moved = {"weights_moved": [2.0, 4.0], "kernel_moved": [0.3, 0.5]}
    table = pd.concat(
        [
            at([0.5, 0.7], 0.1, **moved, diverged=[False, True]),
            at([0.9, 0.9], 1.0, **moved),
        ]
    )
    found = tables.ends({"a": table})
    assert list(found.index) == [("a", 0.1), ("a", 1.0)]
    assert found.loc[("a", 0.1), "diverged"] == 1
    assert found.loc[("a", 0.1), "accuracy"] == pytest.approx(0.25)
    assert found.loc[("a", 0.1), "kernel moved"] == 0.3
    assert found.loc[("a", 1.0), "weights moved"] == 3.0
    assert found.loc[("a", 1.0), "seeds"] == 2


def test_lengths_are_a_hundredth_a_tenth_and_all():
    table = pd.DataFrame({"step": [0, 100, 990, 5000, 10_500, 100_000]})
    assert plots.lengths(table) == [990, 10_500, 100_000]
    assert plots.lengths(pd.DataFrame({"step": [0, 7]})) == [0, 7]
