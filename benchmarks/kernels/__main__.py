"""Rerun the race on one core and write `benchmarks/results/speed.json`."""

import json
from pathlib import Path

from benchmarks.kernels import machine
from benchmarks.kernels.race import CANDIDATES, race, states
from benchmarks.sam_step import machine as processor
from flatminima.config import Config
from flatminima.recipes import SETTINGS
from flatminima.train import State

FILE = Path(__file__).parents[1] / "results" / "speed.json"
REPEATS = 20
POINTS = {"early": 1000, "middle": 30_000, "late": 1_000_000}


def main() -> None:
    rows = []
    for architecture, setting in SETTINGS.items():
        config = Config(
            architecture=architecture,
            lr=setting.lr,
            rho=setting.rho,
            init_scale=setting.init_scale,
            num_steps=max(POINTS.values()),
        )
        for when, state in zip(POINTS, states(config, POINTS.values()), strict=True):
            for dtype in ("float64", "float32"):
                there = config.model_copy(update={"dtype": dtype})
                params = tuple(p.astype(dtype) for p in state.params)
                cast = State(params, state.step)
                for row in race(there, cast, num_steps=2000, repeats=REPEATS):
                    rows.append({"when": when, **row})
                    print(
                        architecture, dtype, when, *list(row.values())[:2], flush=True
                    )
    result = {
        "machine": processor(),
        "peak_1e9_products_a_second": {
            dtype: machine.peak(dtype) for dtype in ("float64", "float32")
        },
        "gigabytes_a_second": {
            dtype: machine.bandwidth(dtype) for dtype in ("float64", "float32")
        },
        "level_kib": machine.LEVELS,
        "candidates": {name: module.WHY for name, module in CANDIDATES.items()},
        "rows": rows,
    }
    FILE.write_text(json.dumps(result, indent=1) + "\n")
    print(f"Wrote {FILE.relative_to(Path.cwd())}")


if __name__ == "__main__":
    main()
