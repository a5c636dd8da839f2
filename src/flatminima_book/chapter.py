"""What a chapter calls first: checks its parameters, fixes the figures."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

from flatminima.checkout import refuse_another
from flatminima_book.declaration import declared, refuse_unknown, settled

INJECTED = "# Parameters"


def start() -> None:
    """Open a chapter: call it in the cell after the parameters.

    Checks the parameters against what their cell declares, before anything is
    imported that takes time; a text that spells a number becomes that number. Then
    makes inline figures SVG with the same bytes on every run, and has tables show
    long cells whole. Outside IPython it does nothing.

    Raises:
        ValueError: Naming the offending parameters, their values and what is
            allowed.
        WrongCheckout: The notebook lies in a checkout with another engine.
    """
    shell = _shell()
    if shell is None:
        return
    refuse_another(Path.cwd())
    check(shell.user_ns.get("In", []), shell.user_ns)
    _steady_outputs(shell)
    # of the progress bars of downloads, on every page whose chapter can load images
    warnings.filterwarnings("ignore", "IProgress not found")


def check(history: Sequence[str], namespace: MutableMapping[str, Any]) -> None:
    """Check the values of a chapter's parameters, however they came to be.

    papermill may have injected some, and a reader may have edited the cell or run
    another after it: what counts are the values at the end.

    Args:
        history: Sources of the cells run so far, oldest first. The newest of those
            that papermill did not write and that declares parameters is the
            ``parameters`` cell.
        namespace: The variables. Texts that spell a number become it.

    Raises:
        ValueError: The injected cell assigns a name that is not declared, a
            parameter is out of its range, or the cell declares too little.
    """
    place = _parameters_cell(history)
    if place is None:
        return
    try:
        parameters = declared(history[place])
    except ValueError as error:
        raise ValueError(f"the parameters cell: {error}") from None
    for source in history[place + 1 :]:
        if _is_injected(source):
            refuse_unknown(_assignments(source), [p.name for p in parameters])
    namespace.update(settled(parameters, namespace))


def _parameters_cell(history: Sequence[str]) -> int | None:
    """Where the newest cell is that declares, or else one that only assigns."""
    for kind in (_declares, _only_assigns):
        for place in reversed(range(len(history))):
            if not _is_injected(history[place]) and kind(_parse(history[place])):
                return place
    return None


def _declares(body: Sequence[ast.stmt]) -> bool:
    return any(isinstance(statement, ast.AnnAssign) for statement in body)


def _only_assigns(body: Sequence[ast.stmt]) -> bool:
    return bool(body) and all(
        isinstance(statement, ast.Assign)
        and all(isinstance(target, ast.Name) for target in statement.targets)
        for statement in body
    )


def _parse(source: str) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except SyntaxError:
        return []


def _is_injected(source: str) -> bool:
    return source.lstrip().startswith(INJECTED)


def _assignments(source: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign):
            try:
                value: Any = ast.literal_eval(statement.value)
            except ValueError:  # papermill writes nan as float('nan')
                value = ast.unparse(statement.value)
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    found[target.id] = value
    return found


def _shell() -> Any:
    """The running IPython shell, or None."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    return get_ipython()  # type: ignore[no-untyped-call, unused-ignore]


def _steady_outputs(shell: Any) -> None:
    if getattr(shell, "kernel", None) is None:  # a terminal shows no inline figures
        return
    # Imported late, so that a refused parameter is refused at once.
    import matplotlib
    import pandas as pd
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    from flatminima_book.shown import show_data

    show_data(shell.display_formatter)
    pd.set_option("display.max_colwidth", None)
    set_matplotlib_formats("svg", metadata={"Date": None})
    matplotlib.rcParams.update(
        {"svg.hashsalt": "flatminima", "svg.fonttype": "path", "figure.dpi": 100}
    )
