"""A program that sweeps, to be killed or interrupted; see `cells.sweeping`."""

import importlib
import json
import sys
import time
from pathlib import Path

from flatminima import paths

CALLS = 60
"""Of the kernel, for a long run that is slowed down."""
LEAST = 1000
"""Steps of a call, a multiple of every block."""


def main() -> None:
    """Sweep what the one argument says."""
    task = json.loads(sys.argv[1])
    if task["build"] is not None:
        # before the import of the kernels, which ask once
        paths.build_folder = lambda: Path(task["build"])
    from flatminima.sweeps import sweep

    kind = importlib.import_module(task["module"])

    sweep.SECONDS_PER_PART = task["seconds_per_part"]
    if task["seconds_per_call"]:
        slow_down(kind, task["seconds_per_call"])
    sweep.run_all([kind.Config(**config) for config in task["configs"]], **task["how"])


def even(config) -> int:
    """Steps of each call of a run that may be slowed down."""
    return max(LEAST, config.num_steps // CALLS)


def slow_down(engine, seconds: float) -> None:
    """Let the engine of this process sleep before every call of a long run."""
    advance = engine.advance

    def slow(state, config, k):
        if config.num_steps > LEAST:
            time.sleep(seconds)
        return advance(state, config, k)

    engine.advance = slow
    engine.steps_per_call = even


if __name__ == "__main__":
    main()
