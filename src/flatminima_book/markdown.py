"""Small pieces of MyST that the generated pages are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MARKS = {
    "holds": "✓",
    "partly": "≈",
    "fails": "✗",
    "undecided": "?",
    "not testable": "–",
}


def badge(verdict: str) -> str:
    """A verdict as a mark and a word, so that colour is never needed."""
    kind = verdict.replace(" ", "-")
    return f"[{MARKS[verdict]} {verdict}]{{.verdict .verdict-{kind}}}"


def number(value: float | None) -> str:
    """A number to three figures; nothing for None.

    >>> number(0.98765), number(None), number(12), number(1234567.0)
    ('0.988', '', '12', '1.23e+06')
    """
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.3g}"


def interval(low: float | None, high: float | None) -> str:
    """An interval in brackets; nothing when it has no ends."""
    if low is None and high is None:
        return ""
    return f"[{number(low) or '…'}, {number(high) or '…'}]"


def cell(text: Any) -> str:
    """Text safe in a list-table cell: one line, never read as a list."""
    line = " ".join(str(text).split())
    marks = ("-", "*", "+")
    return f"\\{line}" if line.startswith(marks) and line[1:2] in ("", " ") else line


def list_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    caption: str = "",
    name: str = "",
    kind: str = "",
) -> str:
    """A table whose cells may hold any inline MyST.

    Args:
        columns: Header cells.
        rows: Body cells.
        caption: Numbered caption, if any.
        name: Label for references.
        kind: CSS class.

    Returns:
        The directive.
    """
    lines = [f"```{{list-table}} {caption}".rstrip(), ":header-rows: 1"]
    lines += [f":name: {name}"] if name else []
    lines += [f":class: {kind}"] if kind else []
    lines.append("")
    for row in [columns, *rows]:
        for index, text in enumerate(row):
            lines.append(f"{'* -' if index == 0 else '  -'} {cell(text)}".rstrip())
    return "\n".join([*lines, "```", ""])
