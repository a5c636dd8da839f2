"""What the tables on flows count, on tables made by hand."""

import numpy as np
import pandas as pd

from flatminima.runs.flow.run import REASONS
from flatminima.studies.flattest_flows import tables


def flows(**columns) -> pd.DataFrame:
    return pd.DataFrame({"last": True, "step": [10, 20, 3000], **columns})


def test_a_flow_without_a_start_has_no_reason_and_no_iterations():
    """Its row is that of the training that was to make its start."""
    reason = [REASONS.index("bound"), REASONS.index("stalled"), np.nan]
    found = tables.reasons(
        {"naive": flows(reason=reason, diverged=[False, False, True])}
    )
    assert found.loc["naive"].to_dict() == {
        "median iterations": 15,
        "bound": 1,
        "stalled": 1,
        tables.LOST: 1,
    }


def test_no_flow_has_a_start():
    found = tables.reasons({"naive": flows(reason=np.nan, diverged=True)})
    assert found.loc["naive"].to_dict() == {tables.LOST: 3}


def test_along_reads_a_flow_at_its_iterations():
    """A flow that stopped early stays where it ended; a lost one is left out."""
    rows = [
        {"data_seed": seed, "step": step, "retracted_trace": trace, "bound": 2.0}
        | {"test_accuracy": accuracy, "diverged": seed == 2, "init_seed": seed}
        for seed, path in {
            0: [(0, 8, 0.5), (1, 7, np.nan), (2, 6, 0.7), (4, 4, 0.9)],
            1: [(0, 8, 0.5), (2, 3, 0.6)],
            2: [(0, 8, 0.0)],
        }.items()
        for step, trace, accuracy in path
    ]
    found = tables.along({"naive": pd.DataFrame(rows)}, [1, 2, 4])
    assert found.index.tolist() == [("naive", 1), ("naive", 2), ("naive", 4)]
    np.testing.assert_allclose(found["trace / bound"], [4, 2.25, 1.75])
    np.testing.assert_allclose(found["test accuracy"], [0.5, 0.65, 0.75])
    np.testing.assert_allclose(found["least of a seed"], [0.5, 0.6, 0.6])
