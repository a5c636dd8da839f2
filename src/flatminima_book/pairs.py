"""Pairs: each chapter's MyST text and the notebook beside it.

The text is the truth. A notebook carries the digest of what it held when it was
written from the text, so it is known later which of the two was edited since.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import jupytext
import nbformat
import yaml

from flatminima_book.notebooks import Notebook, is_chapter, read_source
from flatminima_book.notebooks import read_notebook as read_any
from flatminima_book.project import Project, Say, toc_names

FIX = "run: make pair"
PAIR = ".venv/bin/python -m flatminima_book pair"

DIGEST = "flatminima_pair"
"""Metadata of a notebook: the digest of what it held when it was last paired."""

CONTENT = ("tags", "mystnb")
"""Metadata of cells that the text has too; Jupyter and its like add others."""

HEAD = re.compile(r"---\n(.*?\n)---\n+", re.DOTALL)
OPTIONS = re.compile(r"^(`{3,}\{code-cell\}[^\n]*\n---\n)(.*?\n)(---\n)", re.M | re.S)
"""YAML at the head of a text, and at that of a code cell."""

State = Literal["same", "missing", "text", "notebook", "both", "unknown", "broken"]
"""Of a pair: equal, or no notebook; else which of the two was edited since they were
last paired. Unknown where the notebook does not say, and broken if it is none."""

Kept = Literal["text", "notebook"]
"""The side of a pair that the other one is written from."""

WHY: dict[State, str] = {
    "notebook": "the notebook was edited",
    "both": "both were edited since they were paired",
    "unknown": "nobody knows which of them was edited",
    "broken": "the notebook cannot be read",
}
"""States in which writing the notebook could lose an edit."""


class PairConflict(ValueError):
    """A pair that cannot be updated without losing an edit."""


class NoNotebook(ValueError):
    """A file that is no notebook."""


def read_notebook(path: Path) -> Notebook:
    """The notebook of a pair.

    Raises:
        NoNotebook: if it is not JSON, or not of a notebook.
    """
    try:
        notebook = read_any(path)
        nbformat.validate(notebook)
    except OSError:
        raise
    except Exception as error:  # nbformat's readers raise whatever they meet
        raise NoNotebook(f"{type(error).__name__}: {error}") from error
    return notebook


def state_of(source: Path) -> State:
    """How a chapter's text and its notebook stand to each other; writes nothing.

    Args:
        source: The MyST text.
    """
    paired = source.with_suffix(".ipynb")
    if not paired.is_file():
        return "missing"
    try:
        have = read_notebook(paired)
    except NoNotebook:
        return "broken"
    want = read_source(source)
    if _content(want) == _content(have):
        return "same"
    then = have.metadata.get(DIGEST)
    if then is None:
        return "unknown"
    if digest(have) == then:
        return "text"
    return "notebook" if digest(want) == then else "both"


def digest(notebook: Notebook) -> str:
    """SHA-256 of what the two sides of a pair share, hexadecimal, its first half."""
    text = json.dumps(_content(notebook), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _content(notebook: Notebook) -> list[Any]:
    """Cells and the chapter's own metadata, without what editors and kernels add."""
    cells = [
        [
            cell.cell_type,
            cell.source,
            {key: cell.metadata[key] for key in CONTENT if cell.metadata.get(key)},
            *([cell.attachments] if cell.get("attachments") else []),
        ]
        for cell in notebook.cells
    ]
    return [notebook.metadata.get("flatminima", {}), *cells]


def check_pair(source: Path) -> list[str]:
    """Compare a chapter with its paired notebook; writes nothing.

    Args:
        source: The MyST text.

    Returns:
        One line per problem.
    """
    paired = source.with_suffix(".ipynb")
    if not paired.is_file():
        return [f"book/{paired.name}: the pair of {source.name} is missing; {FIX}"]
    try:
        have = read_notebook(paired)
    except NoNotebook as error:
        said = str(error).splitlines()[0]
        return [f"book/{paired.name}: not a notebook: {said}"]
    problems = []
    if place := _first_difference(read_source(source), have):
        state = state_of(source)
        remedy = _remedy(source, state) if state in WHY else FIX
        problems.append(
            f"book/{paired.name}: differs from {source.name} at {place}; {remedy}"
        )
    elif have.metadata.get(DIGEST) != digest(have):
        problems.append(
            f"book/{paired.name}: does not say what it was written from; {FIX}"
        )
    for number, cell in enumerate(have.cells, 1):
        if cell.cell_type == "code" and (cell.outputs or cell.execution_count):
            problems.append(
                f"book/{paired.name}: cell {number} has outputs; commit it without"
            )
            break
    return problems


def _remedy(source: Path, state: State) -> str:
    """Why a pair cannot be updated, and the commands that settle it."""
    return (
        f"{WHY[state]}. To keep {source.name}: {PAIR} {source.stem} --keep text. "
        f"To keep {source.stem}.ipynb: {PAIR} {source.stem} --keep notebook"
    )


def _first_difference(want: Notebook, have: Notebook) -> str:
    for key in ("kernelspec", "flatminima"):
        if want.metadata.get(key) != have.metadata.get(key):
            return f"the metadata ({key})"
    for number, (a, b) in enumerate(zip(want.cells, have.cells, strict=False), 1):
        same = a.cell_type == b.cell_type and a.source == b.source
        if not same or dict(a.metadata) != dict(b.metadata):
            return f"cell {number}"
    if len(want.cells) != len(have.cells):
        return f"cell {min(len(want.cells), len(have.cells)) + 1}"
    return ""


def check_pairs(project: Project) -> list[str]:
    """Check every chapter's pair, and that no notebook stands alone.

    Args:
        project: The book.

    Returns:
        One line per problem.
    """
    problems = []
    chapters = set()
    for name in toc_names(project):
        source = project.book / f"{name}.md"
        if source.is_file() and is_chapter(source):
            chapters.add(name)
            problems += check_pair(source)
    for paired in sorted(project.book.glob("*.ipynb")):
        if paired.stem not in chapters:
            problems.append(
                f"book/{paired.name}: has no chapter {paired.stem}.md in _toc.yml"
            )
    return problems


def update_pairs(
    project: Project,
    say: Say,
    names: Collection[str] = (),
    keep: Kept | None = None,
) -> list[str]:
    """Bring the two sides of chapters together.

    Args:
        project: The book.
        say: Told what was written.
        names: The chapters; all by default.
        keep: The side to keep where both differ; by default the text, unless an edit
            of the notebook would be lost.

    Returns:
        One line per pair that was left as it is, because an edit would be lost.

    Raises:
        ValueError: There is no such chapter.
    """
    sources = {name: project.book / f"{name}.md" for name in toc_names(project)}
    sources = {n: p for n, p in sources.items() if p.is_file() and is_chapter(p)}
    for name in names:
        if name not in sources:
            raise ValueError(f"no chapter {name}; there are: {', '.join(sources)}")
    problems = []
    for name in names or sources:
        source = sources[name]
        side = ".md" if keep == "notebook" else ".ipynb"
        try:
            keeps = keep == "notebook"
            changed = update_text(source) if keeps else update_pair(source, keep)
        except PairConflict as conflict:
            problems.append(str(conflict))
            continue
        say(f"book/{name}{side} {'updated' if changed else 'is up to date'}")
    return problems


def update_pair(source: Path, keep: Kept | None = None) -> bool:
    """Write the paired notebook from the text, keeping ids of unchanged cells.

    Args:
        source: The MyST text.
        keep: "text" to drop what was edited in the notebook.

    Returns:
        Whether the notebook changed.

    Raises:
        PairConflict: The notebook was edited, and nothing is to be dropped; both
            files are left as they are.
    """
    paired = source.with_suffix(".ipynb")
    state = state_of(source)
    if state in WHY and keep != "text":
        raise PairConflict(
            f"book/{paired.name} differs from {source.name}, and "
            f"{_remedy(source, state)}"
        )
    notebook = read_source(source)
    if state == "same" and not check_pair(source):
        return False
    ids = {} if state in ("missing", "broken") else _known_ids(paired)
    for number, cell in enumerate(notebook.cells):
        spare = ids.get((cell.cell_type, cell.source))
        cell["id"] = spare.pop(0) if spare else f"cell-{number}"
    _make_unique(notebook)
    notebook.metadata[DIGEST] = digest(notebook)
    text = jupytext.writes(notebook, fmt="ipynb")
    paired.write_text(text.rstrip("\n") + "\n", "utf8")
    return True


def update_text(source: Path) -> bool:
    """Write a chapter's text from its notebook, and the notebook again from that.

    What was edited in the text is dropped.

    Its head, and the options of cells that did not change, stay as they were written.

    Args:
        source: The MyST text.

    Returns:
        Whether the text changed.

    Raises:
        PairConflict: There is no notebook, or MyST cannot say what it holds; both
            files are left as they are.
    """
    paired = source.with_suffix(".ipynb")
    state = state_of(source)
    if state == "same":
        return False
    if state in ("missing", "broken"):
        raise PairConflict(f"book/{paired.name}: there is no notebook to keep")
    have, want = read_notebook(paired), read_source(source)
    own = have.metadata.get("flatminima", {})
    have.metadata = want.metadata
    for cell in have.cells:
        cell.metadata = nbformat.from_dict(
            {key: cell.metadata[key] for key in CONTENT if cell.metadata.get(key)}
        )
    text = jupytext.writes(have, fmt="md:myst")
    text = _in_the_words_of(source.read_text("utf8"), text, own)
    have.metadata["flatminima"] = own
    if _content(jupytext.reads(text, fmt="md:myst")) != _content(have):
        raise PairConflict(
            f"book/{paired.name}: holds what the text cannot say, such as a picture "
            "that was pasted, or a line of +++; write it into the text by hand"
        )
    source.write_text(text, "utf8")
    update_pair(source, "text")
    return True


def _in_the_words_of(old: str, new: str, own: dict[str, Any]) -> str:
    """The new text with YAML of the old one wherever the two mean the same.

    Args:
        old, new: texts.
        own: the entry of the chapter's own that its head is to have.
    """
    written = {_meaning(found[2]): found[2] for found in OPTIONS.finditer(old)}

    def keep(found: re.Match[str]) -> str:
        return f"{found[1]}{written.get(_meaning(found[2]), found[2])}{found[3]}"

    new = OPTIONS.sub(keep, new)
    heads = HEAD.match(old), HEAD.match(new)
    if heads[0] is None or heads[1] is None:
        return new
    head, facts = heads[0][0], yaml.safe_load(heads[0][1])
    if facts.pop("flatminima", {}) != own:
        facts |= {"flatminima": own} if own else {}
        dumped = yaml.safe_dump(facts, sort_keys=False, default_flow_style=None)
        head = head.replace(heads[0][1], dumped, 1)
    return head + new[heads[1].end() :]


def _meaning(options: str) -> str:
    return json.dumps(yaml.safe_load(options), sort_keys=True)


def _known_ids(paired: Path) -> dict[tuple[str, str], list[str]]:
    known: dict[tuple[str, str], list[str]] = {}
    for cell in read_notebook(paired).cells:
        known.setdefault((cell.cell_type, cell.source), []).append(cell.get("id", ""))
    return known


def _make_unique(notebook: Notebook) -> None:
    seen: set[str] = set()
    for cell in notebook.cells:
        name, extra = cell["id"] or "cell", 1
        while name in seen or not name:
            name, extra = f"{cell['id']}-{extra}", extra + 1
        cell["id"] = name
        seen.add(name)
