"""What is folded: rules by hand, then the chapters of the real book."""

from pathlib import Path

import nbformat
import pytest

from flatminima_book.check import check_sources
from flatminima_book.folding import (
    CHOSEN,
    FOLDED,
    LONG,
    PROMPTS,
    fold,
    imported,
    unfoldable_reports,
)
from flatminima_book.notebooks import load_chapters, read_source, tags
from flatminima_book.project import load
from tests.book.fixture_book import code

ROOT = Path(__file__).parents[2]
IMPORTS = """\
import pandas as pd
from flatminima import claims, crossing_claims, figures, plots, plots_hinge, sweep
from flatminima.studies.hinge import plots as own_plots
from flatminima.claims import report as told
from flatminima_book import chapter
"""


def notebook(*sources, metadata=None):
    """A chapter of code cells after one with imports and work."""
    first = nbformat.v4.new_code_cell(IMPORTS + "table = sweep.sweep([])")
    cells = [nbformat.v4.new_code_cell(s, metadata=metadata or {}) for s in sources]
    return nbformat.v4.new_notebook(cells=[first, *cells])


def prompt(source, **metadata):
    """The prompt of a folded cell; None of an open one."""
    made = notebook(source, metadata=metadata)
    fold(made)
    assert FOLDED not in tags(made.cells[0])
    cell = made.cells[1]
    if FOLDED not in tags(cell):
        return None
    return cell.metadata["mystnb"]["code_prompt_show"]


@pytest.mark.parametrize(
    "source",
    [
        'claims.Report([claims.share("a", rows)])',
        'report = claims.Report([claims.share("a", rows["SGD"])])\nreport',
        'found = [claims.exact("a", e) for e in errors]',
        "found = {name: claims.exact(name, e) for name, e in errors.items()}",
        'ends = {k: v.table for k, v in shown.items()}\nclaims.share("a", ends["x"])',
        'crossing_claims.crosses("a", table)',
        "told.Report([])",
        "claims.shortfall(report)",
        "figures.outcomes(shown, report.verdicts)",
        "figures.Table([figures.row(report.verdicts[0], shown)])",
    ],
)
def test_cells_that_decide_or_show_verdicts_are_folded(source):
    assert prompt(source) == PROMPTS["verdicts"]


@pytest.mark.parametrize(
    "source",
    [
        "chapter.start()",
        "from flatminima_book import chapter\n\nchapter.start()",
        "import numpy as np\nfrom flatminima import plots\n\nplots.use_style()",
        "paper",
    ],
)
def test_other_bookkeeping_is_folded(source):
    assert prompt(source) == PROMPTS["other"]


@pytest.mark.parametrize(
    "source",
    [
        "table = sweep.sweep([1], seeds=2)",
        "pd.DataFrame(rows).round(6)",
        "figures.phase_table(shown)",
        "errors = table.abs()\nclaims.Report([claims.exact('a', errors)])",
        "twice = 2 * errors\nclaims.exact('a', twice)",
        "plots.use_style()\nconfigs = sweep.configs(3)",
        "for x in range(3):\n    claims.share('a', x)",
        "def claims_of(x):\n    return claims.share('a', x)",
        "rows = table['x']",
        "p = 0.2",
        "%pip install flatminima",
        "",
        "found = [claims.exact('a', 1), 2]",
        "found = []",
        "count += claims.count()",
        "unknown.Report([])",
    ],
)
def test_code_that_teaches_stays_open(source):
    assert prompt(source) is None


@pytest.mark.parametrize(
    "source",
    [
        "figure = plots.curves(table)",
        "figure = plots_hinge.along(table, reference=claims.load()[0].low)",
        "figure = own_plots.along(table)",
        "shown = table['x']\nfigure, _ = plots.grid(shown)",
    ],
)
def test_calls_of_plots_are_folded(source):
    assert prompt(source) == PROMPTS["figure"]


def test_a_figure_is_folded_whatever_draws_it():
    figure = {"figure": {"caption": "x"}}
    assert prompt("f = draw(2 * table)", mystnb=figure) == PROMPTS["figure"]


@pytest.mark.parametrize("lines", [1, LONG, LONG + 1])
def test_a_long_parameters_cell_is_folded(lines):
    found = prompt("d = 1  # x\n" * lines, tags=["parameters"])
    assert found == (PROMPTS["parameters"] if lines > LONG else None)


@pytest.mark.parametrize("tag", sorted(CHOSEN))
def test_a_tag_of_the_chapter_wins(tag):
    made = notebook("chapter.start()", "x = 1 + 1", metadata={"tags": [tag, "mine"]})
    fold(made)
    for cell in made.cells[1:]:
        assert tags(cell) == [tag, "mine"]


def test_a_prompt_of_the_chapter_wins():
    own = {"code_prompt_show": "Show the sum"}
    assert prompt("x = 1 + 1", tags=[FOLDED], mystnb=own) == "Show the sum"
    assert prompt("x = 1 + 1", tags=[FOLDED]) == PROMPTS["other"]


def test_where_names_are_from():
    assert imported("import a.b\nimport a.c as d\nfrom e.f import g as h") == {
        "a": "a",
        "d": "a.c",
        "h": "e.f.g",
    }


# --- reports have a cell of their own -------------------------------------------


def test_a_cell_that_computes_and_reports_is_found():
    report = "claims.Report([claims.exact('a', errors)])"
    mixed = f"errors = table.abs()\n{report}"
    assert unfoldable_reports(notebook(mixed, report, "x = 1 + 1")) == [2]
    tagged = notebook(mixed, metadata={"tags": ["show-input"]})
    assert unfoldable_reports(tagged) == []
    assert unfoldable_reports(notebook("pd.Report(errors + 1)")) == []


def test_the_check_names_the_cell(book):
    book.chapter(
        "two", code("from flatminima import claims\nx = 1 + 1\nclaims.Report([x])")
    )
    problems = check_sources(book.project)
    assert problems == [
        "book/two.md: code cell 4 computes and makes a Report; give the Report a cell "
        "of its own",
        "claim two-a: book/two.md never mentions it",
    ]


# --- the real book ----------------------------------------------------------------


@pytest.fixture(scope="module")
def chapters():
    """Folded chapters of the book, by name."""
    found = {c.name: read_source(c.source) for c in load_chapters(load(ROOT))}
    for made in found.values():
        fold(made)
    return found


def code_cells(made):
    return [cell for cell in made.cells if cell.cell_type == "code"]


def test_no_chapter_shows_bookkeeping(chapters):
    for name, made in chapters.items():
        for cell in code_cells(made):
            if CHOSEN - {"show-input"} & set(tags(cell)):
                continue
            assert "chapter.start()" not in cell.source, name
            assert "claims.Report(" not in cell.source, name
            assert "figure" not in cell.metadata.get("mystnb", {}), name


def test_every_chapter_shows_code_that_teaches(chapters):
    for name, made in chapters.items():
        shown = [c for c in code_cells(made) if not CHOSEN & set(tags(c))]
        assert shown or name == "intro", name


def test_the_first_page_shows_its_figure_before_any_code(chapters):
    cells = code_cells(chapters["intro"])
    drawn = next(c for c in cells if "figure" in c.metadata.get("mystnb", {}))
    assert FOLDED in tags(drawn)
    for cell in cells[: cells.index(drawn)]:
        assert {"remove-cell", "remove-input"} & set(tags(cell)), cell.source
