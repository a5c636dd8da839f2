"""Cleaning: an executed notebook without what changes from run to run."""

from __future__ import annotations

import re
from pathlib import Path

from flatminima_book.notebooks import Notebook, tags
from flatminima_book.shown import MIME as DATA_MIME
from flatminima_book.verdicts import FIGURE_MIME, MIME, WORDS_MIME

KEEP_NOTEBOOK = ("kernelspec", "mystnb", "flatminima")
KEEP_CELL = ("tags", "mystnb", "glue")
STYLER = re.compile(r"\bT_[0-9a-f]{5}(?=_|\b)")  # pandas draws it at random
ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")
MARKUP = re.compile(r"\{[\w:-]+\}(?=`)|\[(?=[^\]]*\]\()|\]\([^)]*\)|[`*$\\{}]")
RICH = ("text/html", "image/svg+xml", "image/png", "text/markdown", "text/latex")
IMAGES = ("image/svg+xml", "image/png", "image/jpeg")


def clean(notebook: Notebook) -> list[str]:
    """Make an executed notebook reproducible, in place.

    Drops timings and paths that papermill wrote, joins streams, drops standard
    error and object addresses, hides the injected cell, takes the verdicts'
    machine form out, and gives figures an alternative text from their caption.

    Args:
        notebook: The executed notebook.

    Returns:
        What was written to standard error, a line per cell.
    """
    metadata = notebook.metadata
    kept = {key: metadata[key] for key in KEEP_NOTEBOOK if key in metadata}
    kept["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    metadata.clear()
    metadata.update(kept)
    noise = []
    for cell in notebook.cells:
        if "injected-parameters" in tags(cell):
            cell["id"] = "injected-parameters"
            cell.metadata["tags"] = ["injected-parameters", "remove-input"]
        for key in [key for key in cell.metadata if key not in KEEP_CELL]:
            del cell.metadata[key]
        if cell.cell_type == "code":
            noise += _clean_outputs(cell)
            describe_figure(cell)
    return noise


def _clean_outputs(cell: Notebook) -> list[str]:
    outputs: list[Notebook] = []
    errors = ""
    for output in cell.outputs:
        if output.output_type == "stream":
            if output.name == "stderr":
                errors += output.text
                continue
            if outputs and outputs[-1].output_type == "stream":
                outputs[-1]["text"] += output.text
                continue
        elif output.output_type in ("display_data", "execute_result"):
            data = output.data
            for machine_form in (MIME, FIGURE_MIME, WORDS_MIME, DATA_MIME):
                data.pop(machine_form, None)
            rich = any(key.endswith(RICH) for key in data)
            for key in [key for key in data if key.endswith("text/plain")]:
                if rich and ADDRESS.search(data[key]):
                    del data[key]
            for key in [key for key in data if key.endswith("text/html")]:
                data[key] = _steady_ids(data[key], cell.execution_count)
            if not data:
                continue
        outputs.append(output)
    cell["outputs"] = outputs
    if not errors:
        return []
    return [f"cell {cell.execution_count} wrote to standard error: {errors.strip()}"]


def _steady_ids(html: str, cell: int | None) -> str:
    """Number the identifiers that pandas gives to styled tables."""
    found = list(dict.fromkeys(STYLER.findall(html)))
    names = {old: f"T_{cell}n{number}" for number, old in enumerate(found)}
    return STYLER.sub(lambda match: names[match[0]], html)


def describe_figure(cell: Notebook) -> None:
    """Give a figure without an alternative text that of its caption."""
    options = cell.metadata.get("mystnb", {})
    caption = options.get("figure", {}).get("caption")
    if caption and "alt" not in options.get("image", {}):
        alt = " ".join(MARKUP.sub("", caption).split())
        options.setdefault("image", {})["alt"] = alt


def check_outputs(notebook: Notebook, chapter: str, root: Path) -> list[str]:
    """Find outputs that a page must not show.

    Args:
        notebook: A cleaned notebook.
        chapter: Its name.
        root: The book's folder on this machine.

    Returns:
        One line per cell with this machine's paths, or a figure without an
        alternative text.
    """
    problems = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        where = f"chapter {chapter}, cell {cell.execution_count}"
        if str(root) in str(cell.outputs):
            problems.append(f"{where}: the output holds this machine's path {root}")
        pictures = any(
            mime in output.get("data", {}) for output in cell.outputs for mime in IMAGES
        )
        hidden = {"remove-output", "remove-cell"} & set(tags(cell))
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
        if pictures and not hidden and not alt:
            problems.append(f"{where}: the figure has neither caption nor alt text")
    return problems
