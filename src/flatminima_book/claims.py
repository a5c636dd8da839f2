"""The claims files: what the sources say, and the tables that summarise it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flatminima_book import strict_yaml
from flatminima_book.notebooks import is_chapter
from flatminima_book.project import Project, toc_names

CLAIM_KEYS = ("id", "source", "origin", "statement", "rule_fixed")


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
    """The press's view of the claims files.

    Attributes:
        chapter_of: Chapter of each claim id, in the order of each file.
        tables: Summary tables.
        problems: What is wrong with the files themselves.
    """

    chapter_of: dict[str, str] = field(default_factory=dict)
    tables: tuple[SummaryTable, ...] = ()
    problems: tuple[str, ...] = ()


def load_claims(project: Project) -> Claims:
    """Read the claims files, and the tables.

    Args:
        project: The book.

    Returns:
        Its claims and tables; empty when the book makes no claims.
    """
    if project.claims is None:
        return Claims()
    home: dict[str, Path] = {}
    problems: list[str] = []
    for path in sorted(project.root.glob(project.claims)):
        problems += _read_claims(project, path, home)
    if not home and not problems:
        problems.append(f"{project.claims}: there is no claim")
    chapter_of = {
        name: path.parent.name.replace("_", "-") for name, path in home.items()
    }
    tables, wrong = _read_tables(project, chapter_of)
    return Claims(chapter_of, tables, (*problems, *wrong))


def _read_claims(project: Project, path: Path, home: dict[str, Path]) -> list[str]:
    """Add the claims of a file to `home`; returns problems."""
    where = project.where(path)
    try:
        entries = strict_yaml.load(path.read_text("utf8")) or []
    except ValueError as error:
        return [f"{where}: {error}"]
    problems = []
    for number, claim in enumerate(entries, 1):
        name = claim.get("id", f"number {number}")
        missing = [key for key in CLAIM_KEYS if not claim.get(key)]
        if missing:
            problems.append(f"{where}: claim {name} has no {missing[0]}")
        elif name in home:
            other = project.where(home[name])
            problems.append(f"{where}: claim {name} is also in {other}")
        else:
            home[name] = path
    return problems


def _read_tables(
    project: Project, known: Mapping[str, str]
) -> tuple[tuple[SummaryTable, ...], list[str]]:
    """The summary tables, and what is wrong with them."""
    if project.tables is None:
        return (), []
    where = project.where(project.tables)
    if not project.tables.is_file():
        return (), [f"{where}: the file of tables is missing"]
    try:
        data = strict_yaml.load(project.tables.read_text("utf8")) or {}
    except ValueError as error:
        return (), [f"{where}: {error}"]
    tables = tuple(_table(entry) for entry in data.get("tables") or [])
    problems = []
    for table in tables:
        for row in table.rows:
            place = f"{where}: table {table.name}, row {row.label}"
            if len(row.cells) != len(table.columns):
                problems.append(
                    f"{place}: {len(row.cells)} cells for {len(table.columns)} columns"
                )
            problems += [
                f"{place}: no claim {cell}" for cell in row.cells if cell not in known
            ]
    return tables, problems


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
    """Check the claims files against the chapters, before anything runs.

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
