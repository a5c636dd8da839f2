"""The open-problems talk: how runs of small networks compare with what it tells of.

The talk shows results of others, on networks and images that do not fit here, so every
run is scaled down.
"""

from flatminima.runs.nets.config import NetConfig


def scale(config: NetConfig) -> str:
    """How a run compares with the source's own, for the scorecard."""
    size = f"depth {config.depth}, width {config.width}"
    return f"scaled-down: {config.net} of {size} on {config.data}, n = {config.n}"
