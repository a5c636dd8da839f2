"""The page of evidence: all four sources, bound, and drawable whatever came out."""

from itertools import pairwise

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from flatminima.claims.conclusions import overview
from flatminima.claims.found import VERDICTS_VARIABLE
from flatminima.claims.register import load as load_claims
from flatminima.claims.sentences import load
from flatminima.studies.evidence import plots
from flatminima_book.notebooks import load_chapter
from tests.commands import ROOT

TEXTS = load("evidence")
SOURCES = {"slides": "000", "open-problems": "001", "sam-talk": "002", "report": "003"}
ADVISED = ("SAM", "weight decay", "batch", "sharpness")


def test_every_source_has_its_section():
    assert set(TEXTS.sections) == {*SOURCES, "advice"}


@pytest.mark.parametrize("name", SOURCES)
def test_conclusions_rest_on_claims_about_their_source(name):
    """At least one of those behind it is about a place of that source."""
    claims = load_claims()[1]
    for one in TEXTS.sections[name].conclusions:
        assert one.place, one.short
        about = [claims[c].source for c in one.written_for]
        assert any(SOURCES[name] in text for text in about), one.short


def test_advice_is_ours_and_covers_what_practitioners_ask():
    section = TEXTS.sections["advice"]
    assert not any(one.place for one in section.conclusions)
    text = " ".join(one.concludes for one in section.conclusions)
    assert all(word in text for word in ADVISED)


def test_the_page_waits_for_every_chapter_that_it_leans_on():
    chapter = load_chapter(ROOT / "book/evidence.md")
    claims = load_claims()[1]
    leans = {claims[c].chapter for _, s in TEXTS.places() for c in s.written_for}
    assert leans == set(chapter.after)


def made_up(count: int) -> pd.DataFrame:
    rows = [
        ("A source", f"Conclusion {k}", "partly", "firm", k, k % 2, 1)
        for k in range(count)
    ]
    names = ["section", "conclusion", "verdict", "sure", "met", "against", "open"]
    return pd.DataFrame(rows, columns=names)


def test_the_figure_has_a_mark_for_every_claim():
    table = made_up(4)
    figure = plots.conclusions(table)
    (axis,) = figure.axes
    drawn = {kind: 0 for kind in plots.MARKS}
    for line in axis.lines:
        for kind, (marker, _, face, _) in plots.MARKS.items():
            if line.get_marker() == marker and line.get_markerfacecolor() == face:
                drawn[kind] += len(line.get_xdata())
    assert drawn == table[list(plots.MARKS)].sum().to_dict()
    assert [text.get_text() for text in axis.texts] == ["partly, firm"] * 4
    plt.close(figure)


def test_marks_of_a_line_do_not_overlap():
    figure = plots.conclusions(made_up(9))
    (axis,) = figure.axes
    for y in range(1, 10):
        places = sorted(
            x
            for line in axis.lines
            if line.get_marker() in ("s", "X")
            for x, at in zip(line.get_xdata(), line.get_ydata(), strict=True)
            if at == y
        )
        assert all(after - before == 1 for before, after in pairwise(places))
        assert max(places) < axis.get_xlim()[1]
    plt.close(figure)


def test_the_figure_says_that_nothing_was_run(tmp_path, monkeypatch):
    monkeypatch.setenv(VERDICTS_VARIABLE, str(tmp_path))
    table = overview("evidence", list(TEXTS.sections), 10)
    assert not table["verdict"].any()
    figure = plots.conclusions(table)
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words == ["no chapter has been run"]
    plt.close(figure)
