"""Chapters as notebooks: reading, and finding cells by tag."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import jupytext
import nbformat

from flatminima_book import strict_yaml
from flatminima_book.declaration import (
    Parameter,
    declared,
    refuse_unknown,
    settled,
)
from flatminima_book.project import Project, toc_names

Notebook = Any  # nbformat.NotebookNode has no useful static type


@dataclass(frozen=True)
class Chapter:
    """One executable chapter.

    Attributes:
        name: File name without suffix.
        source: The MyST text, which is the truth.
        paired: The notebook beside it, without outputs.
        title: Its first heading.
        after: Chapters that should have finished before it starts.
        parameters: Its parameters, in order.
    """

    name: str
    source: Path
    paired: Path
    title: str
    after: tuple[str, ...]
    parameters: tuple[Parameter, ...]

    @property
    def defaults(self) -> dict[str, Any]:
        """Default value of each parameter."""
        return {p.name: p.default for p in self.parameters}

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Check parameters that somebody asks for, beside the other defaults.

        Args:
            given: Values by name.

        Returns:
            The same, with numbers for texts that spell one.

        Raises:
            ValueError: A name is unknown or a value is not allowed.
        """
        refuse_unknown(given, [p.name for p in self.parameters])
        found = settled(self.parameters, {**self.defaults, **given})
        return {name: found[name] for name in given}


def front_matter(path: Path) -> dict[str, Any]:
    """Read the YAML block at the top of a MyST file.

    Args:
        path: The file.

    Returns:
        Its mapping, empty when there is none.

    Raises:
        ValueError: It is no YAML.
    """
    text = path.read_text("utf8")
    if not text.startswith("---\n"):
        return {}
    block = text[4:].split("\n---", 1)[0]
    try:
        return strict_yaml.load(block) or {}
    except ValueError as error:
        raise ValueError(f"book/{path.name}: front matter: {error}") from error


def is_chapter(path: Path) -> bool:
    """Whether a MyST file is executable, that is, names a kernel."""
    return "kernelspec" in front_matter(path)


def read_source(path: Path) -> Notebook:
    """Read a MyST chapter as a notebook."""
    return deepcopy(_as_notebook(path.read_text("utf8")))


@lru_cache(maxsize=256)
def _as_notebook(text: str) -> Notebook:
    """The same for all who ask: checks read a chapter many times."""
    return jupytext.reads(text, fmt="md:myst")


def read_notebook(path: Path) -> Notebook:
    """Read an ``.ipynb`` file."""
    return nbformat.read(path, as_version=4)


def tags(cell: Notebook) -> list[str]:
    """Tags of a cell."""
    return list(cell.metadata.get("tags", []))


def tagged(notebook: Notebook, tag: str) -> list[Notebook]:
    """Code cells that carry a tag."""
    return [c for c in notebook.cells if c.cell_type == "code" and tag in tags(c)]


def title_of(text: str, fallback: str) -> str:
    """First level-one heading of a Markdown text."""
    for line in text.splitlines():
        if line.startswith("# "):
            return line[2:].strip()
    return fallback


def load_chapter(path: Path) -> Chapter:
    """Read one chapter.

    Args:
        path: Its MyST source.

    Returns:
        The chapter.

    Raises:
        ValueError: It has not exactly one ``parameters`` cell that declares types,
            ranges and defaults inside them.
    """
    notebook = read_source(path)
    cells = tagged(notebook, "parameters")
    if len(cells) != 1:
        raise ValueError(
            f"book/{path.name}: needs exactly one cell tagged parameters, "
            f"has {len(cells)}"
        )
    try:
        parameters = declared(cells[0].source)
        settled(parameters, {p.name: p.default for p in parameters})
    except ValueError as error:
        raise ValueError(f"book/{path.name}: parameters cell: {error}") from error
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    return Chapter(
        name=path.stem,
        source=path,
        paired=path.with_suffix(".ipynb"),
        title=title_of(prose, path.stem),
        after=tuple(notebook.metadata.get("flatminima", {}).get("after", ())),
        parameters=parameters,
    )


def load_chapters(project: Project) -> list[Chapter]:
    """Read all chapters of the table of contents, in reading order.

    Args:
        project: The book.

    Returns:
        The chapters; plain pages are left out.

    Raises:
        ValueError: A page is missing or its parameters cell is malformed.
    """
    chapters = []
    for name in toc_names(project):
        path = project.book / f"{name}.md"
        if not path.is_file():
            raise ValueError(f"_toc.yml: book/{name}.md does not exist")
        if is_chapter(path):
            chapters.append(load_chapter(path))
    return chapters
