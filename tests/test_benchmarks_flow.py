"""The benchmark of the limiting flow: both sides end at the same optimum."""

import pytest
from benchmarks import limiting_flow


def test_both_sides_end_at_the_optimum(capsys):
    (row, *_) = limiting_flow.rows(2)
    assert row["within"] == 1
    assert -1e-9 <= row["excess"] <= limiting_flow.WITHIN
    assert row["ratio"] == pytest.approx(row["peer"] / row["ours"])
    limiting_flow.show([row])
    assert "certified optimum" in capsys.readouterr().out
