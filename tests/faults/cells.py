"""Cells to sweep, programs that sweep them, and waits that end."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from flatminima import store as stores
from flatminima import train
from flatminima.config import Config
from flatminima.train import Run

ROOT = Path(__file__).parents[2]
PATIENCE = 40.0
"""Seconds until a wait fails. Most take a tenth of it."""

SHORT = Config(
    architecture="bias", d=6, n=8, width=16, lr=0.001, num_steps=100, num_checkpoints=3
)
LONG = SHORT.model_copy(update={"num_steps": 8_000_000})
ENDLESS = SHORT.model_copy(update={"num_steps": 10**9})


def wait_until(happened: Callable[[], bool], what: str) -> None:
    """Return once something has happened; fail if it does not."""
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.01)


def finished(store: Path) -> set[Path]:
    """Records of finished runs."""
    return {path for path in store.glob("*.json")}


def parts(store: Path) -> set[Path]:
    """Records of unfinished runs."""
    return set(store.glob("*.part"))


def assert_same(runs: Sequence[Run], others: Sequence[Run]) -> None:
    """Equal to the last bit."""
    for run, other in zip(runs, others, strict=True):
        np.testing.assert_array_equal(run.w, other.w, strict=True)
        np.testing.assert_array_equal(run.v, other.v, strict=True)
        pd.testing.assert_frame_equal(run.history, other.history, check_exact=True)
        assert (run.step, run.diverged_at) == (other.step, other.diverged_at)


@contextmanager
def program(*command: object) -> Iterator[subprocess.Popen]:
    """A running program in a process group of its own, which ends with the body."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    process = subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        try:
            os.killpg(process.pid, 9)
        except ProcessLookupError:
            pass
        process.communicate(timeout=PATIENCE)


def sweeping(configs: Sequence[Config], how: dict | None = None, **task: object):
    """A `program` that sweeps into $FLATMINIMA_STORE."""
    configs = [config.model_dump(mode="json") for config in configs]
    argument = json.dumps({"configs": configs, "how": how or {}} | task)
    return program(Path(__file__).with_name("child.py"), argument)
