"""A program that sweeps, to be killed or interrupted.

Its one argument is JSON: `configs`, `how` (arguments of run_all), and perhaps
`seconds_per_part` and `build` (an empty folder makes the kernels compile afresh).
"""

import json
import sys
from pathlib import Path

from flatminima import paths


def main() -> None:
    task = json.loads(sys.argv[1])
    if "build" in task:
        # before the kernels are imported: they read it once
        paths.build_folder = lambda: Path(task["build"])
    from flatminima import sweep
    from flatminima.config import Config

    if "seconds_per_part" in task:
        sweep.SECONDS_PER_PART = task["seconds_per_part"]
    sweep.run_all([Config(**config) for config in task["configs"]], **task["how"])


if __name__ == "__main__":
    main()
