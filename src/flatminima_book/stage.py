"""The stage: the folder that Sphinx reads, filled from the sources."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence

import nbformat

from flatminima_book.notebooks import Chapter, Notebook
from flatminima_book.project import Project

GENERATED = "_generated"


def set_stage(project: Project, chapters: list[Chapter]) -> None:
    """Copy everything but the chapters to an empty stage.

    Args:
        project: The book.
        chapters: Their text and notebooks stay behind.
    """
    shutil.rmtree(project.stage, ignore_errors=True)
    paired = {c.source.name for c in chapters} | {c.paired.name for c in chapters}

    def leave_out(folder: str, names: list[str]) -> set[str]:
        top = folder == str(project.book)
        return {
            name
            for name in names
            if name == ".ipynb_checkpoints"
            or name == "__pycache__"
            or (top and (name in paired or name in ("_static", GENERATED)))
        }

    shutil.copytree(project.book, project.stage / "book", ignore=leave_out)
    static = project.book / "_static"
    if static.is_dir():  # Sphinx looks for it at the top of its source folder
        shutil.copytree(static, project.stage / "_static")
    (project.stage / "book" / GENERATED).mkdir()
    names = [chapter.name for chapter in chapters]
    for page in (project.stage / "book").glob("*.md"):
        page.write_text(point_links(page.read_text("utf8"), names), "utf8")


def point_links(text: str, chapters: Sequence[str]) -> str:
    """Point links to a chapter's text at the notebook that stands for it.

    Sources link to ``name.md``, which works in an editor and on a code host; on
    the stage only ``name.ipynb`` exists.

    Args:
        text: Markdown.
        chapters: Names of chapters.

    Returns:
        The text, other links untouched.

    >>> point_links("[a](one.md#b), [c](other.md)", ["one"])
    '[a](one.ipynb#b), [c](other.md)'
    """
    names = "|".join(map(re.escape, chapters))
    return re.sub(rf"\]\(({names})\.md(?=[#)])", r"](\1.ipynb", text)


def put_notebook(
    project: Project, chapter: str, notebook: Notebook, chapters: Sequence[str]
) -> None:
    """Write a cleaned notebook to the stage, its links to chapters pointed."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell["source"] = point_links(cell.source, chapters)
    nbformat.write(notebook, project.stage / "book" / f"{chapter}.ipynb")


def put_fragment(project: Project, name: str, text: str) -> None:
    """Write a generated text that a plain page includes."""
    path = project.stage / "book" / GENERATED / name
    path.write_text(text, "utf8")
