"""The numbers of a figure, read off what is drawn, as one tidy table.

A chapter draws, and its kernel reads the artists of the figure when it shows it. So the
table of a page is that of its figure by construction, and no chapter writes one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import (
    Collection,
    LineCollection,
    PathCollection,
    PolyCollection,
    QuadMesh,
)
from matplotlib.colors import to_hex
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, Patch, Rectangle
from matplotlib.spines import Spine
from matplotlib.text import Annotation, Text

from flatminima_book.plot_words import (
    DIGITS,
    at_ticks,
    colours,
    in_containers,
    in_legend,
    label,
    named,
    one_line,
    title,
)

COLUMNS = {
    "panel": "number of the panel, in the order in which panels are drawn",
    "title": "its title",
    "x_axis": "label of its horizontal axis",
    "y_axis": "label of its vertical axis",
    "series": "what the legend says of the mark",
    "mark": "line, points, segments, band, bars, cells, contour, outline or text",
    "number": "number of the mark in its panel: rows of one line share it",
    "colour": "of the mark, as it is drawn on white",
    "x": "position; empty where the mark runs over the whole axis",
    "y": "position; empty where the mark runs over the whole axis",
    "x_to": "other end of a segment, a bar, a cell or a band",
    "y_to": "other end of a segment, a bar, a cell or a band",
    "x_name": "what the axis writes at x, where it writes words",
    "y_name": "what the axis writes at y, where it writes words",
    "value": "what colour stands for: of a cell, a point or a contour",
    "value_axis": "label of the scale of colours",
    "text": "of a mark that is text",
}
"""Columns of a figure's table, with what each holds. Empty ones are left out."""

ALWAYS = ("panel", "mark", "x", "y")
COLOURBAR = "<colorbar>"
"""The label that matplotlib gives to the axes of a scale of colours."""

Row = dict[str, Any]


def numbers(figure: Figure) -> pd.DataFrame:
    """Read the numbers of a figure.

    Args:
        figure: Drawn by matplotlib, in two dimensions.

    Returns:
        A row for every point, segment, bar, cell, corner of an outline and text, in
        the order of drawing, with those of `COLUMNS` that have something to say.
        Numbers are in units of the axes, unrounded. Marks that are placed relative to
        the panel alone, such as a word in its corner, keep their text.
    """
    rows: list[Row] = []
    panels = [axis for axis in _panels(figure.axes) if axis.get_label() != COLOURBAR]
    for panel, axis in enumerate(panels, 1):
        about = {
            "panel": panel,
            "title": title(axis),
            "x_axis": label(axis, "x"),
            "y_axis": label(axis, "y"),
        }
        marks = _marks(axis)
        placed = [mark for mark in marks if all(_in_data(mark, axis))]
        names = in_legend(figure, axis, placed) | in_containers(axis)
        for number, artist in enumerate(marks, 1):
            every = {"number": number, "series": names.get(id(artist), named(artist))}
            rows += [about | every | row for row in _rows(artist, axis)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    told = (table.notna() & (table != "")).any()
    return table[[name for name in COLUMNS if name in ALWAYS or told[name]]]


def _panels(axes: Sequence[Any]) -> Iterator[Axes]:
    for axis in axes:
        if axis.get_visible():
            yield axis
            yield from _panels(axis.child_axes)


def _marks(axis: Axes) -> list[Artist]:
    """Artists that stand for data, in the order in which they were added."""
    kinds = (Line2D, Collection, Patch, AxesImage)
    return [
        child
        for child in axis.get_children()
        if child.get_visible()
        and child is not axis.patch
        and not isinstance(child, Spine)
        and (isinstance(child, kinds) or child in axis.texts)
    ]


def _rows(artist: Artist, axis: Axes) -> list[Row]:
    """One artist as rows, in units of the axes."""
    if isinstance(artist, Text):
        return _text(artist, axis)
    if isinstance(artist, Line2D):
        found = _line(artist, axis)
    elif isinstance(artist, AxesImage):
        found = _image(artist)
    elif isinstance(artist, Patch):
        found = _patch(artist, axis)
    elif isinstance(artist, Collection):
        found = _collection(artist, axis)
    else:
        return []
    across = {"x": at_ticks(axis.xaxis), "y": at_ticks(axis.yaxis)}
    for row in found:
        for key, words in across.items():
            if words and (at := row.get(key)) is not None:
                row[f"{key}_name"] = words.get(round(float(at), DIGITS), "")
    return found


def _line(line: Line2D, axis: Axes) -> list[Row]:
    x_data, y_data = _in_data(line, axis)
    points = np.asarray(line.get_xydata(), dtype=float)
    drawn = line.get_linestyle() not in ("None", "none", "", " ")
    about = {"mark": "line" if drawn else "points", "colour": to_hex(line.get_color())}
    if x_data and y_data:
        return [about | {"x": x, "y": y} for x, y in points]
    if x_data or y_data:  # axvline and axhline
        key, column = ("x", 0) if x_data else ("y", 1)
        return [about | {key: at} for at in np.unique(points[:, column])]
    return []


def _collection(marks: Collection, axis: Axes) -> list[Row]:
    if isinstance(marks, ContourSet):
        return _contours(marks)
    if isinstance(marks, QuadMesh):
        return _mesh(marks)
    if isinstance(marks, PathCollection):
        return _scattered(marks, axis)
    if isinstance(marks, LineCollection):
        return _segments(marks, axis)
    if isinstance(marks, PolyCollection) and _in_data(marks, axis) == (True, True):
        colour = _cycled(marks, 1)[0]
        found: list[Row] = []
        for path in marks.get_paths():
            found += _band(np.asarray(path.vertices, dtype=float), colour)
        return found
    return []


def _scattered(marks: PathCollection, axis: Axes) -> list[Row]:
    x_data, y_data = _in_data(marks, axis)
    if not (x_data and y_data):
        return []
    offsets: np.ndarray = np.ma.filled(
        np.ma.asarray(marks.get_offsets(), dtype=float), np.nan
    )
    values = marks.get_array()
    told: Row = {} if values is None else {"value_axis": _of_colours(marks)}
    colours = _cycled(marks, len(offsets))
    return [
        {"mark": "points", "colour": colour, "x": x, "y": y}
        | told
        | ({} if values is None else {"value": float(values[index])})
        for index, ((x, y), colour) in enumerate(zip(offsets, colours, strict=True))
    ]


def _segments(marks: LineCollection, axis: Axes) -> list[Row]:
    x_data, y_data = _in_data(marks, axis)
    if not (x_data or y_data):
        return []
    segments = marks.get_segments()
    found = []
    for points, colour in zip(segments, _cycled(marks, len(segments)), strict=True):
        for (x, y), (x_to, y_to) in pairwise(points):
            row: Row = {"mark": "segments", "colour": colour}
            row |= {"x": float(x), "x_to": float(x_to)} if x_data else {}
            row |= {"y": float(y), "y_to": float(y_to)} if y_data else {}
            found.append(row)
    return found


def _band(corners: np.ndarray, colour: str) -> list[Row]:
    """The polygon of a band as its two edges; any other as its outline.

    matplotlib goes along one edge and back along the other, with an end point of the
    other edge before and after the first.
    """
    length = (len(corners) - 3) // 2
    one, other = corners[1 : length + 1], corners[length + 2 : 2 * length + 2][::-1]
    about: Row = {"mark": "band", "colour": colour}
    if length > 0 and len(corners) == 2 * length + 3:
        for across, along in ((0, 1), (1, 0)):
            if np.array_equal(one[:, across], other[:, across]):
                at, end = ("x", "y") if across == 0 else ("y", "x")
                return [
                    about | {at: a, end: b, f"{end}_to": c}
                    for a, b, c in zip(
                        *(one[:, across], one[:, along], other[:, along]), strict=True
                    )
                ]
    return _outline(corners, colour)


def _outline(corners: np.ndarray, colour: str) -> list[Row]:
    return [{"mark": "outline", "colour": colour, "x": x, "y": y} for x, y in corners]


def _contours(contours: Any) -> list[Row]:
    """Corners of each contour, at its level or, if filled, the middle of two."""
    found = []
    scale = _of_colours(contours)
    for level, path in zip(contours.layers, contours.get_paths(), strict=True):
        about = {"mark": "contour", "value": float(level), "value_axis": scale}
        for part in path.to_polygons(closed_only=False):
            found += [about | {"x": x, "y": y} for x, y in part]
    return found


def _mesh(mesh: QuadMesh) -> list[Row]:
    corners = np.asarray(mesh.get_coordinates(), dtype=float)
    values: np.ndarray = np.ma.filled(
        np.ma.asarray(mesh.get_array(), dtype=float), np.nan
    )
    values = values.reshape(corners.shape[0] - 1, corners.shape[1] - 1)
    scale = _of_colours(mesh)
    return [
        {"mark": "cells", "value": value, "value_axis": scale}
        | dict(zip(("x", "y"), corners[at], strict=True))
        | dict(zip(("x_to", "y_to"), corners[at[0] + 1, at[1] + 1], strict=True))
        for at, value in np.ndenumerate(values)
    ]


def _image(image: AxesImage) -> list[Row]:
    shown = image.get_array()
    if shown is None:
        return []
    left, right, bottom, top = image.get_extent()
    height, width = shown.shape[:2]
    x = np.linspace(left, right, width + 1)
    y = np.linspace(top, bottom, height + 1)
    if image.origin == "lower":
        y = y[::-1]
    scale = _of_colours(image)
    found = []
    for i in range(height):
        for j in range(width):
            row: Row = {"mark": "cells", "x": x[j], "x_to": x[j + 1]}
            row |= {"y": y[i], "y_to": y[i + 1]}
            if shown.ndim == 2:
                missing = np.ma.is_masked(shown[i, j])
                row |= {"value": np.nan if missing else float(shown[i, j])}
                row |= {"value_axis": scale}
            else:
                most = 255 if shown.dtype.kind in "ui" else 1
                row["colour"] = to_hex(
                    tuple(np.asarray(shown[i, j], dtype=float) / most)
                )
            found.append(row)
    return found


def _patch(patch: Patch, axis: Axes) -> list[Row]:
    if isinstance(patch, FancyArrowPatch):
        return []
    x_data, y_data = _in_data(patch, axis)
    if not (x_data or y_data):
        return []
    colour = to_hex(patch.get_facecolor())
    if isinstance(patch, Rectangle) and not patch.get_angle():
        row: Row = {"mark": "bars" if x_data and y_data else "band", "colour": colour}
        left, bottom = patch.get_xy()
        row |= {"x": left, "x_to": left + patch.get_width()} if x_data else {}
        row |= {"y": bottom, "y_to": bottom + patch.get_height()} if y_data else {}
        return [row]
    path = patch.get_path().transformed(patch.get_patch_transform())
    return _outline(np.asarray(path.vertices, dtype=float), colour)


def _text(text: Text, axis: Axes) -> list[Row]:
    said = " ".join(text.get_text().split())
    if not said:
        return []
    row: Row = {"mark": "text", "text": said}
    if isinstance(text, Annotation):
        if text.xycoords == "data":
            x, y = text.xy
            row |= {"x": float(x), "y": float(y)}
        return [row]
    x, y = text.get_position()
    x_data, y_data = _in_data(text, axis)
    return [row | ({"x": x} if x_data else {}) | ({"y": y} if y_data else {})]


def _in_data(artist: Artist, axis: Axes) -> tuple[bool, bool]:
    """Whether each coordinate of an artist is in units of the axes."""
    transform: Any = artist.get_transform()
    if isinstance(artist, PathCollection):
        transform = artist.get_offset_transform()
    across, up = transform.contains_branch_seperately(axis.transData)
    return across, up


def _cycled(marks: Collection, count: int) -> list[str]:
    """A colour for each of a collection's marks; they are used in turn."""
    found = colours(marks) or [""]
    return [found[index % len(found)] for index in range(count)]


def _of_colours(artist: Any) -> str:
    """What the scale of colours of an artist says."""
    bar = artist.colorbar
    if bar is None:
        return ""
    return one_line(bar.ax.get_ylabel() or bar.ax.get_xlabel() or bar.ax.get_title())
