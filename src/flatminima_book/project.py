"""Where things are: the folders and settings of one book."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flatminima import folders
from flatminima.paths import CACHE_VARIABLE, STORE_VARIABLE, store_folder
from flatminima_book import strict_yaml
from flatminima_book.budget import Budget, read_budget

SETTINGS = {
    *("budget", "claims", "tables", "params", "found", "fresh", "without_box"),
    *("workers", "packages", "timeout", "runs", "reference", "sources"),
}
EXPECTED = "expected.yml"

Say = Callable[[str], None]
"""Takes a line of progress."""


@dataclass(frozen=True)
class Project:
    """One book and its settings, read from ``[tool.flatminima_book]``.

    Attributes:
        root: Folder that holds ``_toc.yml``, ``_config.yml`` and ``book/``.
        claims: Pattern of the claims files, relative to the root, or None when the
            book makes no claims. A file's folder is its chapter, ``_`` for ``-``.
        tables: The file of summary tables, or None.
        params: Folder of papermill parameter files, ``<chapter>/<scale>.yml``, and
            of expected verdicts, ``<chapter>/expected.yml``.
        found: Pattern of the files of sentences, whose folder is named like the
            chapter with ``_`` for ``-``; empty when the book has none.
        fresh: The file of claims that were run again on fresh seeds, or None.
        without_box: Chapters with claims that have no box yet.
        workers: Chapters executed at the same time.
        packages: Distributions whose versions the status page shows.
        timeout: Seconds that a single cell may take.
        budget: What a chapter may take, or None when it may take anything.
        runs: Pattern of the files of committed runs; empty when the book has none.
        output: Name of the folder of everything that a build writes.
        reference: Packages and modules of ``src/`` by the page that describes them.
        sources: Address of ``src/`` on a code host, or nothing.
    """

    root: Path
    claims: str | None
    tables: Path | None
    params: Path
    found: str
    fresh: Path | None
    without_box: tuple[str, ...]
    workers: int
    packages: tuple[str, ...]
    timeout: int
    budget: Budget | None
    runs: str = ""
    output: str = "_build"
    reference: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sources: str = ""

    @property
    def book(self) -> Path:
        """Folder of the sources."""
        return self.root / "book"

    @property
    def build(self) -> Path:
        """Folder of everything that a build writes."""
        return self.root / self.output

    @property
    def stage(self) -> Path:
        """Folder that Sphinx reads."""
        return self.build / "stage"

    @property
    def executed(self) -> Path:
        """Folder of the executed notebooks, as papermill left them."""
        return self.build / "executed"

    def notebook(self, chapter: str) -> Path:
        """A chapter's executed notebook, which need not exist."""
        return self.executed / f"{chapter}.ipynb"

    @property
    def verdicts(self) -> Path:
        """Folder of this build's verdicts, a file for each chapter that has run."""
        return self.build / "verdicts"

    @property
    def html(self) -> Path:
        """Folder of the pages."""
        return self.build / "html"

    @property
    def config(self) -> Path:
        """The Jupyter Book configuration."""
        return self.root / "_config.yml"

    @property
    def toc(self) -> Path:
        """The table of contents."""
        return self.root / "_toc.yml"

    def expected(self, chapter: str) -> Path:
        """The file of a chapter's expected verdicts, which need not exist."""
        return self.params / chapter / EXPECTED

    def parameter_files(self) -> list[Path]:
        """Every papermill parameter file, ``<chapter>/<scale>.yml``, in order."""
        files = sorted(self.params.glob("*/*.yml"))
        return [path for path in files if path.name != EXPECTED]

    def where(self, path: Path) -> str:
        """A path as a reader in the book's folder would type it."""
        return path.relative_to(self.root).as_posix()


def load(root: Path) -> Project:
    """Read the settings of the book in a folder.

    Args:
        root: Folder that holds ``_toc.yml``.

    Returns:
        The project.

    Raises:
        ValueError: No book is there, or a setting is unknown.
    """
    root = root.resolve()
    if not (root / "_toc.yml").is_file():
        raise ValueError(
            f"no book in {root}: _toc.yml is missing. Go to a checkout of the book, or "
            "name one with --root"
        )
    settings: dict[str, Any] = {}
    pyproject = root / "pyproject.toml"
    if pyproject.is_file():
        tool = tomllib.loads(pyproject.read_text("utf8")).get("tool", {})
        settings = tool.get("flatminima_book", {})
    if unknown := sorted(set(settings) - SETTINGS):
        raise ValueError(f"pyproject.toml: unknown setting {unknown[0]!r}")
    tables, fresh = settings.get("tables"), settings.get("fresh")
    return Project(
        root=root,
        claims=settings.get("claims"),
        tables=root / tables if tables else None,
        params=root / settings.get("params", "params"),
        found=settings.get("found", ""),
        fresh=root / fresh if fresh else None,
        without_box=tuple(settings.get("without_box", ())),
        workers=int(settings.get("workers", 2)),
        packages=tuple(settings.get("packages", ())),
        timeout=int(settings.get("timeout", 1800)),
        budget=read_budget(settings["budget"]) if "budget" in settings else None,
        runs=settings.get("runs", ""),
        reference={
            page: tuple(rooms) for page, rooms in settings.get("reference", {}).items()
        },
        sources=settings.get("sources", ""),
    )


def check_places(project: Project) -> None:
    """Refuse folders that cannot take what a build makes, before it begins.

    Args:
        project: The book.

    Raises:
        ValueError: Naming the folder, what is wrong with it and what to do.
    """
    build = project.build
    fault = folders.fault(build)
    try:
        if not fault:
            build.mkdir(exist_ok=True)
            if not os.access(build, os.W_OK):
                fault = "cannot be written"
    except OSError as error:
        fault = f"cannot be made ({folders.reason(error)})"
    if fault:
        raise ValueError(
            f"{build} {fault}: a build keeps its pages there. Mend it, or build in a "
            "copy of the book that is yours"
        )
    store = store_folder()
    if fault := folders.fault(store):
        raise ValueError(
            f"the store {store} {fault}. Remove it, or set {STORE_VARIABLE} or "
            f"{CACHE_VARIABLE} to another folder"
        )


def toc_names(project: Project) -> list[str]:
    """Names of all pages in reading order.

    Args:
        project: The book.

    Returns:
        Page names without folder and suffix, the root page first.

    Raises:
        ValueError: It is no YAML, or an entry lies outside ``book/``.
    """
    files: list[str] = []

    def visit(node: Any) -> None:
        if isinstance(node, list):
            for item in node:
                visit(item)
        elif isinstance(node, dict):
            files.extend(node[key] for key in ("root", "file") if key in node)
            for key in ("parts", "chapters", "sections"):
                visit(node.get(key))

    try:
        visit(strict_yaml.load(project.toc.read_text("utf8")))
    except ValueError as error:
        raise ValueError(f"_toc.yml: {error}") from error
    for file in files:
        if not file.startswith("book/") or "/" in file[5:]:
            raise ValueError(f"_toc.yml: {file} is not a page of book/")
    return [file[5:].removesuffix(".md") for file in files]
