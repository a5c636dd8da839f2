"""The scorecard page: what it says of a claim, in words that the chapter gave."""

import nbformat
import numpy as np
import pytest

from flatminima.claims import decide, report
from flatminima_book.clean import clean
from flatminima_book.notebooks import load_chapters
from flatminima_book.scorecard_page import scorecard_fragment
from flatminima_book.verdicts import WORDS_MIME, collect, order_keys

ENTRY = {
    "id": "one-a",
    "chapter": "one",
    "source": "000: Fig. 2",
    "origin": "source",
    "statement": "It is flat.",
    "rule": "trace at most 1",
    "verdict": "holds",
    "effect": -0.5,
    "low": -0.75,
    "high": -0.25,
    "n": 10,
    "scale": "exact",
    "reported": "✓",
    "note": "",
    "rule_fixed": "before",
}
WORDS = {
    "id": "one-a",
    "measured": "accuracy lower by .50 [.25, .75]",
    "over": "10 seeds",
    "source": "slides, Figure 2",
    "p": None,
}


@pytest.fixture
def card(book):
    """The facts and the source of one entry."""
    chapters = load_chapters(book.project)

    def make(words, **change):
        entry = order_keys(ENTRY | change, None)
        text = scorecard_fragment([entry], [], chapters, words=words)
        blocks = text.split(":::{div} claim ")[1].split("\n:::")[0].split("\n\n")[1:]
        return blocks[1], blocks[-2].splitlines()[-1]

    return make


def test_the_press_knows_the_engines_type():
    assert WORDS_MIME == report.WORDS_MIME


def test_an_entry_says_what_was_measured_and_spells_its_source(card):
    assert card([WORDS]) == (
        "**accuracy lower by .50 [.25, .75]** · 10 seeds · exact · source reports ✓ · "
        "agreement: agrees",
        "slides, Figure 2 · [`one-a`](#claim-one-a)",
    )


def test_nothing_stands_where_there_is_nothing_to_say(card):
    words = WORDS | {"measured": "–", "over": ""}
    facts, source = card([words], scale="none", origin="ours")
    assert facts == "source reports ✓"
    assert source == "slides, Figure 2 (ours) · [`one-a`](#claim-one-a)"


def test_an_entry_without_words_shows_its_numbers(card):
    facts, source = card([WORDS | {"id": "other"}])
    assert facts.startswith("**effect -0.5 [-0.75, -0.25]** · n = 10 · ")
    assert source == "000: Fig. 2 · [`one-a`](#claim-one-a)"


def test_words_are_collected_and_leave_the_page():
    shown = decide.exact("xor-extreme", np.array([0.0, 0.25]))
    output = nbformat.v4.new_output("display_data", data=shown._repr_mimebundle_())
    cell = nbformat.v4.new_code_cell(outputs=[output])
    notebook = nbformat.v4.new_notebook(cells=[cell])
    assert collect(notebook, WORDS_MIME) == [
        {
            "id": "xor-extreme",
            "measured": "share of points off a vertex .25",
            "over": "2 cases",
            "source": "slides, Definition 2.1; paper, Section 4",
            "p": None,
        }
    ]
    clean(notebook)
    assert collect(notebook, WORDS_MIME) == []


# --- the parts of the page ------------------------------------------------------


def page(book, *entries, words=()):
    chapters = load_chapters(book.project)
    full = [order_keys(ENTRY | entry, None) for entry in entries]
    return scorecard_fragment(full, [], chapters, words=words)


def row(text: str, label: str) -> list[str]:
    """The cells of a list table's row."""
    lines = text.splitlines()
    start = lines.index(f"* - {label}")
    cells = []
    for line in lines[start + 1 :]:
        if not line.startswith("  - "):
            break
        cells.append(line.removeprefix("  - "))
    return cells


def test_agreement_is_counted_by_source_and_a_confirmed_cross_agrees(book):
    text = page(
        book,
        {"id": "a", "source": "000: Fig. 2; paper: Fig. 4b"},
        {"id": "b", "source": "000: Fig. 4", "verdict": "fails", "reported": "✗"},
        {"id": "c", "source": "paper: Fig. 5", "verdict": "fails"},
        {"id": "d", "source": "paper: Fig. 5", "verdict": "undecided"},
        {"id": "e", "source": "control of 000", "origin": "ours", "verdict": "fails"},
    )
    assert row(text, "the slides") == ["2", "0", "0"]
    assert row(text, "the paper") == ["1", "1", "1"]
    assert row(text, "all, each claim once") == ["2", "1", "1"]
    assert text.count("agreement: agrees") == 2
    assert text.count("agreement: disagrees") == 1
    assert text.count("agreement: ") == 4
    sources, ours = text.split("## Claims of ours")
    assert "`e`" in ours
    assert "`e`" not in sources


def test_misprints_are_apart_and_no_disagreement(book):
    text = page(
        book,
        {"id": "a"},
        {"id": "b", "chapter": "errata", "verdict": "fails"},
        {"id": "c", "chapter": "errata", "verdict": "fails"},
        {"id": "d", "chapter": "errata"},
    )
    assert row(text, "all, each claim once") == ["1", "0", "0"]
    assert "3 printed statements were checked by themselves; 2 are misprints" in text
    assert text.index("## Claims of the sources") < text.index("## Misprints")


def test_every_claim_says_when_its_rule_was_fixed(book):
    text = page(
        book,
        {"id": "a"},
        {"id": "b", "rule_fixed": "after pilot"},
        {"id": "c", "origin": "ours", "rule_fixed": "after data"},
    )
    assert row(text, "Claims of the sources") == ["1", "1", "0"]
    assert row(text, "Claims of ours") == ["0", "0", "1"]
    assert "Rule fixed before its runs: trace at most 1" in text
    assert "Rule fixed after pilot runs: trace at most 1" in text
    assert "Rule fixed after its data had been seen: trace at most 1" in text


def test_verdicts_that_chance_could_have_made(book):
    entries = [{"id": name} for name in "abcd"] + [{"id": "o", "origin": "ours"}]
    p = {"a": 0.04, "b": 1e-6, "c": None, "d": 0.03, "o": 0.001}
    words = [WORDS | {"id": name, "p": value} for name, value in p.items()]
    text = page(book, *entries, words=words)
    assert "decides 4 of the verdicts" in text
    assert "0.2 of these intervals may be expected to miss, and at most 0.1" in text
    assert "Of the claims of the sources 3 are decided so" in text
    assert "1 of them still stand; these do not: `a`, `d`." in text
    sure = [WORDS | {"id": name, "p": 0.0} for name in "abd"]
    assert "3 of them still stand.\n" in page(book, *entries, words=sure)
    assert "by chance" not in page(book, *entries)
