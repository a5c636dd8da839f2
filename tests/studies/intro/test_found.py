"""The first page answers at once: its question, its answer and one figure."""

import re

import pytest

from flatminima.claims import found
from flatminima.claims.found import tell_sentences
from flatminima.claims.markup import plain
from flatminima.claims.register import load as load_claims
from flatminima.claims.report import Verdict
from flatminima.claims.sentences import load
from flatminima_book.notebooks import read_source
from tests.commands import ROOT

MOST = 150
BOX = load("intro").box


@pytest.fixture
def cells():
    return read_source(ROOT / "book/intro.md").cells


def made_up(name: str, words: tuple[str, ...]) -> Verdict:
    """A verdict whose numbers take as much room as any."""
    claim = load_claims()[1][name]
    about = (name, claim.chapter, claim.source, claim.origin, claim.statement, "rule")
    numbers = (0.87654, 0.81234, 0.91234)
    return Verdict(*about, words[0], *numbers, 10, "quick", None, "", "before")


def test_question_and_answer_have_at_most_150_words(cells):
    verdicts = [made_up(*item) for one in BOX for item in one.written_for.items()]
    told = tell_sentences("the box", "intro", BOX, list(dict.fromkeys(verdicts)))
    assert not any(one.remark for one in told)
    text = " ".join([cells[0].source.split("\n\n", 1)[1], found.TITLE])
    text += " " + " ".join(plain(one.text) for one in told)
    words = re.split(r"[\s\N{NO-BREAK SPACE}]+", text.strip())
    assert 75 < len(words) <= MOST


def test_only_the_question_stands_above_the_answer(cells):
    """The press puts the box below the question in italics, before all else."""
    assert cells[0].cell_type == "markdown"
    _, title, question = cells[0].source.split("\n", 2)
    assert title.startswith("# ")
    assert re.fullmatch(r"\*[^*]+\?\*", question.strip())


def test_one_figure_follows_before_any_more_text(cells):
    figures = ["figure" in c.metadata.get("mystnb", {}) for c in cells]
    prose = [c.cell_type == "markdown" for c in cells]
    after = prose.index(True, 1)
    assert figures[:after].count(True) == 1


def test_every_sentence_of_the_answer_rests_on_claims():
    assert all(one.written_for for one in BOX)
    rests = {claim for one in BOX for claim in one.written_for}
    assert len({load_claims()[1][claim].chapter for claim in rests}) >= 5
