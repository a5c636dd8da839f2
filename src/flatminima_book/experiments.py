"""Live experiments: what their scripts are given, and the pages that load them.

A study with a module ``live`` has an experiment in the page of its chapter:
``book/live/<chapter>.html`` is what stands there, ``book/_static/live/<chapter>.js``
computes, and ``<chapter>-data.js`` holds what ``live.data()`` of the study returns. A
script beside the page, and no request, is all that a browser allows on a disk.
"""

from __future__ import annotations

import importlib
import json
import re
from functools import partial
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from flatminima_book.hooks import LAST, SAFE, Page, on_page
from flatminima_book.project import Project

MODULE = "flatminima.studies.{folder}.live"
NOSCRIPT = re.compile(r"<noscript>(.*?)</noscript>", re.DOTALL)
STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)
MARK = 'class="live"'


def names(project: Project) -> list[str]:
    """The chapters that have an experiment."""
    return sorted(path.stem for path in (project.book / "live").glob("*.html"))


def data_file(project: Project, name: str) -> Path:
    """Where an experiment's data lies."""
    return project.book / "_static" / "live" / f"{name}-data.js"


def fresh_data(name: str) -> dict[str, Any]:
    """What a study says now that its experiment is given."""
    module = importlib.import_module(MODULE.format(folder=name.replace("-", "_")))
    found: dict[str, Any] = module.data()
    return found


def script(name: str, data: dict[str, Any]) -> str:
    """Data as a script.

    >>> script("stability", {"steps": 3})
    '"use strict";\\nlive.data["stability"] = {"steps":3};\\n'
    """
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return f'"use strict";\nlive.data["{name}"] = {text};\n'


def kept_data(project: Project, name: str) -> dict[str, Any]:
    """The data that an experiment has, read back from its script.

    Raises:
        ValueError: if the file holds something else.
    """
    text = data_file(project, name).read_text("utf8")
    start, end = f'"use strict";\nlive.data["{name}"] = ', ";\n"
    if not (text.startswith(start) and text.endswith(end)):
        raise ValueError(f"{project.where(data_file(project, name))}: is no data")
    found: dict[str, Any] = json.loads(text[len(start) : -len(end)])
    return found


def write_data(project: Project) -> list[Path]:
    """Write the data of every experiment anew; returns the files."""
    written = []
    for name in names(project):
        path = data_file(project, name)
        path.write_text(script(name, fresh_data(name)), "utf8")
        written.append(path)
    return written


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the Sphinx extension."""
    app.connect("doctree-resolved", put_stills)
    on_page(app, drop_strangers, LAST)
    return SAFE


def put_stills(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """Leave the picture of an experiment in a single page, which is for print."""
    if app.builder.name != "singlehtml":
        return
    for node in list(doctree.findall(nodes.raw)):
        if MARK in node.astext():
            text = still(node.astext())
            node.parent.replace(node, nodes.raw("", text, format="html"))


def still(fragment: str) -> str:
    """What a fragment shows without scripts, for a page at the top of the site.

    >>> still('<noscript><style>.a{}</style><img src="../_static/a.svg"></noscript>')
    '<div class="live"><img src="_static/a.svg"></div>'
    """
    found = NOSCRIPT.search(fragment)
    inner = STYLE.sub("", found.group(1)) if found else ""
    return f'<div class="live">{inner.replace("../_static/", "_static/")}</div>'


def drop_strangers(page: Page) -> None:
    """Remove scripts and styles of the book's folders of static files from a page.

    Jupyter Book adds every one of them to every page. Those at the top are for all;
    those in folders belong to the pages that name them.
    """
    static = Path(page.app.srcdir) / "_static"
    page.drop_files(partial(_foldered, static))


def _foldered(static: Path, file: Any) -> bool:
    name = str(getattr(file, "filename", None) or file).partition("?")[0]
    name = name.rpartition("_static/")[2]
    return "/" in name and (static / name).is_file()
