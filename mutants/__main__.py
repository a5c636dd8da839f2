"""Draw the mutants of a room, run the tests of each, and write down what came out.

    python -m mutants                        what the committed tables say
    python -m mutants sharpness              draw, run, write mutants/sharpness.csv
    python -m mutants sharpness --survivors  run those again, after new tests
    python -m mutants sharpness --check      run all tests without a fault
    python -m mutants sharpness --seed 7     another sample, kept in _build

It works in a copy of the checkout, `_build/mutants/<room>`, since it edits sources.
What a table has is not run again, so an interrupted call goes on.
"""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from mutants.draw import SEED, Mutant, drawn
from mutants.table import ROOMS, Row, key, read, rows_again, summary, table, write
from mutants.tests_of import killed

ROOT = Path(__file__).parents[1]


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


def tried(copy: Path, mutant: Mutant, tests: Iterable[str]) -> Row:
    """What the tests say of one mutant."""
    path = copy / mutant.file
    source = path.read_text(encoding="utf-8")
    begun = time.monotonic()
    try:
        path.write_text(mutant.apply(source), encoding="utf-8")
        outcome, test = killed(copy, sys.executable, mutant.file, tests)
    finally:
        path.write_text(source, encoding="utf-8")
    seconds = f"{time.monotonic() - begun:.0f}"
    found = {"outcome": outcome, "test": test, "seconds": seconds}
    return {name: str(value) for name, value in (asdict(mutant) | found).items()}


def unharmed(copy: Path, files: Iterable[str], tests: Iterable[str]) -> str:
    """The first test that fails although nothing but a comment was added, or ""."""
    files = sorted(set(files))
    for file in files:
        path = copy / file
        path.write_text(path.read_text(encoding="utf-8") + "# nothing\n", "utf-8")
    for file in files:
        outcome, test = killed(copy, sys.executable, file, tests)
        if outcome != "survived":
            return f"{file}: {test or outcome}"
    return ""


def noticed(
    copy: Path,
    sample: list[Mutant],
    tests: list[str],
    path: Path,
    *,
    survivors: bool,
) -> None:
    """Run the tests of those that a table lacks, and keep it up to date.

    Args:
        copy: of the checkout.
        sample: the mutants, in the order of the table.
        tests: folders of the tests of their room.
        path: of the table.
        survivors: run those again that survived and may not be equivalent.
    """
    names = [
        tuple(str(value) for value in asdict(mutant).values()) for mutant in sample
    ]
    rows = [row for row in read(path) if key(row) in names]  # the source may have moved
    told = {key(row): row for row in rows}
    if survivors:
        rows = rows_again(rows)
    done = {key(row) for row in rows}
    for number, (name, mutant) in enumerate(zip(names, sample, strict=True), 1):
        if name in done:
            continue
        row = tried(copy, mutant, tests)
        kept = told.get(name, {}) if row["outcome"] == "survived" else {}
        rows.append(
            row | {field: kept.get(field, "") for field in ("equivalent", "why")}
        )
        rows.sort(key=lambda row: names.index(key(row)))
        write(path, rows)
        print(
            f"{number} of {len(sample)}: {row['outcome']} in {row['seconds']} s, "
            f"{mutant.file}:{mutant.line} {mutant.before} -> {mutant.after}",
            flush=True,
        )


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for; 1 if a test fails without a fault."""
    usage = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m mutants", description=__doc__, formatter_class=usage
    )
    parser.add_argument("room", nargs="?", choices=ROOMS)
    parser.add_argument("--count", type=int, default=100, help="by default 100")
    parser.add_argument("--seed", type=int, default=SEED, help="of the sample")
    parser.add_argument("--survivors", action="store_true")
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args(arguments)
    if asked.count < 1:
        parser.error(f"--count {asked.count}: must be at least 1")
    if not asked.room:
        print(summary({room: read(table(room)) for room in ROOMS}))
        return 0
    copy = copied(asked.room)
    folders, tests = ROOMS[asked.room]
    sample = drawn(copy, folders, asked.count, asked.seed)
    if asked.check:
        failed = unharmed(copy, (mutant.file for mutant in sample), tests)
        print(failed or "without a fault all tests pass")
        return bool(failed)
    path = table(asked.room)
    if asked.seed != SEED:
        path = copy.with_name(f"{asked.room}-{asked.seed}.csv")
    noticed(copy, sample, tests, path, survivors=asked.survivors)
    print(summary({asked.room: read(path)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
