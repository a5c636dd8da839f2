"""A Sphinx extension: at the foot of every page of the book, how to cite it."""

from __future__ import annotations

import html
import re
from importlib.metadata import version
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

PACKAGE = "flatminima"
FOLDER = "book/"
SPECIAL = re.compile(r"[&%$#_{}\\]")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("html-page-context", add_citation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def add_citation(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Put the entry below the text of a page that has one."""
    if doctree is None or not pagename.startswith(FOLDER):
        return
    entry = bibtex(
        name=pagename.removeprefix(FOLDER),
        title=app.env.titles[pagename].astext(),
        book=app.config.html_title,
        author=app.config.author,
        year=app.config.copyright,
        url=f"{app.config.html_baseurl.rstrip('/')}/{pagename}.html",
    )
    context["body"] += (
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
