"""A program that sweeps, to be killed or interrupted; see `cells.sweeping`."""

import json
import sys
from pathlib import Path

from flatminima import paths


def main() -> None:
    """Sweep what the one argument says."""
    task = json.loads(sys.argv[1])
    if task["build"] is not None:
        # before the import of the kernels, which ask once
        paths.build_folder = lambda: Path(task["build"])
    from flatminima.runs.mlp.config import Config
    from flatminima.sweeps import sweep

    sweep.SECONDS_PER_PART = task["seconds_per_part"]
    sweep.run_all([Config(**config) for config in task["configs"]], **task["how"])


if __name__ == "__main__":
    main()
