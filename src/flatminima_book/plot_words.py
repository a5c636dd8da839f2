"""What a figure says of its marks: titles, labels, legends and words at ticks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.category import UnitData
from matplotlib.collections import Collection
from matplotlib.colors import to_hex
from matplotlib.container import Container
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator

DIGITS = 9
"""To how many digits a position is that of a tick."""


def one_line(text: object) -> str:
    """A text without line breaks."""
    return " ".join(str(text).split())


def title(axis: Axes) -> str:
    """The titles of a panel, from left to right."""
    titles = (axis.get_title(place) for place in ("left", "center", "right"))
    return one_line(" ".join(each for each in titles if each))


def label(axis: Axes, way: str) -> str:
    """The label of an axis: its own, that of a panel which shares it, or the figure's.

    Args:
        axis: The panel.
        way: "x" or "y".
    """
    every = axis.get_shared_x_axes() if way == "x" else axis.get_shared_y_axes()
    for panel in [axis, *every.get_siblings(axis)]:
        if said := (panel.get_xlabel() if way == "x" else panel.get_ylabel()):
            return one_line(said)
    figure: Any = axis.figure
    return one_line(figure.get_supxlabel() if way == "x" else figure.get_supylabel())


def at_ticks(axis: Axis) -> dict[float, str]:
    """What an axis writes at its ticks, by position, where it writes words."""
    locator = axis.get_major_locator()
    if isinstance(locator, FixedLocator):
        places = list(locator())
        said = [
            one_line(each) for each in axis.get_major_formatter().format_ticks(places)
        ]
        if all(map(_is_number, said)):
            return {}
        return {
            round(float(at), DIGITS): each
            for at, each in zip(places, said, strict=True)
        }
    units = getattr(axis, "units", None)
    if isinstance(units, UnitData):
        return {float(at): one_line(said) for said, at in units._mapping.items()}
    return {}


def _is_number(text: str) -> bool:
    if not text or "^" in text:
        return True
    try:
        float(text.replace("\N{MINUS SIGN}", "-"))
    except ValueError:
        return False
    return True


def named(artist: Artist) -> str:
    """The label of an artist; empty where matplotlib chose it."""
    said = str(artist.get_label())
    return "" if said.startswith("_") else one_line(said)


def in_containers(axis: Axes) -> dict[int, str]:
    """Names of the artists of containers, such as bars with their errors, by id."""
    found: dict[int, str] = {}

    def take(part: Any, name: str) -> None:
        if isinstance(part, Artist):
            found[id(part)] = name
        elif isinstance(part, Container | tuple | list):
            for each in part:
                take(each, name)

    for container in axis.containers:
        said = str(container.get_label())
        if not said.startswith("_"):
            take(container, one_line(said))
    return found


def in_legend(figure: Figure, axis: Axes, marks: Iterable[Artist]) -> dict[int, str]:
    """Names of artists without one: the entry that alone has their colour, by id.

    The panel's own legend goes first, then the figure's, then that of another panel if
    there is one alone.
    """
    marks = [mark for mark in marks if not named(mark)]
    legends = [axis.get_legend(), *figure.legends]
    others = [each.get_legend() for each in figure.axes if each is not axis]
    others = [legend for legend in others if legend is not None]
    legends += others if len(others) == 1 else []
    for legend in legends:
        if legend is None:
            continue
        entries: dict[str, set[str]] = {}
        for handle, text in zip(legend.legend_handles, legend.texts, strict=False):
            if drawn := colour(handle):
                entries.setdefault(drawn, set()).add(one_line(text.get_text()))
        alone = {drawn: said for drawn, said in entries.items() if len(said) == 1}
        found = {
            id(mark): next(iter(alone[drawn]))
            for mark in marks
            if (drawn := colour(mark)) in alone
        }
        if found:
            return found
    return {}


def colour(artist: Artist | None) -> str:
    """The one colour of an artist, as hexadecimal digits; empty if it has several."""
    if isinstance(artist, Line2D):
        return to_hex(artist.get_color())
    if isinstance(artist, Patch):
        return to_hex(artist.get_facecolor())
    if isinstance(artist, Collection):
        found = set(colours(artist))
        return found.pop() if len(found) == 1 else ""
    return ""


def colours(marks: Collection) -> list[str]:
    """The colours of a collection, in turn; none where they stand for values."""
    if marks.get_array() is not None:
        return []
    given = np.atleast_2d(np.asarray(marks.get_facecolor()))
    if not given.size:
        given = np.atleast_2d(np.asarray(marks.get_edgecolor()))
    return [to_hex(each) for each in given if each.size]
