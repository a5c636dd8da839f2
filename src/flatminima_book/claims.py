"""The claims file: what the sources say, and the tables that summarise it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from flatminima_book.notebooks import is_chapter
from flatminima_book.project import Project, toc_names

CLAIM_KEYS = ("id", "chapter", "source", "origin", "statement")


@dataclass(frozen=True)
class TableRow:
    """One row of a summary table: a label and the claim of each cell."""

    label: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class SummaryTable:
    """A table of a source, cell by cell a claim."""

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]


@dataclass(frozen=True)
class Claims:
    """The press's view of the claims file.

    Attributes:
        chapter_of: Chapter of each claim id, in the order of the file.
        tables: Summary tables.
        problems: What is wrong with the file itself.
    """

    chapter_of: dict[str, str] = field(default_factory=dict)
    tables: tuple[SummaryTable, ...] = ()
    problems: tuple[str, ...] = ()


def load_claims(project: Project) -> Claims:
    """Read the claims file.

    Args:
        project: The book.

    Returns:
        Its claims and tables; empty when the book has no claims file.
    """
    if project.claims is None:
        return Claims()
    where = project.claims.relative_to(project.root).as_posix()
    if not project.claims.is_file():
        return Claims(problems=(f"{where}: the claims file is missing",))
    data = yaml.safe_load(project.claims.read_text("utf8")) or {}
    problems: list[str] = []
    chapter_of: dict[str, str] = {}
    for number, claim in enumerate(data.get("claims") or [], 1):
        missing = [key for key in CLAIM_KEYS if not claim.get(key)]
        if missing:
            name = claim.get("id", f"number {number}")
            problems.append(f"{where}: claim {name} has no {missing[0]}")
        elif claim["id"] in chapter_of:
            problems.append(f"{where}: claim {claim['id']} appears twice")
        else:
            chapter_of[claim["id"]] = claim["chapter"]
    tables = tuple(_table(entry) for entry in data.get("tables") or [])
    for table in tables:
        for row in table.rows:
            if len(row.cells) != len(table.columns):
                problems.append(
                    f"{where}: table {table.name}, row {row.label}: "
                    f"{len(row.cells)} cells for {len(table.columns)} columns"
                )
            problems += [
                f"{where}: table {table.name}, row {row.label}: no claim {cell}"
                for cell in row.cells
                if cell not in chapter_of
            ]
    return Claims(chapter_of, tables, tuple(problems))


def _table(entry: dict[str, Any]) -> SummaryTable:
    return SummaryTable(
        name=str(entry["name"]),
        caption=str(entry["caption"]),
        columns=tuple(str(column) for column in entry["columns"]),
        rows=tuple(
            TableRow(str(row["label"]), tuple(row["cells"])) for row in entry["rows"]
        ),
    )


def check_claims(project: Project) -> list[str]:
    """Check the claims file against the chapters, before anything runs.

    Args:
        project: The book.

    Returns:
        One line per problem.
    """
    claims = load_claims(project)
    problems = list(claims.problems)
    names = toc_names(project)
    for claim, chapter in claims.chapter_of.items():
        source = project.book / f"{chapter}.md"
        if chapter not in names or not source.is_file():
            problems.append(f"claim {claim}: chapter {chapter} is not in _toc.yml")
        elif not is_chapter(source):
            problems.append(f"claim {claim}: book/{chapter}.md has no kernel to decide")
        elif claim not in source.read_text("utf8"):
            problems.append(f"claim {claim}: book/{chapter}.md never mentions it")
    return problems
