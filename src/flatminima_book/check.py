"""Cheap checks: everything that can be known before a kernel starts."""

from __future__ import annotations

from flatminima_book.claims import check_claims, load_claims
from flatminima_book.folding import unfoldable_reports
from flatminima_book.found_checks import check_found
from flatminima_book.fresh import FIRST, SCALE, SEED, read_fresh
from flatminima_book.links import check_links
from flatminima_book.notebooks import (
    Chapter,
    is_chapter,
    load_chapter,
    read_source,
    tags,
)
from flatminima_book.pairs import check_pairs
from flatminima_book.parameters import read_parameter_file
from flatminima_book.project import EXPECTED, Project, toc_names
from flatminima_book.schedule import find_cycle
from flatminima_book.verdicts import read_expected

START = "chapter.start()"


def check_sources(project: Project) -> list[str]:
    """Run every cheap check.

    Args:
        project: The book.

    Returns:
        One line per problem, empty when the sources are sound.
    """
    problems = check_links(project) + check_pairs(project)
    chapters: list[Chapter] = []
    malformed: list[str] = []
    for name in toc_names(project):
        path = project.book / f"{name}.md"
        if path.is_file() and is_chapter(path):
            try:
                chapters.append(load_chapter(path))
            except ValueError as error:
                malformed.append(str(error))
    problems += malformed
    for chapter in chapters:
        problems += check_opening(chapter) + check_reports(chapter)
    problems += check_order(chapters)
    problems += check_claims(project)
    if not malformed:  # it is not known then what a chapter takes
        problems += check_parameter_files(project, chapters)
        problems += check_expected(project, chapters)
        problems += check_fresh(project)
    problems += check_allowances(project, chapters)
    problems += check_found(project, chapters)
    return problems


def check_opening(chapter: Chapter) -> list[str]:
    """Check a chapter's first code cells: set-up, parameters, start."""
    where = f"book/{chapter.source.name}"
    cells = [c for c in read_source(chapter.source).cells if c.cell_type == "code"]
    if len(cells) < 3:
        return [f"{where}: opens with fewer than three code cells"]
    if not {"setup", "remove-cell"} <= set(tags(cells[0])):
        return [f"{where}: the first code cell must be tagged setup and remove-cell"]
    if "parameters" not in tags(cells[1]):
        return [f"{where}: the second code cell must be tagged parameters"]
    if START not in cells[2].source:
        return [f"{where}: the third code cell must call {START}"]
    return []


def check_reports(chapter: Chapter) -> list[str]:
    """Check that no cell both computes and reports: the press could not fold it."""
    return [
        f"book/{chapter.source.name}: code cell {number} computes and makes a Report; "
        "give the Report a cell of its own"
        for number in unfoldable_reports(read_source(chapter.source))
    ]


def check_order(chapters: list[Chapter]) -> list[str]:
    """Check that ``after`` names chapters and has no cycle."""
    names = {chapter.name for chapter in chapters}
    problems = [
        f"book/{chapter.source.name}: runs after {other}, which is no chapter"
        for chapter in chapters
        for other in chapter.after
        if other not in names
    ]
    if cycle := find_cycle({c.name: c.after for c in chapters}):
        problems.append(f"chapters wait for each other: {' -> '.join(cycle)}")
    return problems


def check_parameter_files(project: Project, chapters: list[Chapter]) -> list[str]:
    """Check that parameter files are in folders of chapters and fit them."""
    problems = []
    by_name = {chapter.name: chapter for chapter in chapters}
    for path in project.parameter_files():
        where, name = project.where(path), path.parent.name
        if name not in by_name:
            problems.append(f"{where}: there is no chapter {name}")
            continue
        try:
            by_name[name].checked(read_parameter_file(path))
        except ValueError as error:
            text = str(error).removeprefix(f"{path}: ")
            problems += [f"{where}: {line}" for line in text.splitlines()]
    return problems


def check_expected(project: Project, chapters: list[Chapter]) -> list[str]:
    """Check that verdicts are expected of chapters and claims that are there."""
    problems = []
    claims = load_claims(project).chapter_of
    by_name = {chapter.name: chapter for chapter in chapters}
    for path in sorted(project.params.glob(f"*/{EXPECTED}")):
        where, name = project.where(path), path.parent.name
        if name not in by_name:
            problems.append(f"{where}: there is no chapter {name}")
            continue
        try:
            entries = read_expected(path)
            for entry in entries:
                by_name[name].checked(entry.parameters)
        except ValueError as error:
            problems.append(f"{where}: {error}")
            continue
        problems += [
            f"{where}: chapter {name} has no claim {claim}"
            for entry in entries
            for claim in entry.verdicts
            if claims and claims.get(claim) != name
        ]
    return problems


def check_fresh(project: Project) -> list[str]:
    """Check that fresh seeds are fresh, and that what is kept of them can be read."""
    problems = []
    for path in project.parameter_files():
        if path.stem == SCALE:
            first = read_parameter_file(path).get(SEED)
            if not isinstance(first, int) or first < FIRST:
                problems.append(
                    f"{project.where(path)}: {SEED} = {first!r}: must be an integer "
                    f"of at least {FIRST}; pilots use those below"
                )
    try:
        if project.fresh is not None:
            read_fresh(project.fresh)
    except ValueError as error:
        problems.append(str(error))
    return problems


def check_allowances(project: Project, chapters: list[Chapter]) -> list[str]:
    """Check that the budget makes allowances for chapters only."""
    if project.budget is None:
        return []
    strangers = set(project.budget.allowances) - {chapter.name for chapter in chapters}
    return [
        f"pyproject.toml: budget: allowance of {name}, which is no chapter"
        for name in sorted(strangers)
    ]
