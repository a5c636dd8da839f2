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
}


@pytest.fixture
def card(book):
    """The facts and the source of one entry."""
    chapters = load_chapters(book.project)

    def make(words, **change):
        entry = order_keys(ENTRY | change, None)
        text = scorecard_fragment([entry], [], chapters, words=words)
        blocks = text.split(":::{div} claim\n")[1].split("\n:::")[0].split("\n\n")
        return blocks[1], blocks[-2].splitlines()[-1]

    return make


def test_the_press_knows_the_engines_type():
    assert WORDS_MIME == report.WORDS_MIME


def test_an_entry_says_what_was_measured_and_spells_its_source(card):
    assert card([WORDS]) == (
        "**accuracy lower by .50 [.25, .75]** · 10 seeds · exact · source reports ✓",
        "slides, Figure 2 · `one-a`",
    )


def test_nothing_stands_where_there_is_nothing_to_say(card):
    words = WORDS | {"measured": "–", "over": ""}
    facts, source = card([words], scale="none", origin="ours")
    assert facts == "source reports ✓"
    assert source == "slides, Figure 2 (ours) · `one-a`"


def test_an_entry_without_words_shows_its_numbers(card):
    facts, source = card([WORDS | {"id": "other"}])
    assert facts.startswith("**effect -0.5 [-0.75, -0.25]** · n = 10 · ")
    assert source == "000: Fig. 2 · `one-a`"


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
        }
    ]
    clean(notebook)
    assert collect(notebook, WORDS_MIME) == []
