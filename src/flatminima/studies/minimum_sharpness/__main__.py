"""Do runs of the grid while there is time, and commit what is finished.

`make results SCALE=paper CHAPTERS=minimum-sharpness BUDGET=600` calls it.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from flatminima.results.collecting import collect
from flatminima.results.kept import kept
from flatminima.runs.images.config import ImageConfig
from flatminima.studies.minimum_sharpness import runs

SEEDS = 10
FIRST_SEED = 100


def merge(path: Path, new: Path) -> int:
    """Put the lines of one file of results into another, in place of those it has.

    Args:
        path: is replaced; it need not exist.
        new: whose runs count where both have them.

    Returns:
        How many lines there are then.
    """
    lines = {}
    for file in (path, new):
        if file.is_file():
            for line in file.read_text().splitlines():
                row = json.loads(line)
                lines[row["module"], json.dumps(row["config"], sort_keys=True)] = line
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.tmp")
    draft.write_text("".join(f"{line}\n" for line in lines.values()))
    draft.replace(path)
    return len(lines)


def commit(configs: Sequence[ImageConfig], path: Path) -> int:
    """Write finished runs to a file of results, and leave its other lines.

    Args:
        configs: those that are in the store.
        path: of the file.

    Returns:
        How many lines it has then.
    """
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder) / "new.jsonl"
        collect(configs, new)
        return merge(path, new)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; see the module. 1 if no data set is here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=sorted(runs.SCALES), default="medium")
    parser.add_argument("--budget", type=float, default=600.0, help="seconds")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--workers", type=int, default=None, help="processes")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--out", type=Path, help="file of results")
    options = parser.parse_args(arguments)
    seeds = range(FIRST_SEED, FIRST_SEED + options.seeds)
    cells, absent = runs.planned(options.scale, seeds, options.device)
    for reason in absent:
        print(reason)
    if not cells:
        return 1
    print(runs.progress(cells))
    print(runs.pieces(cells).to_string(index=False))
    done = runs.advance(cells, options.budget, options.workers)
    print(done)
    missing = set(done.missing)
    finished = [cell for cell in cells if cell not in missing]
    path = options.out or kept("results") / "minimum-sharpness.jsonl"
    if finished:
        print(f"committed {commit(finished, path)} runs: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
