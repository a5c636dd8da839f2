"""Cells of the map: the talk asks for them, and has no runs of its own."""

from flatminima.runs.cells.config import CellConfig


def scale(config: CellConfig) -> str:
    """How a run compares with the source's own; what a sweep's table says of it."""
    return f"ours: {config.data}, n = {config.n}, d = {config.d}, width {config.width}"
