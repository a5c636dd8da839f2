"""The table of figures: from a chapter's output to the scorecard page."""

from dataclasses import asdict

import nbformat
import pytest

from flatminima.claims import report
from flatminima.studies.paper_figures.outcomes import Outcome, OutcomeTable
from flatminima_book.clean import clean
from flatminima_book.notebooks import Chapter
from flatminima_book.scorecard_page import scorecard_fragment
from flatminima_book.verdicts import FIGURE_MIME, MIME, collect

ROW = Outcome(
    figure="4b",
    chapter="scenario-2",
    claim="fig-4b",
    setting="2-MLP-Bias, 1-SAM",
    reported="far worse than 4a",
    metric="test accuracy",
    value=0.71234,
    low=0.65,
    high=0.78,
    trace=22.4123,
    bound=22.2711,
    ratio=1.00634,
    retracted=9,
    scale="committed, all of the updates",
    n=10,
    verdict="holds",
)


def changed(**fields):
    return asdict(ROW) | fields


def fragment(*rows):
    entry = {
        **{"id": "a", "verdict": "holds", "chapter": "other", "origin": "ours"},
        **{
            "source": "000",
            "statement": "It is flat.",
            "rule": "low",
            "scale": "exact",
        },
        **{"effect": None, "low": None, "high": None, "n": 1, "reported": None},
        **{"expected": None, "note": "", "rule_fixed": "before"},
    }
    chapters: list[Chapter] = []
    return scorecard_fragment([entry], [], chapters, rows)


def cells(text: str, table: str) -> list[list[str]]:
    """Rows of a list-table, header first."""
    lines = text.split(f":name: {table}\n")[1].split("```")[0].splitlines()
    rows: list[list[str]] = []
    for line in lines:
        if line.startswith("* -"):
            rows.append([])
        if line.startswith(("* -", "  -")):
            rows[-1].append(line[3:].strip())
    return rows


def test_the_press_knows_the_engines_type():
    assert FIGURE_MIME == report.FIGURE_MIME
    assert FIGURE_MIME != MIME


def test_an_outcome_and_its_trace():
    text = fragment(asdict(ROW))
    _, row = cells(text, "table-figures")
    assert row == [
        "[4b](scenario-2.ipynb)",
        "2-MLP-Bias, 1-SAM",
        "far worse than 4a",
        "test accuracy 0.712 [0.65, 0.78]",
        "[✓ holds]{.verdict .verdict-holds}",
        "committed, all of the updates, n = 10",
    ]
    _, row = cells(text, "table-traces")
    assert row[2:] == ["22.41", "22.27", "1.006", "9 of 10 seeds, retracted"]


def test_figures_are_in_the_order_of_the_paper():
    names = ["10b", "9a", "2b", "11a", "1a", "10a", "2a"]
    text = fragment(*(changed(figure=name) for name in names))
    found = [row[0].split("]")[0][1:] for row in cells(text, "table-figures")[1:]]
    assert found == ["1a", "2a", "2b", "9a", "10a", "10b", "11a"]


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ({"retracted": 0}, ["22.27", "1.006", "iterates, bound at their outputs"]),
        (
            {"retracted": 0, "bound": None, "ratio": None},
            ["–", "–", "iterates, no bound is known"],
        ),
    ],
)
def test_what_a_trace_is_compared_with(fields, end):
    _, row = cells(fragment(changed(**fields)), "table-traces")
    assert row[3:] == end


def test_a_figure_of_weights_has_no_trace():
    text = fragment(asdict(ROW), changed(figure="2b", trace=None, bound=None))
    assert len(cells(text, "table-figures")) == 3
    assert len(cells(text, "table-traces")) == 2


def test_without_figures_there_is_no_table():
    assert "table-figures" not in fragment()


def test_rows_are_collected_and_leave_the_page():
    bundle = OutcomeTable([ROW])._repr_mimebundle_()
    output = nbformat.v4.new_output("display_data", data=bundle)
    cell = nbformat.v4.new_code_cell(outputs=[output])
    notebook = nbformat.v4.new_notebook(cells=[cell])
    (row,) = collect(notebook, FIGURE_MIME)
    assert row == asdict(ROW) | {"measured": "test accuracy .71 [.65, .78]"}
    assert "test accuracy .71 [.65, .78]" in bundle["text/html"]
    assert cells(fragment(row), "table-figures")[1][3] == row["measured"]
    assert collect(notebook) == []
    clean(notebook)
    assert collect(notebook, FIGURE_MIME) == []
    assert "22.41" in notebook.cells[0].outputs[0].data["text/html"]
