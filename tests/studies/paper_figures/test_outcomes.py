"""The table of figures tells what decides: a mean, or the share of seeds."""

from types import SimpleNamespace

import pytest

from flatminima.claims import decide
from flatminima.studies.paper_figures import outcomes
from tests.tables import runs

GROUPS = [1.0, 0.99, 0.96, 0.62, 0.61, 0.6, 0.6, 0.6, 0.6, 0.6]


def row(monkeypatch, **columns):
    table = runs(**columns)
    shown = SimpleNamespace(
        table=table, metric="test_accuracy", name="10b", setting="a setting"
    )
    monkeypatch.setattr(outcomes, "scale", lambda shown: "committed")
    verdict = decide.share("fig-10b", table)
    (found,) = outcomes.outcomes({"10b": shown}, [verdict]).rows
    return verdict, found


def test_a_mean(monkeypatch):
    verdict, found = row(monkeypatch, test_accuracy=[0.6 + 0.01 * k for k in range(10)])
    assert (found.metric, found.value) == ("accuracy", pytest.approx(0.645))
    assert (found.low, found.high) == (verdict.low, verdict.high)


def test_the_share_of_seeds_where_it_decides(monkeypatch):
    verdict, found = row(monkeypatch, test_accuracy=GROUPS)
    assert verdict.verdict == "fails"
    assert (found.metric, found.value) == ("share of seeds that generalise", 0.3)
    assert (found.low, found.high) == (verdict.low, verdict.high)
    assert "share of seeds that generalise .30 [.07, .65]" in repr(
        outcomes.OutcomeTable([found])
    )
