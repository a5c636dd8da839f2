"""Time the engine on one core and write `_build/bench.json`.

`python -m benchmarks scale` measures sweeps instead, see `benchmarks.scale`, and
`curvature` only the measures of curvature, see `benchmarks.curvature`, `descent` only a
step of label-noise SGD, see `benchmarks.descent`, `flow` the limiting flow, see
`benchmarks.limiting_flow`, and `live` the page that trains, see `benchmarks.live`.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from benchmarks import curvature, descent, limiting_flow, live, minimum, sam_step, scale
from flatminima.checkout import refuse_another
from flatminima.paths import build_folder
from flatminima.runs.mlp.train import steps_per_call
from flatminima.terminal import never_break

COLUMNS = (
    "ours",
    "peer",
    "ratio",
    "limit",
    "limit_ratio",
    "arithmetic",
    "arithmetic_ratio",
)
WIDTH = 18


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    what = {"step": step, "scale": scale.main, "curvature": time_curvature}
    what |= {"descent": time_descent, "flow": time_flow}
    what |= {"live": time_live}
    parser.add_argument("what", nargs="?", choices=list(what), default="step")
    refuse_another(Path(__file__))
    what[parser.parse_args().what]()


def step() -> None:
    """Time steps, and measures of curvature."""
    time_steps()
    time_descent()
    time_curvature()
    time_flow()
    time_live()


def time_live() -> None:
    """Time the page that trains against the engine."""
    shown(live, live.rows, "live")


def time_flow() -> None:
    """Time the limiting flow against its peers."""
    shown(limiting_flow, limiting_flow.rows, "limiting_flow")


def time_curvature() -> None:
    """Time measures of curvature, and count the passes of minimum sharpness."""
    shown(curvature, curvature.rows, "curvature")
    shown(minimum, minimum.row, "minimum")


def time_descent() -> None:
    """Time a step of label-noise SGD against its peers."""
    shown(descent, descent.rows, "descent")


def shown(module: ModuleType, measure: Callable[[], Any], name: str) -> None:
    """Measure, print, and write a file of the build."""
    torch.set_num_threads(1)
    rows = measure()
    module.show(rows)
    file = build_folder() / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(rows, indent=1) + "\n")
    print(f"Wrote {file}")


def time_steps() -> None:
    """Time a step of every architecture against its peer."""
    torch.set_num_threads(1)
    print("One core, microseconds a step. limit: all weights read and written once;")
    print("arithmetic: the step's products at the rate of a product of matrices")
    print(f"{'':28} {'dtype':8}" + "".join(f"{name:>{WIDTH}}" for name in COLUMNS))
    rows = []
    for architecture in sam_step.FIGURES:
        for dtype in ("float64", "float32"):
            config = sam_step.setting(architecture, dtype)
            num_steps = steps_per_call(config)
            row = sam_step.row(config, num_steps, peer_steps=200, repeats=10)
            numbers = "".join(f"{row[name]:{WIDTH}.2f}" for name in COLUMNS)
            print(f"{row['name']:28} {dtype:8}" + numbers, flush=True)
            rows.append(row)
    file = build_folder() / "bench.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(rows, indent=1) + "\n")
    rates = {row["dtype"]: row["peak"] for row in rows}
    for dtype, rate in rates.items():
        print(f"A product of matrices, {dtype}: {2 * rate:.1f} GFlop/s")
    print(f"On {rows[0]['machine']}, against {rows[0]['peer_name']}")
    print(f"Wrote {file}")


if __name__ == "__main__":
    never_break()
    main()
