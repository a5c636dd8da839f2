"""From a config to the history of its run, for every kind."""

import numpy as np

from flatminima.runs.mlp.config import Config


def checkpoints(config: Config) -> np.ndarray:
    """Steps at which a run is measured, as `Config` describes, ascending."""
    first = min(100, config.num_steps)
    # from the end, which a single checkpoint after the start must be
    steps = np.geomspace(config.num_steps, first, config.num_checkpoints - 1)
    extra = [step for step in config.measure_at if step <= config.num_steps]
    return np.unique(np.concatenate([[0], np.rint(steps), extra]).astype(int))
