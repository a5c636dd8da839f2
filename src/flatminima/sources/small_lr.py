"""Small learning rates: how our runs compare with those that the talk tells of.

Li, Lyu & Arora (2020) and Li, Malladi & Arora (2021) train networks of up to 32 layers
on CIFAR-10, which does not fit here, so every run is scaled down.
"""

from flatminima.runs.svag.config import SvagConfig
from flatminima.sources import talk


def scale(config: SvagConfig) -> str:
    """How a run compares with the source's own, for the scorecard."""
    return talk.scale(config.net)
