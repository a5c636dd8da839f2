"""Compute slots: as many runs at a time as the machine has cores.

Several sweeps, in several processes, may run at once. Each would use all cores,
and small matrix products slow down badly when threads outnumber cores. A run
therefore holds one of as many lock files as there are cores. The operating system
frees the lock of a process that dies.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import joblib
from filelock import BaseFileLock, FileLock, Timeout

from flatminima.paths import build_folder

SECONDS_BETWEEN_TRIES = 0.02


@contextmanager
def compute_slot() -> Iterator[None]:
    """Hold a slot while the body runs; waits until one is free."""
    folder = build_folder() / "slots"
    folder.mkdir(parents=True, exist_ok=True)
    lock = _acquire_any([folder / f"{k}.lock" for k in range(joblib.cpu_count())])
    try:
        yield
    finally:
        lock.release()


def _acquire_any(paths: list[Path]) -> BaseFileLock:
    locks = [FileLock(path) for path in paths]
    while True:
        for lock in locks:
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            return lock
        time.sleep(SECONDS_BETWEEN_TRIES)
