"""Cells to sweep, programs that sweep them, and waits that end."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from flatminima.runs import loop
from flatminima.runs.kind import Run
from flatminima.runs.mlp.config import Config
from flatminima.sweeps import store as sweeps_store

ROOT = Path(__file__).parents[2]

_proceed = loop.proceed  # tests replace it to see what a sweep computes

PATIENCE = 300.0
"""Seconds until a wait fails, so that no test hangs. None measures a time."""

SHORT = Config(
    architecture="bias", d=6, n=8, width=16, lr=0.001, num_steps=100, num_checkpoints=3
)
LONG = SHORT.model_copy(update={"num_steps": 600_000})
LASTING = SHORT.model_copy(update={"num_steps": 6_000_000})
ENDLESS = SHORT.model_copy(update={"num_steps": 10**9})


def seeds(config: Config, count: int) -> list[Config]:
    """The config under the seeds 0, ..., count - 1."""
    return [config.with_seeds(seed, seed) for seed in range(count)]


# large enough for BLAS and torch to use threads of their own if they could
_WIDE = Config(architecture="bias", rho=0.05, num_steps=150, num_checkpoints=2)
LARGE = [
    config.model_copy(update={"batch": batch})
    for batch in ("full", "one")
    for config in seeds(_WIDE, 2)
]


@cache
def unbroken(config: Config) -> Run:
    """The run in one go, without a store."""
    return _proceed(config, None, lambda: False)


def assert_same(runs: Sequence[Run], others: Sequence[Run]) -> None:
    """Equal to the last bit."""
    for run, other in zip(runs, others, strict=True):
        for ours, theirs in zip(run.params, other.params, strict=True):
            np.testing.assert_array_equal(ours, theirs, strict=True)
        pd.testing.assert_frame_equal(run.history, other.history, check_exact=True)
        assert (run.step, run.diverged_at) == (other.step, other.diverged_at)


def finished(store: Path) -> set[Path]:
    """Records of finished runs."""
    return set(store.glob("*.json"))


def parts(store: Path) -> set[Path]:
    """Unfinished runs."""
    return set(store.glob("*.part"))


def step_of(store: Path, config: Config) -> int:
    """How far a run that is not finished has come, 0 if it has no part."""
    part = sweeps_store.load_part(store, config)
    return 0 if part is None else part[0].step


def wait_until(happened: Callable[[], object], what: str) -> None:
    """Return once something has happened; fail if it does not."""
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.05)


@contextmanager
def meanwhile(action: Callable[[], None]) -> Iterator[None]:
    """Do something in a thread while the body runs, and fail if it fails."""
    with ThreadPoolExecutor(1) as pool:
        doing = pool.submit(action)
        yield
        doing.result(PATIENCE)


@contextmanager
def program(*command: object) -> Iterator[subprocess.Popen]:
    """A Python program in a process group of its own, which ends with the body."""
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    process = subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE)


def sweeping(
    configs: Sequence[Config],
    *,
    seconds_per_part=0.1,
    seconds_per_call=0.0,
    build=None,
    **how,
):
    """A `program` that sweeps into $FLATMINIMA_STORE.

    Args:
        configs: what it sweeps.
        seconds_per_part: see `sweep.SECONDS_PER_PART`.
        seconds_per_call: that each of the `child.CALLS` calls of a long run sleeps, so
            that there is time to break in on one that takes little to end. For threads,
            and with the fixture `slowed`.
        build: an empty folder, which makes it compile the kernels afresh.
        how: arguments of `run_all`.
    """
    task = {
        "module": configs[0].engine,
        "configs": [config.model_dump(mode="json") for config in configs],
        "seconds_per_part": seconds_per_part,
        "seconds_per_call": seconds_per_call,
        "build": build,
        "how": how,
    }
    return program(Path(__file__).with_name("child.py"), json.dumps(task, default=str))
