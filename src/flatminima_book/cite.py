"""A Sphinx extension: at the foot of every page of the book, how to cite it."""

from __future__ import annotations

import html
import re
from importlib.metadata import version
from typing import Any

from sphinx.application import Sphinx

from flatminima_book.hooks import SAFE, Page, on_page

PACKAGE = "flatminima"
FOLDER = "book/"
SPECIAL = re.compile(r"[&%$#_{}\\]")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    on_page(app, add_citation)
    return SAFE


def add_citation(page: Page) -> None:
    """Put the entry below the text of a page that has one."""
    if page.doctree is None or not page.name.startswith(FOLDER):
        return
    app = page.app
    entry = bibtex(
        name=page.name.removeprefix(FOLDER),
        title=app.env.titles[page.name].astext(),
        book=app.config.html_title,
        author=app.config.author,
        year=app.config.copyright,
        url=f"{app.config.html_baseurl.rstrip('/')}/{page.name}.html",
    )
    page.context["body"] += (
        '<details class="cite-page"><summary>Cite this page</summary>'
        '<div class="highlight-bibtex notranslate"><div class="highlight"><pre>'
        f"{html.escape(entry)}</pre></div></div></details>"
    )


def bibtex(
    *, name: str, title: str, book: str, author: str, year: str, url: str
) -> str:
    r"""An entry of a page for BibTeX.

    >>> given = dict(name="x", book="b", author="C", year="2026", url="u")
    >>> bibtex(title="A & B", **given).splitlines()[1]
    '  title = {{A \\& B}},'
    """
    fields = {
        "title": f"{{{_escaped(title)}}}",
        "author": f"{{{_escaped(author)}}}",
        "year": year,
        "howpublished": f"In: {_escaped(book)}",
        "note": f"Version {version(PACKAGE)}",
        "url": url,
    }
    lines = [f"  {key} = {{{value}}}," for key, value in fields.items()]
    return "\n".join([f"@misc{{{PACKAGE}-{name},", *lines, "}\n"])


def _escaped(text: str) -> str:
    """A text with a backslash before what TeX reads as commands."""
    return SPECIAL.sub(
        lambda found: "\\textbackslash{}" if found[0] == "\\" else f"\\{found[0]}",
        " ".join(text.split()),
    )
