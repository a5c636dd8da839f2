"""A small book is printed by Chromium: once sound, then spoilt in each way."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

from flatminima_book import printing
from flatminima_book.pages import copy_mathjax
from flatminima_book.printed import Wanted, check_pdf, starts
from flatminima_book.project import Project, load

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="300" height="200">'
    '<rect width="300" height="200" fill="navy"/></svg>'
)
LONG = "".join(f"<p>Paragraph {number} of a long chapter.</p>" for number in range(120))
PAGE = """<html><head>
<script>window.MathJax = {{"options": {{"processHtmlClass": "math"}}}}</script>
<script defer="defer" src="../_static/mathjax/tex-chtml.js"></script></head><body>
<article class="bd-article"><section id="top">
<h1>Chapter {name}<a class="headerlink" href="#top">#</a></h1>
<p>See <a href="two.html#fig">the figure</a> and
<span class="math notranslate">\\(\\frac{{a}}{{b}}\\)</span>.</p>
<div class="math notranslate">\\[ e^{{i \\pi}} = -1 \\]</div>
<table><tr>{cells}</tr></table>
<figure id="fig"><img src="../_images/p.svg" alt="A box" /><figcaption>
<p><span class="caption-number">Fig. {number} </span><span>A box.</span></p>
</figcaption></figure>{more}</section></article></body></html>
"""
CELLS = "".join("<td>wide_cell</td>" for _ in range(14))
NAMES = ("intro", "one", "two")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A book as Sphinx leaves it, of an introduction and two chapters."""
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/intro\nparts:\n- caption: All\n  chapters:\n"
        "  - file: book/one\n  - file: book/two\n"
    )
    (tmp_path / "_config.yml").write_text("title: A book\nauthor: Somebody\n")
    html = tmp_path / "_build/html"
    (html / "book").mkdir(parents=True)
    (html / "_images").mkdir()
    (html / "_images/p.svg").write_text(SVG)
    copy_mathjax(html / "_static/mathjax")
    for number, name in enumerate(NAMES, 1):
        more = LONG if name == "one" else ""
        text = PAGE.format(name=name, number=number, cells=CELLS, more=more)
        (html / f"book/{name}.html").write_text(text)
    return load(tmp_path)


def print_book(
    project: Project, say: Callable[[str], None] = lambda line: None
) -> list[str]:
    """In a thread of its own: the browser of other tests may run in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(printing.print_book, project, say).result()


def edit(project: Project, name: str, old: str, new: str) -> None:
    """Spoil a page."""
    path = project.html / f"book/{name}.html"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def texts(path: Path) -> list[str]:
    """What stands on each page."""
    with pypdfium2.PdfDocument(path) as document:
        return [page.get_textpage().get_text_bounded() for page in document]


def links(document: Any, index: int) -> list[int]:
    """The pages to which links on a page lead, counted from 0."""
    page, place, found = document[index], ctypes.c_int(0), []
    link = pypdfium2.raw.FPDF_LINK()
    while pypdfium2.raw.FPDFLink_Enumerate(page, place, link):
        target = pypdfium2.raw.FPDFLink_GetDest(document, link)
        found.append(pypdfium2.raw.FPDFDest_GetDestPageIndex(document, target))
    return found


def test_a_sound_book_is_printed_whole(project: Project) -> None:
    said: list[str] = []
    assert print_book(project, said.append) == []
    assert "3 figures, 6 formulas" in said[-1]
    path = printing.pdf_path(project)
    pages = texts(path)
    assert "A book" in pages[0] and "Somebody" in pages[0]
    begins = starts(path, NAMES)
    assert begins["intro"] == 3 and begins["two"] > begins["one"] + 1
    for name, number in begins.items():
        lines = [line.strip() for line in pages[number - 1].splitlines()]
        assert {str(number), f"Chapter {name}"} <= set(lines)
        assert re.search(rf"Chapter {name}\s+{number}\b", pages[1])
    with pypdfium2.PdfDocument(path) as document:
        assert document.get_metadata_dict()["Title"] == "A book"
        assert set(links(document, 1)) == {number - 1 for number in begins.values()}
        # from the introduction to the figure of another chapter
        assert links(document, 2) == [begins["two"] - 1]


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("_images/p.svg", "_images/none.svg", "no picture html/_images/none.svg"),
        ("\\frac{a}{b}", "\\frac{a}", "broken formula"),
        ("../_images/p.svg", "https://a.b/p.svg", "asks the network for https://a.b/"),
        ("wide_cell", "extremely_wide_cell_indeed", "too wide for the paper"),
        ("<figure", '<figure style="display: none"', "Fig. 3: is not in the PDF"),
        ("Chapter two", "Chapter \ufffd two", "shows '\ufffd'"),
    ],
)
def test_what_is_spoilt_is_said(
    old: str, new: str, wrong: str, project: Project
) -> None:
    edit(project, "two", old, new)
    problems = print_book(project)
    assert any(wrong in problem for problem in problems), problems


def test_wrong_numbers_and_figures_are_found_in_the_pdf(project: Project) -> None:
    assert print_book(project) == []
    path = printing.pdf_path(project)
    begins = starts(path, NAMES)
    figures = ("Fig. 1", "Fig. 2", "Fig. 3")

    def wrong(**changes: Any) -> list[str]:
        given = {"figures": figures, "printed": begins} | changes
        return check_pdf(path, Wanted(chapters=NAMES, formulas=6, **given))

    assert wrong() == []
    off = wrong(printed=begins | {"two": 99})
    assert off == [
        f"flatminima.pdf: contents: two begins on page {begins['two']}, not on 99"
    ]
    assert wrong(figures=figures[:2]) == [
        "flatminima.pdf: Fig. 3: is in the PDF and not in the book"
    ]
    with pytest.raises(ValueError, match="the outline has 3 chapters and the book 2"):
        starts(path, NAMES[:2])


def test_without_a_browser_it_says_how_to_get_one(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(printing, "find_browser", lambda: str(tmp_path / "none"))
    with pytest.raises(ValueError, match="apt-get install chromium"):
        print_book(project)
