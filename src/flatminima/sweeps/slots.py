"""Compute slots: as many runs at a time as the machine has cores.

Several sweeps, in several processes, may run at once. Each would use all cores,
and small matrix products slow down badly when threads outnumber cores. A run
therefore holds one of as many lock files as there are cores. The operating system
frees the lock of a process that dies.

Slots save time and change no number. Where none can be had, runs go on without.
"""

import os
import platform
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import joblib
from filelock import BaseFileLock, FileLock, Timeout

from flatminima import folders
from flatminima.paths import build_folder, make_folder

SECONDS_BETWEEN_TRIES = 0.02

SECONDS_TO_WONDER = 5.0
"""After these it is asked whether locks can be had at all."""

SECONDS_TO_WAIT = 120.0
"""What a slot may be held at most before its holder is taken for stuck. A run comes
back after ten seconds, but the first of a machine compiles."""

_without: set[Path] = set()
"""Folders in which this process found that no slot can be had."""


@contextmanager
def compute_slot() -> Iterator[None]:
    """Hold a slot while the body runs; waits until one is free.

    Warns:
        UserWarning: once, if no slot can be had; the body then runs without.
    """
    # several machines may share the disk, but not their cores
    root, names = build_folder(), ("slots", platform.node() or "here")
    folder = root.joinpath(*names)
    lock = None if folder in _without else _acquire(root, names, joblib.cpu_count())
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _acquire(root: Path, names: Sequence[str], count: int) -> BaseFileLock | None:
    """A slot once one is free, or None if there are none."""
    folder = root.joinpath(*names)
    try:
        make_folder(root, *names)
        return _wait(folder, [FileLock(folder / f"{k}.lock") for k in range(count)])
    except (OSError, NotImplementedError) as error:
        problem = folders.fault(folder) or folders.reason(error)
    if folder not in _without:
        _without.add(folder)
        warnings.warn(
            f"no compute slot can be had in {folder} ({problem}): runs go on without, "
            "and several sweeps at a time may slow each other down",
            stacklevel=4,
        )
    return None


def _wait(folder: Path, locks: list[BaseFileLock]) -> BaseFileLock:
    """The first lock that is free.

    Raises:
        OSError, NotImplementedError: if there is none for a reason other than work.
    """
    begun = changed = time.monotonic()
    wondered, held = False, None
    while True:
        for lock in locks:
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            os.utime(lock.lock_file)  # so that those who wait see slots change hands
            return lock
        now = time.monotonic()
        if not wondered and now - begun > SECONDS_TO_WONDER:
            wondered = True
            if problem := folders.no_locks(folder):
                raise OSError(problem)
        before, held = held, [_taken(lock) for lock in locks]
        changed = now if held != before else changed
        if now - changed > SECONDS_TO_WAIT:
            raise OSError(f"each is held for more than {SECONDS_TO_WAIT:.0f} s")
        time.sleep(SECONDS_BETWEEN_TRIES)


def _taken(lock: BaseFileLock) -> float:
    """When a lock was last taken; some systems remove its file in between."""
    try:
        return os.path.getmtime(lock.lock_file)
    except FileNotFoundError:
        return 0.0
