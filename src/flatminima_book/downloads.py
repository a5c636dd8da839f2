"""What a reader can take away: the numbers of every figure and table, as files.

An executed chapter carries them in its outputs. The press writes them to `data/` beside
the pages, with the settings that made them, and puts a link below each.
"""

from __future__ import annotations

import csv
import html
import io
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from flatminima_book.clean import IMAGES, describe_figure
from flatminima_book.notebooks import Chapter, Notebook, tags
from flatminima_book.plotted import COLUMNS
from flatminima_book.shown import FIGURE, MIME, TABLE
from flatminima_book.verdicts import FIGURE_MIME
from flatminima_book.verdicts import MIME as VERDICT_MIME

FOLDER = "data"
VERDICTS = "claims"
NO_NUMBERS = (
    "chapter {chapter}, cell {cell}: a figure carries no numbers; draw it with "
    "matplotlib after chapter.start() and execute the chapter again"
)


@dataclass(frozen=True)
class Download:
    """One figure or table of a chapter, as two files.

    Attributes:
        chapter: Its name.
        name: Of the files, without suffix: the figure's own, or a kind and a number.
        kind: "figure", "table" or "claims".
        title: What the page calls it.
        csv: The numbers.
        settings: What made them.
    """

    chapter: str
    name: str
    kind: str
    title: str
    csv: str
    settings: Mapping[str, Any]

    @property
    def links(self) -> str:
        """Links to both files, for a page of the folder `book`, as HTML."""
        base = f"../{FOLDER}/{self.chapter}/{self.name}"
        return (
            f'<span class="data-links"><a href="{base}.csv" download>Numbers (CSV)'
            f'<span class="visually-hidden"> of {self.name}</span></a> · '
            f'<a href="{base}.json">Settings (JSON)'
            f'<span class="visually-hidden"> of {self.name}</span></a></span>'
        )


def take(
    notebook: Notebook, chapter: Chapter, parameters: Mapping[str, Any]
) -> tuple[list[Download], list[str]]:
    """Take the data out of an executed notebook, and put links in its place.

    Links of a figure with a caption stand below that, those of a table below the
    table.

    Args:
        notebook: As executed; changed in place.
        chapter: Whose it is.
        parameters: With which it was executed.

    Returns:
        The files in order of appearance, and one line per figure without numbers.
    """
    taken: list[Download] = []
    problems: list[str] = []
    for cell in notebook.cells:
        if cell.cell_type != "code" or {"remove-cell", "remove-output"} & set(
            tags(cell)
        ):
            continue
        for output in list(cell.outputs):
            data = output.get("data", {})
            packed = data.pop(MIME, None) or _without_machine_form(data)
            if packed is None:
                if any(mime in data for mime in IMAGES):
                    problems.append(
                        NO_NUMBERS.format(
                            chapter=chapter.name, cell=cell.execution_count
                        )
                    )
                continue
            found = _download(cell, packed, chapter, parameters, taken)
            taken.append(found)
            _link(cell, output, found)
    return taken, problems


def _download(
    cell: Notebook,
    packed: Mapping[str, Any],
    chapter: Chapter,
    parameters: Mapping[str, Any],
    before: Sequence[Download],
) -> Download:
    kind = packed["kind"]
    figure = cell.metadata.get("mystnb", {}).get("figure", {})
    number = 1 + sum(each.kind == kind for each in before)
    name = figure.get("name") if kind == FIGURE else None
    name = name or f"{kind}-{number}"
    if name in {each.name for each in before}:  # a cell that draws two
        name = f"{name}-{number}"
    caption = " ".join(str(figure.get("caption", "")).split()) if kind == FIGURE else ""
    settings = {
        "name": name,
        "kind": kind,
        "book": "flatminima",
        "chapter": chapter.name,
        "chapter_title": chapter.title,
        "page": f"book/{chapter.name}.html" + (f"#{name}" if "name" in figure else ""),
        "caption": caption,
        "parameters": dict(parameters),
        "code": cell.source,
        "rerun": rerun_line(chapter, parameters),
        "columns": _columns(packed),
        "licence": "CC-BY-4.0",
    }
    title = caption or f"{kind.capitalize()} {number}"
    return Download(chapter.name, name, kind, title, packed["csv"], settings)


def _columns(packed: Mapping[str, Any]) -> dict[str, str]:
    """Columns of a file; of a figure's, with what they hold."""
    names = next(csv.reader(io.StringIO(packed["csv"])), [])
    known = COLUMNS if packed["kind"] == FIGURE else {}
    return {name: known.get(name, "") for name in names}


def rerun_line(chapter: Chapter, parameters: Mapping[str, Any]) -> str:
    """The command that computes a chapter again, under the same parameters."""
    words = ["papermill", f"book/{chapter.name}.ipynb", "out.ipynb"]
    for name, value in parameters.items():
        if value != chapter.defaults.get(name):
            words += ["-y", f"{name}: {json.dumps(value)}"]
    return shlex.join(words)


def _link(cell: Notebook, output: Notebook, found: Download) -> None:
    figure = cell.metadata.get("mystnb", {}).get("figure")
    if found.kind == FIGURE and figure:
        describe_figure(cell)  # by the caption alone
        # a second paragraph of a caption becomes the figure's legend
        figure["caption"] = f"{str(figure['caption']).rstrip()}\n\n{found.links}\n"
    elif "text/html" in output.data:
        output.data["text/html"] += f"<p>{found.links}</p>"
    else:
        place = cell.outputs.index(output) + 1
        below = {
            "output_type": "display_data",
            "data": {"text/html": f"<p>{found.links}</p>"},
            "metadata": {},
        }
        cell.outputs.insert(place, type(output)(below))


def _without_machine_form(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Data of what has other machine forms than a data frame's: verdicts, HTML."""
    rows = data.get(VERDICT_MIME)
    if rows is None:
        rows = data.get(FIGURE_MIME)
    if isinstance(rows, Mapping):
        rows = [rows]
    if rows:
        return {"kind": VERDICTS, "csv": as_csv(rows)}
    shown = _Cells()
    shown.feed("".join(data.get("text/html", "")))
    if not shown.rows:
        return None
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(shown.rows)
    return {"kind": TABLE, "csv": text.getvalue()}


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Records as CSV; their keys are the columns, and nothing stands for None."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: "" if v is None else v for k, v in row.items()})
    return text.getvalue()


class _Cells(HTMLParser):
    """The cells of the first table of a piece of HTML, as it shows them."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._inside = self._done = False
        self._text: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "table" and not self._done:
            self._inside = True
        elif self._inside and tag == "tr":
            self.rows.append([])
        elif self._inside and tag in ("td", "th"):
            self._text = []

    def handle_endtag(self, tag: str) -> None:
        if tag == "table" and self._inside:
            self._inside, self._done = False, True
        elif tag in ("td", "th") and self._text is not None and self.rows:
            self.rows[-1].append(" ".join("".join(self._text).split()))
            self._text = None

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)


def write(downloads: Sequence[Download], folder: Path) -> None:
    """Write all files.

    Args:
        downloads: Of all chapters.
        folder: `data` beside the pages.
    """
    for each in downloads:
        home = folder / each.chapter
        home.mkdir(parents=True, exist_ok=True)
        (home / f"{each.name}.csv").write_text(each.csv, "utf8")
        told = json.dumps(each.settings, indent=1, ensure_ascii=False)
        (home / f"{each.name}.json").write_text(told + "\n", "utf8")


def fragment(downloads: Sequence[Download], chapters: Sequence[Chapter]) -> str:
    """The list of all files, for the page of the data.

    Args:
        downloads: Of all chapters.
        chapters: In reading order.

    Returns:
        MyST text: a table, folded, for each chapter that shows something.
    """
    parts = []
    for chapter in chapters:
        rows = [each for each in downloads if each.chapter == chapter.name]
        if not rows:
            continue
        counts = {
            kind: sum(each.kind == kind for each in rows)
            for kind in (FIGURE, TABLE, VERDICTS)
        }
        said = ", ".join(f"{kind}: {n}" for kind, n in counts.items() if n)
        items = "".join(
            f"<li>{html.escape(each.name)}: {each.links}</li>" for each in rows
        )
        parts.append(
            f"<details><summary>{html.escape(chapter.title)} ({said})</summary>"
            f'<p><a href="{chapter.name}.html">The chapter</a></p>'
            f"<ul>{items}</ul></details>\n"
        )
    return "\n".join(parts) + "\n"
