"""The rerun page: each chapter's parameters and a line that changes one."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import yaml

from flatminima_book.declaration import Parameter
from flatminima_book.markdown import list_table
from flatminima_book.notebooks import Chapter
from flatminima_book.project import Project


def rerun_fragment(project: Project, chapters: Sequence[Chapter]) -> str:
    """Write the generated part of the rerun page.

    Args:
        project: The book, for its parameter files.
        chapters: Chapters in reading order.

    Returns:
        MyST text.
    """
    parts = []
    for chapter in chapters:
        parts.append(f"## {chapter.title}\n")
        parts.append(f"Parameters of [this chapter]({chapter.name}.ipynb):\n")
        parts.append(
            list_table(
                ["Parameter", "Type", "Default", "Allowed", "What it is"],
                [_row(parameter) for parameter in chapter.parameters],
                kind="parameters",
            )
        )
        parts.append("```bash\n" + "\n".join(_lines(project, chapter)) + "\n```\n")
    return "\n".join(parts)


def _row(parameter: Parameter) -> list[str]:
    default = " ".join(parameter.text.split()).replace("[ ", "[").replace(" ]", "]")
    code = (parameter.name, parameter.annotation, default, parameter.within)
    return [*(f"`{text}`" for text in code), parameter.meaning]


def _lines(project: Project, chapter: Chapter) -> list[str]:
    run = f"papermill book/{chapter.name}.ipynb out.ipynb"
    first = chapter.parameters[0]
    lines = [f"{run} {option(first.name, first.default)}"]
    for path in project.parameter_files():
        if path.parent.name == chapter.name:
            lines.append(f"{run} -f {shlex.quote(project.where(path))}")
    return lines


def option(name: str, value: Any) -> str:
    """A parameter as words for papermill, quoted for a shell.

    ``-p`` takes a number or a word; a list has to be written as YAML.

    >>> option("d", 30), option("ds", [6, 8])
    ('-p d 30', "-y 'ds: [6, 8]'")
    """
    if isinstance(value, list):
        text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"))
        return f"-y {shlex.quote(f'{name}: {text.strip()}')}"
    return f"-p {name} {shlex.quote(str(value))}"
