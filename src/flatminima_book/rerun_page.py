"""The rerun page: each chapter's parameters and a line that changes one."""

from __future__ import annotations

from collections.abc import Sequence

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
                ["Parameter", "Default", "What it is"],
                [[f"`{p.name}`", f"`{p.text}`", p.meaning] for p in chapter.parameters],
                kind="parameters",
            )
        )
        parts.append("```bash\n" + "\n".join(_lines(project, chapter)) + "\n```\n")
    return "\n".join(parts)


def _lines(project: Project, chapter: Chapter) -> list[str]:
    run = f"papermill book/{chapter.name}.ipynb out.ipynb"
    first = chapter.parameters[0]
    lines = [f"{run} -p {first.name} {_shell(first.default)}"]
    for path in project.parameter_files():
        if path.parent.name == chapter.name:
            lines.append(f"{run} -f {project.where(path)}")
    return lines


def _shell(value: object) -> str:
    text = str(value)
    return text if text.replace(".", "").replace("-", "").isalnum() else f"'{text}'"
