"""Draw the mutants of a room, run the tests of each, and write down what came out.

    python -m mutants sharpness [--count 100] [--survivors] [--python .venv/bin/python]

It works in a copy of the checkout, `_build/mutants/<room>`, since it edits sources. What
is in the table is not run again, so an interrupted call goes on; with `--survivors`
those that no test had noticed run again, after there are new tests.
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, fields
from pathlib import Path

from mutants.draw import Mutant, drawn
from mutants.tests_of import killed

ROOT = Path(__file__).parents[1]
ROOMS = {
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

MUTANT = [field.name for field in fields(Mutant)]
COLUMNS = [*MUTANT, "outcome", "test", "seconds", "equivalent", "why"]
Row = dict[str, str]


def copied(room: str) -> Path:
    """A fresh copy of what git knows of the checkout; compiled code is kept."""
    copy = ROOT / "_build" / "mutants" / room
    copy.mkdir(parents=True, exist_ok=True)
    for path in copy.iterdir():
        if path.name != "_build":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


def table(room: str) -> Path:
    """Where the results of a room are."""
    return ROOT / "mutants" / f"{room}.csv"


def read(path: Path) -> list[Row]:
    """The rows of a table; none if there is no such file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[Row]) -> None:
    """Write the rows of a table."""
    draft = path.with_suffix(".tmp")
    with draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    draft.replace(path)


def tried(copy: Path, python: str, mutant: Mutant, tests: list[str]) -> Row:
    """What the tests say of one mutant."""
    path = copy / mutant.file
    source = path.read_text(encoding="utf-8")
    begun = time.monotonic()
    try:
        path.write_text(mutant.apply(source), encoding="utf-8")
        outcome, test = killed(copy, python, mutant.file, tests)
    finally:
        path.write_text(source, encoding="utf-8")
    seconds = f"{time.monotonic() - begun:.0f}"
    found = {"outcome": outcome, "test": test, "seconds": seconds}
    return {name: str(value) for name, value in (asdict(mutant) | found).items()}


def unharmed(copy: Path, python: str, files: set[str], tests: list[str]) -> str:
    """The first test that fails although nothing but a comment was added, or ""."""
    for file in sorted(files):
        path = copy / file
        path.write_text(path.read_text(encoding="utf-8") + "# nothing\n", "utf-8")
    for file in sorted(files):
        outcome, test = killed(copy, python, file, tests)
        if outcome != "survived":
            return f"{file}: {test or outcome}"
    return ""


def survivors_again(rows: list[Row]) -> list[Row]:
    """The table without those that survived and may not be equivalent."""
    return [row for row in rows if row["outcome"] != "survived" or row["equivalent"]]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m mutants", description=__doc__)
    parser.add_argument("room", choices=ROOMS)
    parser.add_argument(
        "--count", type=int, default=100, help="mutants, by default 100"
    )
    parser.add_argument("--survivors", action="store_true", help="run those again")
    parser.add_argument("--check", action="store_true", help="run them without a fault")
    parser.add_argument(
        "--python", default=str(ROOT / ".venv/bin/python"), help="runs the tests"
    )
    asked = parser.parse_args(arguments)
    folders, tests = ROOMS[asked.room]
    copy, path = copied(asked.room), table(asked.room)
    sample = drawn(copy, folders, asked.count)
    if asked.check:
        failed = unharmed(copy, asked.python, {m.file for m in sample}, tests)
        print(failed or "without a fault all tests pass")
        return bool(failed)
    rows = read(path)
    told = {key(row): row for row in rows}
    if asked.survivors:
        rows = survivors_again(rows)
    done = {key(row) for row in rows}
    for number, mutant in enumerate(sample, 1):
        name = tuple(str(getattr(mutant, field)) for field in MUTANT)
        if name in done:
            continue
        row = tried(copy, asked.python, mutant, tests)
        kept = told.get(name, {}) if row["outcome"] == "survived" else {}
        row |= {field: kept.get(field, "") for field in ("equivalent", "why")}
        rows.append(row)
        order = {m: k for k, m in enumerate(map(_name, sample))}
        rows.sort(key=lambda row: order.get(key(row), len(order)))
        write(path, rows)
        print(
            f"{number} of {len(sample)}: {row['outcome']} in {row['seconds']} s, "
            f"{mutant.file}:{mutant.line} {mutant.before} -> {mutant.after}",
            flush=True,
        )
    print(summary(asked.room, rows))
    return 0


def _name(mutant: Mutant) -> tuple[str, ...]:
    return tuple(str(getattr(mutant, field)) for field in MUTANT)


def key(row: Row) -> tuple[str, ...]:
    """What tells the mutant of a row from others."""
    return tuple(row[name] for name in MUTANT)


def summary(room: str, rows: list[Row]) -> str:
    """How many were noticed."""
    killed = sum(row["outcome"] != "survived" for row in rows)
    same = sum(bool(row["equivalent"]) for row in rows)
    return (
        f"{room}: {killed} of {len(rows)} are noticed; {same} of the others change "
        "nothing that can be seen"
    )


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
