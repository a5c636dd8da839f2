"""What executed chapters gave: verdicts, figures, words, data, and the stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flatminima.claims.sentences import MIME as FOUND_MIME
from flatminima_book import downloads
from flatminima_book.claims import Claims, load_claims
from flatminima_book.clean import check_outputs, clean
from flatminima_book.folding import fold
from flatminima_book.found import place
from flatminima_book.glossary import link_terms, load_entries
from flatminima_book.notebooks import Chapter, load_chapters, read_notebook
from flatminima_book.project import Project
from flatminima_book.reference import add_engine, read_reference
from flatminima_book.stage import put_notebook, set_stage
from flatminima_book.verdicts import (
    FIGURE_MIME,
    WORDS_MIME,
    Verdict,
    check_verdicts,
    collect,
    duplicate_ids,
    load_expected,
    order_keys,
)


@dataclass
class Harvest:
    """What the executed chapters gave: verdicts, problems, remarks, and what they said.

    Attributes:
        scorecard: Entries in reading order.
        problems: What is wrong, a line each.
        remarks: What is to be said of it, a line each.
        figures: Rows of the table of figures.
        words: What pages say of each verdict.
        parameters: With which each chapter was executed.
        found: Boxes and passages.
        downloads: The data of all figures and tables.
    """

    scorecard: list[Verdict] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)
    words: list[dict[str, Any]] = field(default_factory=list)
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    found: list[dict[str, Any]] = field(default_factory=list)
    downloads: list[downloads.Download] = field(default_factory=list)


def gather(project: Project, chapters: Sequence[Chapter]) -> Harvest:
    """Stage executed chapters and collect their verdicts.

    Args:
        project: The book.
        chapters: Those that ran, in reading order.

    Returns:
        Scorecard entries with ``expected``, and what is wrong with them.
    """
    claims = load_claims(project)
    harvest = Harvest()
    every = load_chapters(project)
    names = [chapter.name for chapter in every]
    glossary, reference = load_entries(project), read_reference(project)
    set_stage(project, every)
    for chapter in chapters:
        notebook = read_notebook(project.notebook(chapter.name))
        entries = read_verdicts(
            project, chapter, used(chapter, notebook), notebook, claims
        )
        harvest.parameters[chapter.name] = used(chapter, notebook)
        harvest.scorecard += entries.scorecard
        harvest.problems += entries.problems
        harvest.figures += collect(notebook, FIGURE_MIME)
        harvest.words += collect(notebook, WORDS_MIME)
        harvest.found += collect(notebook, FOUND_MIME)
        harvest.problems += place(notebook, chapter.name)
        offered, without = downloads.take(
            notebook, chapter, harvest.parameters[chapter.name]
        )
        harvest.downloads += offered
        harvest.problems += without
        noise = clean(notebook)
        fold(notebook)
        link_terms(notebook, glossary)
        add_engine(notebook, reference, project.root / "src")
        harvest.remarks += [f"chapter {chapter.name}, {line}" for line in noise]
        harvest.problems += check_outputs(notebook, chapter.name, project.root)
        put_notebook(project, chapter.name, notebook, names)
    harvest.problems += duplicate_ids(harvest.scorecard)
    return harvest


def used(chapter: Chapter, notebook: Any) -> dict[str, Any]:
    """The parameters of an executed chapter: its defaults and what it was given."""
    noted = notebook.metadata.get("papermill", {}).get("parameters", {})
    return {**chapter.defaults, **noted}


def read_verdicts(
    project: Project,
    chapter: Chapter,
    parameters: Mapping[str, Any],
    notebook: Any,
    claims: Claims,
) -> Harvest:
    """Read one executed chapter's verdicts as scorecard entries."""
    verdicts = collect(notebook)
    problems = check_verdicts(verdicts, chapter.name, claims.chapter_of)
    expected = load_expected(project, chapter.name, parameters)
    sound = not problems
    entries = [order_keys(v, expected.get(v["id"])) for v in verdicts] if sound else []
    return Harvest(entries, problems)
