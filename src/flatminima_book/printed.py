"""What a printed book must be: looked at as a reader sees it, page by page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

BROKEN = ("Math Processing Error", "Undefined control sequence", "\ufffd")
CAPTION = re.compile(r"(?m)^\s*(Fig\.\s\d+)\b")
DOTS = 40
"""Dots to an inch at which pages are looked at."""

INK = 40
"""Levels of grey by which a dot differs from white."""

EDGE = 0.25
"""Inches from the edges of the paper within which nothing is printed."""


@dataclass(frozen=True)
class Wanted:
    """What the one page held that was printed.

    Attributes:
        chapters: names, in order.
        figures: their numbers as in captions, such as ``Fig. 7``, in order.
        formulas: how many.
        printed: the page number that the contents give each chapter.
    """

    chapters: tuple[str, ...]
    figures: tuple[str, ...]
    formulas: int
    printed: dict[str, int]


def starts(path: Path, chapters: Sequence[str]) -> dict[str, int]:
    """On which page each chapter begins, the cover being page 1.

    The outline has an entry for every first-level heading: the cover's, then one a
    chapter.

    Raises:
        ValueError: It has another number of them.
    """
    import pypdfium2

    with pypdfium2.PdfDocument(path) as document:
        tops = [entry for entry in document.get_toc() if entry.level == 0]
        pages = [entry.get_dest().get_index() + 1 for entry in tops][1:]
    if len(pages) != len(chapters):
        raise ValueError(
            f"the outline has {len(pages)} chapters and the book {len(chapters)}"
        )
    return dict(zip(chapters, pages, strict=True))


def check_pdf(path: Path, wanted: Wanted) -> list[str]:
    """Open a PDF and compare it with what was to be printed.

    Args:
        path: The PDF.
        wanted: What the page held.

    Returns:
        One line per problem: an empty page, ink in the margins, a broken formula, a
        figure that is missing, a wrong number in the contents.
    """
    captions, problems = look(path)
    found = starts(path, wanted.chapters)
    for name, number in wanted.printed.items():
        if found[name] != number:
            problems.append(
                f"contents: {name} begins on page {found[name]}, not on {number}"
            )
    for figure in wanted.figures:
        if figure not in captions:
            problems.append(f"{figure}: is not in the PDF")
    if extra := sorted(set(captions) - set(wanted.figures)):
        problems.append(f"{extra[0]}: is in the PDF and not in the book")
    return [f"{path.name}: {problem}" for problem in problems]


def look(path: Path) -> tuple[list[str], list[str]]:
    """Look at every page of a PDF.

    Returns:
        The numbers of figures in captions, in order, and a line per problem.
    """
    import pypdfium2

    problems: list[str] = []
    captions: list[str] = []
    with pypdfium2.PdfDocument(path) as document:
        for number, page in enumerate(document, 1):
            text = page.get_textpage().get_text_bounded()
            captions += [" ".join(c.split()) for c in CAPTION.findall(text)]
            problems += [
                f"page {number}: {wrong}" for wrong in _page_problems(page, text)
            ]
    return captions, problems


def _page_problems(page: Any, text: str) -> Iterator[str]:
    for words in BROKEN:
        if words in text:
            yield f"shows {words!r}"
    grey = np.asarray(page.render(scale=DOTS / 72, grayscale=True).to_numpy())
    ink = grey.reshape(grey.shape[0], grey.shape[1], -1)[..., 0] < 255 - INK
    edge = round(EDGE * DOTS)
    body = ink[: -2 * edge]  # the page's number stands below
    if not body.any():
        yield "is empty"
    if ink[:, :edge].any() or ink[:, -edge:].any():
        yield "is printed into the margin"
