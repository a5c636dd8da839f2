"""Ctrl-C ends a sweep within two seconds, and the same again goes on."""

import os
import signal
import time
import warnings
from pathlib import Path

import pytest

from flatminima.sweep import run_all
from tests.faults.cells import (
    ENDLESS,
    LONG,
    SHORT,
    assert_same,
    finished,
    parts,
    seeds,
    sweeping,
    unbroken,
    wait_until,
)

SECONDS = 2.0


def seconds_without_a_processor(process) -> float:
    """How long a process has been ready and others had the processors.

    0 where the system does not tell (it does on Linux).
    """
    try:
        return int(Path(f"/proc/{process.pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def interrupt(process) -> str:
    """Press Ctrl-C, which reaches the whole group; what it says as it ends.

    The seconds for which a busy machine lets the program wait do not count.
    """
    start = time.monotonic()
    before = waited = seconds_without_a_processor(process)
    os.killpg(process.pid, signal.SIGINT)
    while process.poll() is None and time.monotonic() < start + 30:
        waited = max(waited, seconds_without_a_processor(process))
        time.sleep(0.005)
    seconds = time.monotonic() - start - (waited - before)
    assert process.returncode == -signal.SIGINT
    assert seconds < SECONDS
    said = process.communicate(timeout=10)[1]
    assert "Run the same again to go on." in said
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert said.count("Traceback") == 1  # the workers keep quiet
    return said


def test_threads_hand_back_what_they_have(store, started):
    cells = [SHORT, *seeds(LONG, 2)]
    with sweeping(cells, workers=2) as process:
        wait_until(lambda: finished(store) and parts(store), "a snapshot")
        said = interrupt(process)
    assert "1 of 3 runs were finished and 2 have begun" in said
    assert str(store) in said
    assert len(parts(store)) == 2

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runs = run_all(cells, workers=2)
    assert set(started) == set(seeds(LONG, 2))
    assert all(steps[0] > 0 for steps in started.values())
    assert_same(runs, [unbroken(config) for config in cells])


def test_while_the_kernels_are_compiled(tmp_path):
    with sweeping(seeds(ENDLESS, 2), build=tmp_path / "build", workers=2) as process:
        wait_until(lambda: list(tmp_path.glob("build/slots/*.lock")), "a worker")
        time.sleep(0.3)
        said = interrupt(process)
    assert "0 of 2 runs were finished" in said
    assert list(tmp_path.glob("build/numba/**/*.nbc")) == []


def test_processes(store):
    with sweeping([SHORT, ENDLESS], workers=1, processes=True) as process:
        wait_until(lambda: finished(store), "the first cell")
        assert "1 of 2 runs were finished" in interrupt(process)
