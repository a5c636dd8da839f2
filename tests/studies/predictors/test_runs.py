"""The designs, and which networks count."""

import pandas as pd
import pytest

from flatminima.results.reading import Committed
from flatminima.studies.predictors import runs

NOTHING = Committed([], [])


def test_the_main_design_has_every_combination_once():
    configs = runs.grid()
    assert len(configs) == len(set(configs)) == 2 * 2 ** len(runs.AXES) == 128
    for data in runs.SIZES:
        for axis, values in runs.AXES.items():
            found = [getattr(c, axis) for c in configs if c.data == data]
            assert [found.count(value) for value in values] == [32, 32]


def test_the_slice_and_the_shuffled_design():
    part = runs.grid(varying=runs.SLICE)
    assert set(part) < set(runs.grid())
    assert len(part) == 8
    shuffled = runs.shuffled()
    assert len(shuffled) == 2 * len(runs.SHARES) * 8
    assert not {c.depth for c in shuffled} & set(runs.AXES["depth"])
    assert all(config.predictors for config in [*part, *shuffled])


@pytest.mark.parametrize("given", [{"data_sets": ["mnist"]}, {"varying": ["depths"]}])
def test_unknown_names_are_refused(given):
    with pytest.raises(ValueError, match=r"must be among"):
        runs.grid(**given)


def ends(**columns) -> pd.DataFrame:
    """Last rows of four networks."""
    base = {
        "last": True,
        "diverged": [False, False, True, False],
        "reached": [1.0, 0.0, 0.0, 1.0],
        "train_accuracy": 1.0,
        "test_accuracy": 0.75,
        "depth": [2, 4, 2, 3],
    }
    return pd.DataFrame(base | columns)


def test_what_does_not_reach_the_target_does_not_count():
    main, shuffled = runs.evidence(NOTHING, ends())
    assert main["excluded"].tolist() == [
        "",
        "target missed",
        "diverged",
    ]
    assert main["gap"].tolist() == [0.25] * 3
    assert shuffled["excluded"].tolist() == [""]


def test_committed_networks_are_the_evidence_where_there_are_any():
    committed = Committed([], [ends(test_accuracy=0.5)])
    main, _ = runs.evidence(committed, ends())
    assert main["gap"].tolist() == [0.5] * 3
