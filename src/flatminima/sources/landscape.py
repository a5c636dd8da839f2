"""The pictures and paths that the open-problems talk shows, and how ours compare."""

from flatminima.runs.landscape.config import PathConfig, ViewConfig
from flatminima.sources import talk


def scale(config: ViewConfig | PathConfig) -> str:
    """How a run compares with the source's own, for the scorecard."""
    return talk.scale(config.net)
