"""Sweeps whose process, or a process that works for them, is killed."""

import os
import signal
import warnings

import psutil
import pytest

from flatminima.sweeps import store as sweeps_store
from flatminima.sweeps.sweep import run_all
from tests.faults.cells import (
    LASTING,
    LONG,
    PATIENCE,
    SHORT,
    assert_same,
    finished,
    meanwhile,
    parts,
    seeds,
    sweeping,
    unbroken,
    wait_until,
)

CELLS = [*seeds(SHORT, 2), *seeds(LONG, 2)]


def snapshots(store):
    """The step of every snapshot; 0 if time was up before the first update."""
    return {
        config: part[0].step
        for config in CELLS
        if (part := sweeps_store.load_part(store, config)) is not None
    }


def test_a_killed_sweep_goes_on_where_it_was(store, started, slowed):
    with sweeping(CELLS, seconds_per_call=0.1, workers=2) as process:
        wait_until(
            lambda: len(finished(store)) == 2 and any(snapshots(store).values()),
            "a snapshot",
        )
        process.kill()
        assert process.wait(PATIENCE) == -signal.SIGKILL
    kept = {path: path.stat().st_mtime_ns for path in finished(store)}
    begun = snapshots(store)
    assert any(begun.values())

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runs = run_all(CELLS, workers=2)
    begun_at = {config: steps[0] for config, steps in started.items()}
    assert begun_at == {config: begun.get(config, 0) for config in seeds(LONG, 2)}
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert_same(runs, [unbroken(config) for config in CELLS])
    assert len(finished(store)) == len(CELLS)
    assert parts(store) == set()
    # the seconds of all parts together, those before the kill included
    record = sweeps_store.load_record(store, LONG)
    assert record["provenance"]["process"] == os.getpid()
    assert record["provenance"]["seconds"] > 0


def workers_of_this_process():
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if "popen_loky" in " ".join(child.cmdline())
    ]


def test_a_killed_worker_process_is_replaced(store):
    cells = [SHORT, LASTING]

    def kill_one():
        wait_until(lambda: finished(store), "the first cell")
        (worker,) = workers_of_this_process()
        before = worker.cpu_times().user
        wait_until(lambda: worker.cpu_times().user > before + 0.2, "work on the second")
        worker.kill()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with meanwhile(kill_one):
            runs = run_all(cells, workers=1, processes=True)
    assert [str(warning.message) for warning in caught] == [
        "a worker process died; its runs go on in another"
    ]
    assert_same(runs, [unbroken(config) for config in cells])


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_two_sweeps_of_the_same_cells_at_once(store, monkeypatch, slowed):
    monkeypatch.setattr("flatminima.sweeps.sweep.SECONDS_PER_PART", 0.1)
    with sweeping(CELLS, seconds_per_call=0.02, workers=2) as process:
        wait_until(lambda: parts(store), "a snapshot of the other")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            runs = run_all(CELLS, workers=2)
        _, problems = process.communicate(timeout=PATIENCE)
    assert (process.returncode, problems) == (0, "")
    assert_same(runs, [unbroken(config) for config in CELLS])
    assert_same(runs, [sweeps_store.load(store, config) for config in CELLS])
    assert sorted(path.suffix for path in store.iterdir()) == (
        [".json"] * len(CELLS) + [".npz"] * len(CELLS)
    )
