"""Rerun the race on one core and write `benchmarks/results/speed.json`."""

import json
from pathlib import Path

from benchmarks.kernels import machine
from benchmarks.kernels.race import CANDIDATES, race, states
from flatminima.checkout import refuse_another
from flatminima.runs.kind import State
from flatminima.runs.mlp.config import Config
from flatminima.sources.controls import SETTINGS
from flatminima.studies.speed.tables import RACE
from flatminima.terminal import never_break

REPEATS = 20
POINTS = {"early": 1000, "middle": 30_000, "late": 1_000_000}


def main() -> None:
    refuse_another(Path(__file__))
    rows = []
    for architecture, setting in SETTINGS.items():
        config = Config.model_validate(
            {
                "architecture": architecture,
                "lr": setting.lr,
                "rho": setting.rho,
                "init_scale": setting.init_scale,
                "num_steps": max(POINTS.values()),
            }
        )
        for when, state in zip(POINTS, states(config, POINTS.values()), strict=True):
            for dtype in machine.DTYPES:
                there = config.model_copy(update={"dtype": dtype})
                arrays = {name: a.astype(dtype) for name, a in state.arrays.items()}
                cast = State(arrays, state.step)
                for row in race(there, cast, num_steps=2000, repeats=REPEATS):
                    rows.append({"when": when, **row})
                    print(
                        architecture, dtype, when, *list(row.values())[:2], flush=True
                    )
    result = {
        **machine.about(SETTINGS),
        "candidates": {name: module.WHY for name, module in CANDIDATES.items()},
        "rows": rows,
    }
    RACE.write_text(json.dumps(result, indent=1) + "\n")
    print(f"Wrote {RACE}")


if __name__ == "__main__":
    never_break()
    main()
