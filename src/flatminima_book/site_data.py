"""The folder `data` beside the pages: all that a reader can take away, and its page."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flatminima.results import devices, dictionary
from flatminima_book import downloads
from flatminima_book.downloads import FOLDER, Download, as_csv
from flatminima_book.markdown import list_table
from flatminima_book.notebooks import Chapter
from flatminima_book.plotted import COLUMNS
from flatminima_book.project import Project
from flatminima_book.verdicts import KEYS, Verdict, write_json

SCORECARD = {
    "id": "name of the claim, unique in the book",
    "chapter": "the chapter that decides it",
    "source": "document and place; `000` to `003` and `paper` are the documents",
    "origin": "`source`, or `ours` for a control or a remark of our own",
    "statement": "the claim, as a sentence",
    "rule": "metric, effect, threshold and level, fixed before the run",
    "verdict": "holds, partly, fails, undecided or not testable",
    "effect": "the number that decides; for a theorem the worst error over instances",
    "low": "lower end of its interval at 95 %",
    "high": "upper end of its interval",
    "n": "seeds, or instances",
    "scale": "length and size of the runs beside the source's",
    "reported": "the source's own number or word, if it gives one",
    "expected": "the verdict that the build must find; another one fails it",
    "note": "what a reader should know besides",
    "rule_fixed": "before, after pilot, or after data",
}
"""What each key of the scorecard holds."""

RUNS = "runs"


def page(
    project: Project, offered: Sequence[Download], chapters: Sequence[Chapter]
) -> str:
    """The generated part of the page of the data.

    Args:
        project: The book.
        offered: The data of all figures and tables.
        chapters: In reading order.

    Returns:
        MyST text without anything that changes from run to run.
    """
    parts = [
        "## Figures and tables\n",
        downloads.fragment(offered, chapters),
    ]
    if committed := _committed(project):
        text = RUNS_TEXT + (DEVICES_TEXT if _devices(project) else "")
        parts += ["## Committed runs\n", text, committed]
    parts += ["## Dictionary\n", _dictionary(bool(committed))]
    return "\n".join(parts)


RUNS_TEXT = (
    "Runs that take longer than a build are kept with the book. A line of these files "
    "is a run, as JSON, with its config, its versions and all that was measured. They "
    "are packed by gzip, and are the files of `results/` to the bit.\n"
)

DEVICES = "devices.json"
DEVICES_TEXT = (
    "\nWhere a run was computed stands there as a name. "
    f'<a href="../{FOLDER}/{RUNS}/{DEVICES}" download>{DEVICES}</a> says of each name '
    "what processor it is, with its instruction sets.\n"
)


def _committed(project: Project) -> str:
    rows = []
    for path in run_files(project):
        lines = path.read_text("utf8").splitlines()
        engines = sorted({json.loads(line)["module"] for line in lines})
        names = ", ".join(f"`{name.removeprefix(ENGINES)}`" for name in engines)
        target = f"../{FOLDER}/{RUNS}/{path.name}.gz"
        link = f'<a href="{target}" download>{path.name}.gz</a>'
        rows.append([link, str(len(lines)), names])
    if not rows:
        return ""
    columns = ["File", "Runs", "Engines"]
    return list_table(columns, rows, caption="Committed runs", name="table-runs")


ENGINES = "flatminima.runs."


def run_files(project: Project) -> list[Path]:
    """The files of committed runs, in order."""
    return sorted(project.root.glob(project.runs)) if project.runs else []


def _devices(project: Project) -> dict[str, devices.Device]:
    """What the names of devices in these files stand for."""
    found: dict[str, devices.Device] = {}
    for path in run_files(project):
        found |= devices.read(path)
    return found


def _dictionary(runs: bool) -> str:
    parts = [
        _terms("Columns of the scorecard", "table-scorecard-columns", SCORECARD),
        _terms("Columns of the numbers of a figure", "table-figure-columns", COLUMNS),
    ]
    if runs:
        rows = dictionary.ROW
        parts.append(_terms("Fields of a committed run", "table-run-fields", rows))
        measured = dictionary.measured()
        parts.append(_terms("What is measured", "table-measured", measured))
        for engine, fields in dictionary.configs().items():
            caption = f"Fields of the config of `{engine}`"
            name = f"table-config-{engine.replace('.', '-')}"
            parts.append(_terms(caption, name, fields))
    return "\n".join(parts)


def _terms(caption: str, name: str, meanings: dict[str, str]) -> str:
    rows = [[f"`{key}`", _plain(text)] for key, text in meanings.items()]
    table = list_table(["Name", "What it holds"], rows, caption=caption, name=name)
    return f":::{{dropdown}} {caption}\n{table}:::\n"


def _plain(text: str) -> str:
    """A text from the sources that MyST shows as it is."""
    for mark in ("\\", "*", "_", "$", "<", "[", "{", "|"):
        text = text.replace(mark, f"\\{mark}")
    return text


def write(
    project: Project, offered: Sequence[Download], scorecard: Sequence[Verdict]
) -> None:
    """Write the folder `data` of built pages.

    Args:
        project: The book, its pages typeset.
        offered: The data of all figures and tables.
        scorecard: All entries.
    """
    folder = project.html / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    downloads.write(offered, folder)
    entries: list[dict[str, Any]] = [
        {key: entry.get(key) for key in KEYS} for entry in scorecard
    ]
    (folder / "scorecard.csv").write_text(as_csv(entries), "utf8")
    write_json(folder / "scorecard.json", list(scorecard))
    runs = folder / RUNS
    for path in run_files(project):
        runs.mkdir(exist_ok=True)
        # without a name and a time, so that equal files are equal
        packed = gzip.compress(path.read_bytes(), compresslevel=9, mtime=0)
        (runs / f"{path.name}.gz").write_bytes(packed)
    if known := _devices(project):
        write_json(runs / DEVICES, known)
