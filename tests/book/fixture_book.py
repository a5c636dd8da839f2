"""A small book to press: built in a temporary folder, chapters of seconds."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import yaml

from flatminima_book.pairs import update_pair
from flatminima_book.project import Project, load

REPOSITORY = Path(__file__).parents[2]
SETTINGS = """\
[tool.flatminima_book]
claims = "studies/*/claims.yml"
tables = "tables.yml"
found = "studies/*/found.yml"
without_box = ["one", "two"]
"""
HEADER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# {title}

Some $x^2$ and a link to [the start](intro.md).

```{{code-cell}} ipython3
:tags: [setup, remove-cell]

import sys

if "google.colab" in sys.modules:
    get_ipython().run_line_magic("pip", "install flatminima")
```

```{{code-cell}} ipython3
:tags: [parameters]

d: int = 3  # 0 to 9: input dimension
seeds: list[int] = [0, 1]  # each 0 to 9, 1 to 9 of them, different: seeds
```

```{{code-cell}} ipython3
from flatminima_book import chapter

chapter.start()
```
"""
CLAIM = """\
```{{code-cell}} ipython3
from IPython.display import display

claim = dict(
    id="{id}", chapter="{chapter}", source="000: Fig. 2", origin="source",
    statement="It is $x^2$ flat.", rule="trace at most 1", verdict="{verdict}",
    effect=0.5, low=0.25, high=None, n=10, scale="quick", reported="✓",
    note="A note.", rule_fixed="before",
)
mime = "application/vnd.flatminima.claim+json"
display({{mime: claim, "text/html": "<b>verdict</b>"}}, raw=True)
```
"""


FOUND = """\
box:
  - says: "It is flat, by {one-a}."
    for: {one-a: holds}
  - says: "In dimension {setting.d} it is flat too."
    for: {one-a: holds or partly}
passages:
  later:
    - says: "See [the start](intro.md)."
      for: {one-a: holds}
"""
# Stands for the engine's module of the same name, which knows only the real claims.
SHOWN = """\
```{code-cell} ipython3
from flatminima.claims.found import Found, Told


class found:
    @staticmethod
    def box(name, **settings):
        told = Told(f"It is *flat* in {settings['d']}.", {}, ())
        return Found(name, "", (told,), "A word before.")

    @staticmethod
    def passage(name, place):
        return Found(name, place, (Told("See [the start](intro.md).", {}, ()),))
```

```{code-cell} ipython3
found.passage("one", "later")
```

```{code-cell} ipython3
found.box("one", d=d)
```
"""
FIGURE = """\
```{code-cell} ipython3
from IPython.display import display

row = dict(
    figure="4b", chapter="one", setting="2-MLP-Bias", reported="fails",
    metric="test accuracy", value=0.7, low=0.6, high=0.8, verdict="holds",
    trace=22.41, bound=22.27, ratio=1.006, retracted=9, n=10, scale="committed",
)
mime = "application/vnd.flatminima.figure+json"
display({mime: [row], "text/html": "<b>figure</b>"}, raw=True)
```
"""


LONG_CELL = """\
import pandas as pd

pd.DataFrame({"text": ["word " * 30]})"""


@dataclass(frozen=True)
class Book:
    """A fixture book that a test can spoil."""

    root: Path

    @property
    def project(self) -> Project:
        """The book as the press sees it."""
        return load(self.root)

    def write(self, name: str, text: str) -> None:
        """Write a file of the book."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), "utf8")

    def chapter(self, name: str, *cells: str, title: str = "") -> None:
        """Write a chapter and its pair; cells are Markdown or fenced code."""
        text = "\n".join([HEADER.format(title=title or f"Chapter {name}"), *cells])
        (self.root / f"book/{name}.md").write_text(text, "utf8")
        self.pair(name)

    def pair(self, name: str) -> None:
        """Update a chapter's notebook."""
        update_pair(self.root / f"book/{name}.md")

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace text of a file that must contain it."""
        path = self.root / name
        text = path.read_text("utf8")
        assert old in text
        path.write_text(text.replace(old, new), "utf8")


def code(source: str) -> str:
    """A code cell of a chapter."""
    return f"```{{code-cell}} ipython3\n{source}\n```\n"


def claim(name: str, chapter: str, verdict: str = "holds") -> str:
    """A code cell that displays a verdict."""
    return CLAIM.format(id=name, chapter=chapter, verdict=verdict)


def add_found(book: Book) -> None:
    """Make the first chapter say what it found."""
    book.edit("pyproject.toml", '["one", "two"]', '["two"]')
    book.write("studies/one/found.yml", FOUND)
    book.chapter("one", claim("one-a", "one"), FIGURE, SHOWN)


def make_book(root: Path) -> Book:
    """A sound book of two chapters, with claims and expected verdicts."""
    book = Book(root)
    (root / "book").mkdir(parents=True)
    book.write("pyproject.toml", SETTINGS)
    shutil.copyfile(REPOSITORY / "_config.yml", root / "_config.yml")
    shutil.copytree(REPOSITORY / "book/_static", root / "book/_static")
    for name in ("references.bib", "references.md"):
        shutil.copyfile(REPOSITORY / "book" / name, root / "book" / name)
    for name in ("scorecard.md", "data.md", "status.md", "rerun.md"):
        shutil.copyfile(REPOSITORY / "book" / name, root / "book" / name)
    pages = ["one", "two", "scorecard", "data", "rerun", "references", "status"]
    book.write("book/intro.md", "# The start\n\nGo to [one](one.md).\n")
    toc = {
        "format": "jb-book",
        "root": "book/intro",
        "parts": [
            {"caption": "All", "chapters": [{"file": f"book/{n}"} for n in pages]}
        ],
    }
    book.write("_toc.yml", yaml.safe_dump(toc, sort_keys=False))
    book.chapter("one", claim("one-a", "one"), FIGURE, code(LONG_CELL))
    book.chapter("two", code("print(d)"), claim("two-a", "two", "fails"))
    table = {
        "name": "summary",
        "caption": "What the source says",
        "columns": ["flat", "trained"],
        "rows": [{"label": "2-MLP", "cells": ["one-a", "two-a"]}],
    }
    book.write("tables.yml", yaml.safe_dump({"tables": [table]}))
    for name, verdict in (("one", "holds"), ("two", "fails")):
        entry = {
            "id": f"{name}-a",
            "source": "000: Fig. 2",
            "origin": "source",
            "statement": "It is $x^2$ flat.",
            "rule_fixed": "before",
        }
        book.write(f"studies/{name}/claims.yml", yaml.safe_dump([entry]))
        expected = {
            "parameters": {"d": 3, "seeds": [0, 1]},
            "verdicts": {f"{name}-a": verdict},
        }
        book.write(f"params/{name}/expected.yml", yaml.safe_dump([expected]))
    return book
