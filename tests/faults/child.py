"""A program that sweeps, to be killed or interrupted; see `cells.sweeping`."""

import importlib
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
    from flatminima.sweeps import sweep

    kind = importlib.import_module(task["module"])

    sweep.SECONDS_PER_PART = task["seconds_per_part"]
    sweep.run_all([kind.Config(**config) for config in task["configs"]], **task["how"])


if __name__ == "__main__":
    main()
