"""Agreement with a source, by hand for every word that either side may have."""

import pytest

from flatminima.claims.agreement import agreement, counts, documents, kind
from flatminima.claims.register import load

ENTRY = {
    "origin": "source",
    "chapter": "one",
    "source": "000: Fig. 2; paper: Fig. 4b",
    "reported": None,
    "verdict": "holds",
}


@pytest.mark.parametrize(
    ("verdict", "reported", "found"),
    [
        ("holds", None, "agrees"),
        ("holds", "✓", "agrees"),
        ("holds", "almost perfect", "agrees"),
        ("holds", 0.5, "agrees"),
        ("fails", "✓", "disagrees"),
        ("fails", "fails", "disagrees"),  # a claim that says so, and does not hold
        ("fails", "✗", "agrees"),
        ("holds", "✗", "disagrees"),
        ("partly", "almost perfect", "agrees"),
        ("partly", "perfect", "open"),
        ("partly", None, "open"),
        ("partly", "✗", "open"),
        ("undecided", "✗", "open"),
        ("not testable", "✓", "open"),
    ],
)
def test_agreement(verdict, reported, found):
    assert agreement(ENTRY | {"verdict": verdict, "reported": reported}) == found


def test_nothing_of_ours_can_agree_with_a_source():
    ours = ENTRY | {"origin": "ours"}
    assert kind(ours) == "ours"
    with pytest.raises(ValueError, match="origin = 'ours': must be 'source'"):
        agreement(ours)


def test_misprints_are_told_from_claims():
    assert kind(ENTRY) == "source"
    assert kind(ENTRY | {"chapter": "errata"}) == "misprint"
    assert kind(ENTRY | {"chapter": "errata", "origin": "ours"}) == "ours"


def test_documents_of_a_claim():
    assert documents('000: Scenario I, "SAM: empirically"') == ["000"]
    assert documents("000: Theorem 2.1, Definition 2.2; paper: Theorem 4.1") == [
        "000",
        "paper",
    ]
    assert documents("control of 000, Fig. 1") == []
    assert documents("remark on 000: Conclusion") == []


def test_counts_are_by_document_and_each_counts_both():
    paper = ENTRY | {"source": "paper: Fig. 5", "verdict": "undecided"}
    wrong = ENTRY | {"verdict": "fails"}
    assert counts([ENTRY, paper, wrong]) == {
        "slides": {"agrees": 1, "disagrees": 1, "open": 0},
        "paper": {"agrees": 1, "disagrees": 1, "open": 1},
    }
    assert counts([]) == {}


def test_every_claim_of_a_source_names_its_document():
    theirs = [c for c in load()[1].values() if c.origin == "source"]
    assert all(documents(claim.source) for claim in theirs)


def test_a_denied_statement_is_reported_with_a_cross():
    """What a source says to be false is either denied, or claimed to fail."""
    denied = {c.id for c in load()[1].values() if c.reported == "✗"}
    assert denied == {
        *("table-bias-flattest", "table-bias-sam", "table-ln-flattest"),
        *("sam-steps", "sam-steps-line", "sam-second-line"),
        "m-sharp-flatter-better",
    }
