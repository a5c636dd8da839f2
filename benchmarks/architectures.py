"""Time a step of 1-SAM for every architecture and write what it costs.

`python -m benchmarks.architectures` writes `benchmarks/results/architectures.json`:
microseconds, the peer's, and the multiplications and bytes of a step on paper, at two
points of the source's own runs.
"""

import json
from pathlib import Path

import numpy as np
import torch

from benchmarks import peer
from benchmarks.kernels import engine, machine
from benchmarks.kernels.race import states
from benchmarks.sam_step import (
    FIGURES,
    check_same_run,
    microseconds,
    setting,
)
from flatminima.checkout import refuse_another
from flatminima.kernels.sim_bn import LANES
from flatminima.models.exponential import PRECISIONS
from flatminima.runs.kind import State
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.problem import problem
from flatminima.runs.mlp.train import advance, steps_per_call
from flatminima.studies.speed.tables import ARCHITECTURES
from flatminima.terminal import never_break

POINTS = {"early": 1000, "middle": 30_000}
REPEATS = 5
PEER_STEPS = 100


def work(config: Config, state: State) -> dict[str, float]:
    """Multiplications with additions and bytes of a step, and who is active.

    Counted are products with matrices and, for softplus, the polynomials of its
    exponential and its logarithm; a mean over the examples.

    Returns:
        products, bytes and active (units of the first hidden layer).
    """
    w = state.params[0].astype(np.float64)
    num_inputs, width = w.shape
    itemsize = np.dtype(config.dtype).itemsize
    on = problem(config).inputs @ w > 0
    active = float(on.sum(axis=1).mean())
    if config.architecture == "sim_bn":
        products, numbers = sim_bn_work(num_inputs, config.n, active)
    elif config.architecture == "deep":
        both = on.astype(float) @ on.T
        n = len(on)
        shared = float(both.sum() - np.trace(both)) / max(1, n * (n - 1))
        products, numbers = deep_work(num_inputs, width, active, active - shared)
    else:
        products, moved = engine.work(num_inputs, width, config.n, active, itemsize)
        numbers = moved / itemsize
        if config.architecture == "softplus":
            constants = PRECISIONS[8 * itemsize]
            products += 2 * width * (len(constants.exp) + len(constants.atanh))
    return {"products": products, "bytes": numbers * itemsize, "active": active}


def sim_bn_work(num_inputs: int, n: int, active: float) -> tuple[float, float]:
    """Products and numbers moved of `kernels.sim_bn`.

    Per active unit: its perturbed and then its new row times X^T, and the activations
    times X. New rows, activations and X^T h are written, read and copied back.
    """
    padded = -(-num_inputs // LANES) * LANES
    return 4 * active * padded * n, active * (8 * padded + 8 * n)


def deep_work(
    num_inputs: int, width: int, active: float, waking: float
) -> tuple[float, float]:
    """Products and numbers moved of `kernels.deep` with one square matrix.

    Rows of active units are read for g and W^T g, then read for g' and the next
    example and written; those of units that are active on the next example only are
    read. The first layer is updated and projected on in one pass.
    """
    products = (5 * active + waking) * width + 2 * num_inputs * width
    return products, (3 * active + waking) * width + 2 * num_inputs * width


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
