"""Runs for the talk's open questions, which has none of its own."""

from flatminima.runs.deep_flat.config import FlatConfig


def scale(config: FlatConfig) -> str:
    """How a run compares with the source's own; what a sweep's table says of it."""
    net = config.net
    return (
        f"ours: depth {net.depth}, n = {net.n}, d = {net.d}, width {net.width}, "
        f"{net.num_steps} updates"
    )
