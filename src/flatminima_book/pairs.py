"""Pairs: each chapter's MyST text and the notebook beside it."""

from __future__ import annotations

from pathlib import Path

import jupytext
import nbformat

from flatminima_book.notebooks import Notebook, is_chapter, read_notebook, read_source
from flatminima_book.project import Project, toc_names

FIX = "run: make pair"


def check_pair(source: Path) -> list[str]:
    """Compare a chapter with its paired notebook; writes nothing.

    Args:
        source: The MyST text.

    Returns:
        One line per problem.
    """
    paired = source.with_suffix(".ipynb")
    if not paired.is_file():
        return [f"book/{paired.name}: the pair of {source.name} is missing; {FIX}"]
    try:
        have = read_notebook(paired)
    except (ValueError, nbformat.reader.NotJSONError) as error:
        return [f"book/{paired.name}: not a notebook: {error}"]
    problems = []
    if place := _first_difference(read_source(source), have):
        problems.append(
            f"book/{paired.name}: differs from {source.name} at {place}; {FIX}"
        )
    for number, cell in enumerate(have.cells, 1):
        if cell.cell_type == "code" and (cell.outputs or cell.execution_count):
            problems.append(
                f"book/{paired.name}: cell {number} has outputs; commit it without"
            )
            break
    return problems


def _first_difference(want: Notebook, have: Notebook) -> str:
    for key in ("kernelspec", "flatminima"):
        if want.metadata.get(key) != have.metadata.get(key):
            return f"the metadata ({key})"
    for number, (a, b) in enumerate(zip(want.cells, have.cells, strict=False), 1):
        same = a.cell_type == b.cell_type and a.source == b.source
        if not same or dict(a.metadata) != dict(b.metadata):
            return f"cell {number}"
    if len(want.cells) != len(have.cells):
        return f"cell {min(len(want.cells), len(have.cells)) + 1}"
    return ""


def check_pairs(project: Project) -> list[str]:
    """Check every chapter's pair, and that no notebook stands alone.

    Args:
        project: The book.

    Returns:
        One line per problem.
    """
    problems = []
    chapters = set()
    for name in toc_names(project):
        source = project.book / f"{name}.md"
        if source.is_file() and is_chapter(source):
            chapters.add(name)
            problems += check_pair(source)
    for paired in sorted(project.book.glob("*.ipynb")):
        if paired.stem not in chapters:
            problems.append(
                f"book/{paired.name}: has no chapter {paired.stem}.md in _toc.yml"
            )
    return problems


def update_pair(source: Path) -> bool:
    """Write the paired notebook from the text, keeping ids of unchanged cells.

    Args:
        source: The MyST text.

    Returns:
        Whether the notebook changed.
    """
    paired = source.with_suffix(".ipynb")
    if paired.is_file() and not check_pair(source):
        return False
    notebook = read_source(source)
    ids = _known_ids(paired) if paired.is_file() else {}
    for number, cell in enumerate(notebook.cells):
        spare = ids.get((cell.cell_type, cell.source))
        cell["id"] = spare.pop(0) if spare else f"cell-{number}"
    _make_unique(notebook)
    text = jupytext.writes(notebook, fmt="ipynb")
    paired.write_text(text.rstrip("\n") + "\n", "utf8")
    return True


def _known_ids(paired: Path) -> dict[tuple[str, str], list[str]]:
    known: dict[tuple[str, str], list[str]] = {}
    for cell in read_notebook(paired).cells:
        known.setdefault((cell.cell_type, cell.source), []).append(cell.get("id", ""))
    return known


def _make_unique(notebook: Notebook) -> None:
    seen: set[str] = set()
    for cell in notebook.cells:
        name, extra = cell["id"] or "cell", 1
        while name in seen or not name:
            name, extra = f"{cell['id']}-{extra}", extra + 1
        cell["id"] = name
        seen.add(name)
