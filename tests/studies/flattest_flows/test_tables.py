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
