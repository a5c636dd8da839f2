"""Walks with a certificate of where they stopped: no source has runs of them."""

from flatminima.runs.patterns.config import PatternConfig


def scale(config: PatternConfig) -> str:
    """How a run compares with the source's own; what a sweep's table says of it."""
    start = config.start
    return f"ours: d = {start.d}, n = {start.n}, width {start.width}, {config.rule}"
