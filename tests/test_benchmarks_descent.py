"""The benchmark of label-noise SGD compares like with like."""

import pytest
from benchmarks import descent


def test_a_row_has_both_times_and_their_ratio(capsys):
    rows = descent.rows(num_steps=2000, peer_steps=20, repeats=1)
    assert rows[0]["peer_name"].startswith("PyTorch")
    for row in rows:
        assert row["ratio"] == pytest.approx(row["peer"] / row["ours"])
        assert row["unit"] == "nanoseconds" and row["ours"] > 0
    descent.show(rows)
    assert "d = 20" in capsys.readouterr().out


def test_a_peer_that_takes_other_steps_is_refused(monkeypatch):
    wrong = descent.torch_loop(descent.setting(), 7)
    monkeypatch.setattr(descent, "peers", lambda: {"wrong": lambda *_: wrong})
    with pytest.raises(AssertionError, match="wrong does not take the same steps"):
        descent.rows(num_steps=100, peer_steps=20, repeats=1)
