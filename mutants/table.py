"""What came out of the mutants of a room, as a table that is committed."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from scipy.stats import binomtest

ROOMS: dict[str, tuple[list[str], list[str]]] = {
    "kernels": (["src/flatminima/kernels"], ["tests/kernels"]),
    "models": (["src/flatminima/models"], ["tests/models"]),
    "sharpness": (["src/flatminima/sharpness"], ["tests/sharpness"]),
    "theory": (["src/flatminima/theory"], ["tests/theory"]),
    "flow": (
        ["src/flatminima/flows", "src/flatminima/runs/flow"],
        ["tests/flows", "tests/runs/flow"],
    ),
    "claims": (["src/flatminima/claims"], ["tests/claims"]),
}
"""Folders of the engine, and those of their tests."""

MUTANT = ("file", "operator", "occurrence", "line", "before", "after")
COLUMNS = (*MUTANT, "outcome", "test", "seconds", "equivalent", "why")
"""Those of a mutant; then "killed", "timeout" or "survived", the test that failed, and
how long that took; of a survivor "yes" if nobody could see the difference, and why no
test fails."""

Row = dict[str, str]


def table(room: str) -> Path:
    """Where the results of a room are committed."""
    return Path(__file__).with_name(f"{room}.csv")


def read(path: Path) -> list[Row]:
    """The rows of a table; none if there is no such file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write the rows of a table, at once or not at all."""
    draft = path.with_suffix(".tmp")
    with draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    draft.replace(path)


def key(row: Row) -> tuple[str, ...]:
    """What tells the mutant of a row from others."""
    return tuple(row[name] for name in MUTANT)


def survived(row: Row) -> bool:
    """Whether no test failed. One that runs on for ever is noticed."""
    return row["outcome"] == "survived"


def rows_again(rows: Iterable[Row]) -> list[Row]:
    """Without those that survived and may not be equivalent."""
    return [row for row in rows if not survived(row) or row["equivalent"]]


def summary(tables: Mapping[str, list[Row]]) -> str:
    """A line for each room: how many were noticed, of all and of those that could be.

    Intervals are Wilson's, 95 %.
    """
    head = (
        f"{'room':<10} {'mutants':>7} {'noticed':>7} {'share':>16} {'equivalent':>10}"
    )
    lines = [f"{head} {'share of the others':>19}"]
    for room, rows in tables.items():
        if not rows:
            lines.append(f"{room:<10} not run")
            continue
        noticed = sum(not survived(row) for row in rows)
        same = sum(bool(row["equivalent"]) for row in rows)
        lines.append(
            f"{room:<10} {len(rows):>7} {noticed:>7} {_share(noticed, len(rows)):>16} "
            f"{same:>10} {_share(noticed, len(rows) - same):>19}"
        )
    return "\n".join(lines)


def _share(part: int, whole: int) -> str:
    if not whole:
        return ""
    low, high = binomtest(part, whole).proportion_ci(method="wilson")
    return f"{part / whole:.2f} [{low:.2f}, {high:.2f}]"
