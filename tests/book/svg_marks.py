"""Marks of a drawn figure, read off its picture as a reader would: by its ticks.

This knows nothing of how a figure's numbers were written, only the SVG file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.etree import ElementTree

import numpy as np

SVG = "{http://www.w3.org/2000/svg}"
POWER = re.compile(r"10\^\{(-?\d+)\}")
POINT = re.compile(r"[ML] (-?[\d.]+) (-?[\d.]+)")
ENOUGH = 2
"""Ticks with numbers that an axis needs, to be read."""


@dataclass
class Panel:
    """One pair of axes in a picture.

    Attributes:
        marks: pixels of all marks and corners of lines, shape (marks, 2).
        x, y: pixel and number of every tick that has one.
    """

    marks: list[tuple[float, float]] = field(default_factory=list)
    x: list[tuple[float, float]] = field(default_factory=list)
    y: list[tuple[float, float]] = field(default_factory=list)

    def pixels(self, numbers: np.ndarray, way: str) -> np.ndarray | None:
        """Where numbers of an axis lie by its ticks; None if it cannot be read."""
        ticks = np.array(self.x if way == "x" else self.y)
        if len(ticks) < ENOUGH:
            return None
        at, said = ticks.T
        for scale in (np.asarray, np.log10):
            if scale is np.log10 and (said <= 0).any():
                continue
            line = np.polyfit(scale(said), at, 1)
            if len(said) > ENOUGH and np.allclose(np.polyval(line, scale(said)), at):
                with np.errstate(all="ignore"):
                    return np.polyval(line, scale(numbers))
        return None


def read(svg: str) -> list[Panel]:
    """Panels of a picture by matplotlib, in the order in which they are drawn."""
    builder = ElementTree.TreeBuilder(insert_comments=True)
    root = ElementTree.fromstring(svg, ElementTree.XMLParser(target=builder))
    panels = []
    for group in root.iter(f"{SVG}g"):
        if group.get("id", "").startswith("axes_"):
            panel = Panel()
            _walk(group, panel)
            panels.append(panel)
    return panels


def _walk(group: ElementTree.Element, panel: Panel) -> None:
    for child in group:
        name = str(child.get("id", "")) if child.tag == f"{SVG}g" else ""
        if name.startswith(("legend_", "text_", "axes_")):
            continue
        if name.startswith(("xtick_", "ytick_")):
            _tick(child, panel, name[0])
        elif child.tag == f"{SVG}use":
            panel.marks.append((float(child.get("x", 0)), float(child.get("y", 0))))
        elif child.tag == f"{SVG}path" and child.get("d"):
            found = POINT.findall(str(child.get("d")).replace("\n", " "))
            panel.marks += [(float(x), float(y)) for x, y in found]
        elif child.tag == f"{SVG}g":
            _walk(child, panel)


def _tick(group: ElementTree.Element, panel: Panel, way: str) -> None:
    places = [each for each in group.iter(f"{SVG}use") if each.get(way)]
    said = [str(each.text) for each in group.iter(ElementTree.Comment)]
    if places and said and (number := _number(said[0])) is not None:
        place = (float(places[0].get(way, "nan")), number)
        (panel.x if way == "x" else panel.y).append(place)


def _number(text: str) -> float | None:
    if power := POWER.search(text):
        return 10.0 ** int(power[1])
    try:
        return float(text.replace("\N{MINUS SIGN}", "-").strip())
    except ValueError:
        return None


def strays(panel: Panel, x: np.ndarray, y: np.ndarray, far: float) -> int | None:
    """Count points that the picture does not show.

    Args:
        panel: Of the picture.
        x, y: The points, in units of its axes.
        far: Pixels from the next mark at which a point counts as missing.

    Returns:
        How many of those inside the ticks are missing; None if an axis cannot be read.
    """
    across, up = panel.pixels(x, "x"), panel.pixels(y, "y")
    if across is None or up is None or not panel.marks:
        return None
    points = np.column_stack([across, up])
    ends = [np.array(ticks)[:, 0] for ticks in (panel.x, panel.y)]
    inside = np.isfinite(points).all(axis=1)
    for column, end in enumerate(ends):
        inside &= (points[:, column] >= end.min()) & (points[:, column] <= end.max())
    marks = np.array(panel.marks)
    gaps = [np.hypot(*(marks - point).T).min() for point in points[inside]]
    return int(np.sum(np.array(gaps) > far))
