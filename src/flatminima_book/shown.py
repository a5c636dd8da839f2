"""The data of what a chapter shows: a figure's numbers and a table's cells, as CSV.

They travel in the outputs of the notebook, beside the picture and the table, so a rerun
has them as the pages do.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from IPython.core.formatters import (
    DisplayFormatter,
    JSONFormatter,
    catch_format_error,
)
from matplotlib.figure import Figure
from traitlets import Unicode

from flatminima_book.plotted import numbers

MIME = "application/vnd.flatminima.data+json"
FIGURE = "figure"
TABLE = "table"


class NumbersFormatter(JSONFormatter):
    """Says what numbers a figure or a table shows, and nothing of other objects.

    It asks for the type itself: whatever chooses the format of inline figures strikes
    them from the registers of all formatters.
    """

    format_type = Unicode(MIME)

    @catch_format_error
    def __call__(self, shown: Any) -> dict[str, Any] | None:
        """What an output carries beside the picture or the table."""
        if isinstance(shown, Figure):
            return packed(FIGURE, numbers(shown))
        if isinstance(shown, pd.DataFrame):
            return packed(TABLE, flat(shown))
        return None


def show_data(formatter: DisplayFormatter) -> None:
    """Have figures and tables carry their data in whatever displays them.

    Args:
        formatter: Of a shell of IPython.
    """
    formatter.formatters[MIME] = NumbersFormatter(parent=formatter)


def packed(kind: str, table: pd.DataFrame) -> dict[str, Any]:
    """A table as an output carries it: its kind, and the text of a CSV file.

    Numbers are written so that reading them gives the same bits.
    """
    return {"kind": kind, "csv": table.to_csv(index=False, lineterminator="\n")}


def flat(frame: pd.DataFrame) -> pd.DataFrame:
    """A table with one row of headings and no index.

    Args:
        frame: As a chapter shows it. Levels of headings are joined; an index becomes
            columns unless it only counts the rows.
    """
    columns = [
        " / ".join(str(part) for part in name if str(part))
        if isinstance(name, tuple)
        else str(name)
        for name in frame.columns
    ]
    body = frame.set_axis(columns, axis=1)
    counts = isinstance(frame.index, pd.RangeIndex) and frame.index.name is None
    if counts:
        return body
    levels = frame.index.names
    taken = set(columns)
    names = []
    for number, name in enumerate(levels):
        wanted = str(name) if name else "row" if len(levels) == 1 else f"row {number}"
        while wanted in taken:
            wanted += " "
        taken.add(wanted)
        names.append(wanted)
    index = frame.index.to_frame(index=False)
    index.columns = pd.Index(names)
    return pd.concat([index, body.reset_index(drop=True)], axis=1)
