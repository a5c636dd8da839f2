"""Time a step of 1-SAM for every architecture and write what it costs.

`python -m benchmarks.architectures` writes `benchmarks/results/architectures.json`:
microseconds, the peer's, and the multiplications and bytes of a step on paper, at two
points of the source's own runs.
"""

import json
from pathlib import Path

import torch

from benchmarks import peer
from benchmarks.kernels import machine
from benchmarks.kernels.race import states
from benchmarks.sam_step import (
    FIGURES,
    check_same_run,
    microseconds,
    setting,
)
from benchmarks.work import work
from flatminima.checkout import refuse_another
from flatminima.runs.kind import State
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.train import advance, steps_per_call
from flatminima.studies.speed.tables import ARCHITECTURES
from flatminima.terminal import never_break

POINTS = {"early": 1000, "middle": 30_000}
REPEATS = 5
PEER_STEPS = 100


def measure(config: Config, state: State, num_steps: int, repeats: int) -> dict:
    """One row: our time from a state, beside what the step takes on paper."""
    ours = microseconds(lambda k: advance(state, config, k), num_steps, repeats)
    return {
        "architecture": config.architecture,
        "dtype": config.dtype,
        "step": state.step,
        "microseconds": ours,
        **work(config, state),
        "weights": sum(p.size for p in state.params),
    }


def main() -> None:
    refuse_another(Path(__file__))
    torch.set_num_threads(1)
    rows = []
    for architecture in FIGURES:
        for dtype in machine.DTYPES:
            config = setting(architecture, dtype)
            check_same_run(config)
            num_steps = steps_per_call(config)
            reached = states(config, POINTS.values())
            for when, state in zip(POINTS, reached, strict=True):
                row = measure(config, state, num_steps, REPEATS)
                loop = peer.Loop(config, state)
                row["peer"] = microseconds(loop.run, PEER_STEPS, REPEATS)
                rows.append({"when": when, **row})
                print(rows[-1], flush=True)
    result = {
        **machine.about(FIGURES),
        "peer": peer.NAME,
        "rows": rows,
    }
    ARCHITECTURES.write_text(json.dumps(result, indent=1) + "\n")
    print(f"Wrote {ARCHITECTURES}")


if __name__ == "__main__":
    never_break()
    main()
