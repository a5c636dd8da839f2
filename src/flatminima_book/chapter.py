"""What a chapter calls first: refuses unknown parameters, fixes the figures."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flatminima.checkout import refuse_another
from flatminima_book.parameters import assigned_names, refuse_unknown

INJECTED = "# Parameters"


def start() -> None:
    """Open a chapter: call it in the cell after the parameters.

    Refuses a parameter that papermill injected and the chapter does not have
    (papermill itself accepts any name), then makes inline figures SVG with the
    same bytes on every run, and has tables show long cells whole. Outside IPython
    it does nothing.

    Raises:
        ValueError: Naming the offending parameter, its value and the names that
            the chapter takes.
        WrongCheckout: The notebook lies in a checkout with another engine.
    """
    shell = _shell()
    if shell is None:
        return
    refuse_another(Path.cwd())
    check_injected(shell.user_ns.get("In", []))
    _steady_outputs(shell)


def check_injected(history: Sequence[str]) -> None:
    """Check papermill's injected cell against the parameters cell before it.

    Args:
        history: Sources of the cells run so far, oldest first.

    Raises:
        ValueError: The injected cell assigns a name that the parameters cell
            does not.
    """
    injected = [i for i, source in enumerate(history) if _is_injected(source)]
    if not injected:
        return
    for source in reversed(history[: injected[-1]]):
        if not _is_injected(source) and (allowed := assigned_names(source)):
            refuse_unknown(_assignments(history[injected[-1]]), allowed)
            return


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

    pd.set_option("display.max_colwidth", None)
    set_matplotlib_formats("svg", metadata={"Date": None})
    matplotlib.rcParams.update(
        {"svg.hashsalt": "flatminima", "svg.fonttype": "path", "figure.dpi": 100}
    )
