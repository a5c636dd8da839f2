"""The race for the flattest minimiser: the talk asks, and has no runs of its own."""

from flatminima.runs.race.config import RaceConfig


def scale(config: RaceConfig) -> str:
    """How a run compares with the source's own; what a sweep's table says of it."""
    return (
        f"ours: {config.instance}, n = {config.n}, d = {config.d}, "
        f"{config.budget} full gradients"
    )
