"""What the chapters found: their sentences, and where a page shows them.

A chapter shows its box and its passages as the outputs of cells. On its page the box
stands at the head, and a passage is prose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import v4

from flatminima.claims.sentences import MIME, TITLE, Texts, read
from flatminima_book.notebooks import Notebook
from flatminima_book.project import Project


@dataclass(frozen=True)
class FoundFile:
    """The sentences of one chapter.

    Attributes:
        where: Its file, as a reader in the book's folder would type it.
        texts: The sentences, or None when the file is not sound.
        problems: What is wrong with the file itself.
    """

    where: str
    texts: Texts | None
    problems: tuple[str, ...] = ()


def load_found(project: Project) -> dict[str, FoundFile]:
    """Read the sentences of all chapters, by chapter."""
    if not project.found:
        return {}
    files = {}
    for path in sorted(project.root.glob(project.found)):
        where = path.relative_to(project.root).as_posix()
        files[path.parent.name.replace("_", "-")] = _read(path, where)
    return files


def _read(path: Path, where: str) -> FoundFile:
    try:
        return FoundFile(where, read(path.parent))
    except ValueError as error:
        lines = tuple(f"{where}: {line}" for line in str(error).splitlines())
        return FoundFile(where, None, lines)


def resting(project: Project) -> dict[str, list[str]]:
    """The sentences that rest on each claim: chapter, place and first words."""
    found: dict[str, list[str]] = {}
    for chapter, file in load_found(project).items():
        for place, sentence in file.texts.places() if file.texts else ():
            for claim in sentence.written_for:
                line = f"{chapter}, {place}: “{sentence.opening}”"
                found.setdefault(claim, []).append(line)
    return found


def struck(
    shown: Sequence[Mapping[str, Any]], bound: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Sentences that do not stand though every verdict is as expected.

    One tells a mean where the share of seeds that generalise decides, or the reverse.

    Args:
        shown: What the chapters displayed with `MIME`.
        bound: Scorecard entries to which a verdict is expected.

    Returns:
        One line per sentence.
    """
    met = {
        entry["id"]
        for entry in bound
        if entry["verdict"] in (entry["expected"] or "").split(" or ")
    }
    return [
        f"chapter {each['chapter']}: does not stand, though its verdicts do: "
        f"“{sentence['says']}”"
        for each in shown
        for sentence in each["sentences"]
        if not sentence["stands"]
        and sentence["claims"]
        and set(sentence["claims"]) <= met
    ]


def place(notebook: Notebook, chapter: str) -> list[str]:
    """Put what an executed notebook found at its places, as prose.

    The box goes to the head of the page, after the title and, where it follows, the
    question in italics; a passage stays where it is. The cells that showed them go.

    Args:
        notebook: As executed; changed in place.
        chapter: Its name.

    Returns:
        One line per problem.
    """
    boxes = []
    cells = []
    for cell in notebook.cells:
        shown = [
            output.data
            for output in cell.get("outputs", [])
            if MIME in output.get("data", {})
        ]
        text = "\n\n".join(data["text/markdown"] for data in shown)
        if not shown:
            cells.append(cell)
        elif shown[0][MIME]["passage"]:
            cells.append(v4.new_markdown_cell(text, id=cell.id))
        else:
            boxes.append(text)
    notebook.cells = cells
    if not boxes:
        return []
    for cell in cells:
        if cell.cell_type == "markdown" and (at := _head(cell.source)) is not None:
            opening, rest = cell.source[:at], cell.source[at:]
            cell["source"] = f"{opening}\n\n{admonition(boxes[0])}\n{rest}"
            return []
    return [f"chapter {chapter}: has no title below which the box could stand"]


def admonition(body: str) -> str:
    """The box as a page shows it."""
    return f"::::{{admonition}} {TITLE}\n:class: found\n\n{body}\n::::\n"


def _head(text: str) -> int | None:
    """Where the title and the question in italics end; None without a title."""
    lines = text.splitlines()
    titles = [n for n, line in enumerate(lines) if line.startswith("# ")]
    if not titles:
        return None
    end = titles[0] + 1
    start = next((n for n in range(end, len(lines)) if lines[n].strip()), len(lines))
    if start < len(lines) and lines[start].startswith(("*", "_")):
        end = start
        while end < len(lines) and lines[end].strip():
            end += 1
    return len("\n".join(lines[:end]))
