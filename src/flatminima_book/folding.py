"""Folding: code that only keeps the book is folded, code that teaches stays open.

A cell is bookkeeping if all that it does is among these: import, start the chapter,
set the style of figures, decide claims and show the verdicts, draw a figure, show a
name again. It may also pick parts of what is there, but compute nothing. What a call
does is told by the module that the called name was imported from, so a chapter needs
no tags. A tag of its own still wins.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from flatminima_book.notebooks import Notebook, tags

FOLDED = "hide-input"
OPEN = "show-input"
CHOSEN = {FOLDED, OPEN, "hide-cell", "remove-input", "remove-cell"}
"""Tags of a cell that the rule leaves alone."""

LONG = 8
"""Lines of a parameters cell that a page shows unfolded."""

CLAIMS = re.compile(r"(\w+_)?claims")
PLOTS = re.compile(r"plots(_\w+)?|\w+_plots")
PRESS = re.compile(r"flatminima_book")
VERDICTS = "verdicts"
REPORT = "Report"

PROMPTS = {
    "parameters": "Show the parameters",
    "figure": "Show how this figure is drawn",
    VERDICTS: "Show how these claims are decided",
    "other": "Show the code",
}

Modules = Mapping[str, str]


def fold(notebook: Notebook) -> None:
    """Tag the bookkeeping cells of an executed chapter as folded, in place.

    Args:
        notebook: The chapter. Its cells keep whatever tag they have of `CHOSEN`.
    """
    for cell, modules in _code_cells(notebook):
        if CHOSEN & set(tags(cell)):
            if FOLDED in tags(cell):
                _prompt(cell, purpose(cell, modules) or "other")
        elif found := purpose(cell, modules):
            cell.metadata["tags"] = [*tags(cell), FOLDED]
            _prompt(cell, found)


def purpose(cell: Notebook, modules: Modules) -> str | None:
    """What a cell keeps books of.

    Args:
        cell: A code cell.
        modules: Where each name that the chapter has imported so far is from.

    Returns:
        A key of `PROMPTS`, or None for a cell that teaches.
    """
    if "parameters" in tags(cell):
        return "parameters" if len(cell.source.splitlines()) > LONG else None
    if cell.metadata.get("mystnb", {}).get("figure"):
        return "figure"
    statements = [s for s in _parse(cell.source) if not _picks(s)]
    if not statements or not all(_keeps_books(s, modules) for s in statements):
        return None
    if any(_draws(s, modules) for s in statements):
        return "figure"
    decides = any(_shows_verdicts(s, modules) for s in statements)
    return VERDICTS if decides else "other"


def unfoldable_reports(notebook: Notebook) -> list[int]:
    """Find cells that compute something and make a report of claims as well.

    Args:
        notebook: A chapter.

    Returns:
        Numbers of these code cells, from 1: the rule leaves them open, though a
        report is bookkeeping.
    """
    return [
        number
        for number, (cell, modules) in enumerate(_code_cells(notebook), 1)
        if _makes_report(cell.source, modules)
        and not CHOSEN & set(tags(cell))
        and purpose(cell, modules) is None
    ]


def _code_cells(notebook: Notebook) -> Iterator[tuple[Notebook, dict[str, str]]]:
    """Code cells, each with what was imported up to its end."""
    modules: dict[str, str] = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            modules |= imported(cell.source)
            yield cell, modules


def imported(source: str) -> dict[str, str]:
    """Names that the imports of a cell bind, with the dotted path of each.

    >>> imported("import numpy as np; from flatminima.claims import decide")
    {'np': 'numpy', 'decide': 'flatminima.claims.decide'}
    """
    found = {}
    for node in _parse(source):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                found[name] = alias.name if alias.asname else name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def _parse(source: str) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except SyntaxError:  # a magic of IPython
        return []


def _picks(statement: ast.stmt) -> bool:
    """Whether a statement only gives a name to parts of what is there."""
    if not isinstance(statement, ast.Assign):
        return False
    return not any(
        isinstance(node, ast.BinOp | ast.Call)
        and not (isinstance(node, ast.Call) and _is_items(node))
        for node in ast.walk(statement.value)
    )


def _is_items(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == "items"


def _keeps_books(statement: ast.stmt, modules: Modules) -> bool:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return True
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Name):
        return True
    if isinstance(statement, ast.Expr | ast.Assign | ast.AnnAssign):
        return statement.value is not None and _is_kept(statement.value, modules)
    return False


def _is_kept(value: ast.expr, modules: Modules) -> bool:
    """Whether a value is made of nothing but calls that keep books."""
    if isinstance(value, ast.List | ast.Tuple):
        return bool(value.elts) and all(_is_kept(e, modules) for e in value.elts)
    if isinstance(value, ast.Dict):
        return bool(value.values) and all(_is_kept(v, modules) for v in value.values)
    if isinstance(value, ast.ListComp):
        return _is_kept(value.elt, modules)
    if isinstance(value, ast.DictComp):
        return _is_kept(value.value, modules)
    return _reads_verdicts(value) or any(
        _is_from(value, kind, modules) for kind in (CLAIMS, PLOTS, PRESS)
    )


def _is_from(value: ast.expr, kind: re.Pattern[str], modules: Modules) -> bool:
    """Whether a call goes to a module of a kind."""
    if not any(isinstance(node, ast.Call) for node in ast.walk(value)):
        return False
    while isinstance(value, ast.Call | ast.Attribute | ast.Subscript):
        value = value.func if isinstance(value, ast.Call) else value.value
    if not isinstance(value, ast.Name):
        return False
    path = modules.get(value.id, "")
    return any(kind.fullmatch(part) for part in path.split("."))


def _reads_verdicts(value: ast.expr) -> bool:
    """Whether a call is given the verdicts of a report, to show them again."""
    return isinstance(value, ast.Call) and any(
        isinstance(node, ast.Attribute) and node.attr == VERDICTS
        for node in ast.walk(value)
    )


def _draws(statement: ast.stmt, modules: Modules) -> bool:
    return isinstance(statement, ast.Assign) and _is_from(
        statement.value, PLOTS, modules
    )


def _shows_verdicts(statement: ast.stmt, modules: Modules) -> bool:
    return any(
        isinstance(node, ast.Call)
        and (_is_from(node, CLAIMS, modules) or _reads_verdicts(node))
        for node in ast.walk(statement)
    )


def _makes_report(source: str, modules: Modules) -> bool:
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == REPORT
        and _is_from(node, CLAIMS, modules)
        for statement in _parse(source)
        for node in ast.walk(statement)
    )


def _prompt(cell: Notebook, kind: str) -> None:
    options = cell.metadata.setdefault("mystnb", {})
    options.setdefault("code_prompt_show", PROMPTS[kind])
    options.setdefault("code_prompt_hide", PROMPTS[kind].replace("Show", "Hide", 1))
