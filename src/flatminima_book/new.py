"""The skeleton of a chapter: files that pass every check before they say anything."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from flatminima_book.notebooks import load_chapters, read_source, tagged
from flatminima_book.pairs import update_pair
from flatminima_book.project import Project, toc_names

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
CLAIMS = "/*/claims.yml"


def new_chapter(project: Project, name: str) -> list[Path]:
    """Write the skeleton of a chapter: text, notebook, parameters, study and tests.

    Nothing is listed anywhere; the book takes the chapter in once its line is in
    ``_toc.yml``.

    Args:
        project: The book.
        name: Of the chapter.

    Returns:
        The files that were written.

    Raises:
        ValueError: The name is bad or taken, or the book has no folder of studies or
            no chapter whose set-up cell could be copied.
    """
    places = _places(project, name)
    words = {
        "name": name,
        "folder": folder_of(name),
        "title": name.replace("-", " ").capitalize(),
        "setup": _setup_cell(project),
    }
    texts = {path: _filled(template, words) for path, template in places.items()}
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf8")
    source = project.book / f"{name}.md"
    update_pair(source)
    return [*texts, source.with_suffix(".ipynb")]


def folder_of(name: str) -> str:
    """The folder of a chapter's study, which is a package of Python.

    >>> folder_of("scenario-2")
    'scenario_2'
    """
    return name.replace("-", "_")


def _places(project: Project, name: str) -> dict[Path, str]:
    """The template of each file, empty for an empty one."""
    if not NAME.fullmatch(name):
        raise ValueError(
            f"name = {name!r}: allowed are lower-case letters, digits and single "
            "hyphens, a letter first, as in scenario-2"
        )
    if keyword.iskeyword(name):
        raise ValueError(f"name = {name!r}: allowed are no words of Python")
    if project.claims is None or not project.claims.endswith(CLAIMS):
        raise ValueError(
            f"pyproject.toml: claims = {project.claims!r}: needed is <folder>{CLAIMS}"
        )
    study = project.root / project.claims.removesuffix(CLAIMS) / folder_of(name)
    tests = project.root / "tests/studies" / folder_of(name)
    params = project.params / name
    text = project.book / f"{name}.md"
    for path in (text, text.with_suffix(".ipynb"), params, study, tests):
        if path.exists():
            raise ValueError(f"name = {name!r}: {project.where(path)} exists already")
    if name in toc_names(project):
        raise ValueError(f"name = {name!r}: _toc.yml has such a page already")
    return {
        text: "chapter.md",
        params / "smoke.yml": "smoke.yml",
        project.expected(name): "expected.yml",
        study / "__init__.py": "",
        study / "claims.yml": "claims.yml",
        study / "found.yml": "found.yml",
        study / "runs.py": "runs.py",
        tests / "__init__.py": "",
        tests / "test_runs.py": "test_runs.py",
    }


def _setup_cell(project: Project) -> str:
    """The set-up cell of the first chapter: it is the same in all."""
    for chapter in load_chapters(project):
        for cell in tagged(read_source(chapter.source), "setup"):
            return str(cell.source)
    raise ValueError("_toc.yml: no chapter has a set-up cell to copy")


def _filled(template: str, words: Mapping[str, str]) -> str:
    if not template:
        return ""
    path = files("flatminima_book") / "skeleton" / f"{template}.txt"
    text = path.read_text("utf8")
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    return text
