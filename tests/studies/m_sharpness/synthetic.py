"""Rows as committed runs have them, with numbers that are chosen."""

from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from flatminima.runs.images.config import ImageConfig

Chosen = Callable[[ImageConfig], dict[str, Any]]
"""From a config to columns of its last row."""


def rows(configs: Iterable[ImageConfig], chosen: Chosen) -> pd.DataFrame:
    """Two rows a run, the first where it reached its target.

    Args:
        configs: of the runs.
        chosen: columns of their last rows, over the defaults of `_row`.
    """
    return pd.DataFrame([row for config in configs for row in _run(config, chosen)])


def _run(config: ImageConfig, chosen: Chosen) -> list[dict[str, Any]]:
    end = {
        **config.columns,
        **{"rule": config.rule, "scale": "scaled-down, committed", "step": 10},
        **{"test_accuracy": 0.5, "train_loss": 0.01, "test_loss": 1.0},
        **{"at_target": 0.0, "reached": 1.0, "last": True, "diverged": False},
    } | chosen(config)
    met = {"at_target": 1.0, "last": False, "step": 5}
    return [end | met | {"test_accuracy": end["test_accuracy"] - 0.1}, end]
