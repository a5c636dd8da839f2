"""What was found, and what did not reproduce, is told from every report of a page."""

import ast
from collections.abc import Iterator

import pytest

from flatminima.claims import crossings, decide
from flatminima_book.notebooks import Chapter, load_chapters, read_source
from flatminima_book.project import load
from tests.chapters.test_smoke import ROOT

DECIDES = {*vars(decide), *vars(crossings)}


def cells(chapter: Chapter) -> Iterator[ast.stmt]:
    for cell in read_source(chapter.source).cells:
        if cell.cell_type == "code" and not cell.source.lstrip().startswith("%"):
            try:
                yield from ast.parse(cell.source).body
            except SyntaxError:  # a magic
                continue


def called(node: ast.expr) -> str:
    """The last name of a called function; empty if it is no call."""
    if not isinstance(node, ast.Call):
        return ""
    function = node.func
    return getattr(function, "attr", getattr(function, "id", ""))


def reports(chapter: Chapter) -> set[str]:
    """Names of what a chapter decides, but for verdicts that a report takes in."""
    found: set[str] = set()
    inside: set[str] = set()
    for node in cells(chapter):
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and called(call) == "Report":
                inside |= {n.id for n in ast.walk(call) if isinstance(n, ast.Name)}
        if isinstance(node, ast.Assign) and (
            called(node.value) == "Report" or decided(node.value)
        ):
            found |= {t.id for t in node.targets if isinstance(t, ast.Name)}
    return found - inside


def decided(node: ast.expr) -> bool:
    """Whether it is a call of `decide`, or of a kind of rule by its name."""
    if not isinstance(node, ast.Call) or called(node) not in DECIDES:
        return False
    function = node.func
    return isinstance(function, ast.Name) or (
        isinstance(function.value, ast.Name) and function.value.id == "decide"
    )


def told(chapter: Chapter, name: str) -> set[str] | None:
    """Names that a call has as arguments; None where there is no such call."""
    for node in cells(chapter):
        if isinstance(node, ast.Expr) and called(node.value) == name:
            return {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
    return None


CHAPTERS = {chapter.name: chapter for chapter in load_chapters(load(ROOT))}
WITH = [name for name, chapter in CHAPTERS.items() if told(chapter, "shortfall")]


def test_some_pages_have_a_shortfall():
    assert {"scenario-1", "scenario-2", "scenario-3", "sample-complexity"} <= set(WITH)


@pytest.mark.parametrize("name", WITH)
def test_a_shortfall_covers_every_report(name):
    chapter = CHAPTERS[name]
    assert reports(chapter)
    missing = reports(chapter) - (told(chapter, "shortfall") or set())
    assert not missing, f"book/{name}.md: shortfall is not given {sorted(missing)}"


@pytest.mark.parametrize("name", [n for n in CHAPTERS if told(CHAPTERS[n], "box")])
def test_a_box_is_given_every_report(name):
    chapter = CHAPTERS[name]
    missing = reports(chapter) - (told(chapter, "box") or set())
    assert not missing, f"book/{name}.md: the box is not given {sorted(missing)}"


def test_reports_are_found_in_all_their_forms():
    found = reports(CHAPTERS["sample-complexity"])
    assert {"report", "kernel_report", "flattest"} <= found
