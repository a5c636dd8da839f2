"""Ctrl-C ends a sweep, and the same again goes on; `make scale` measures how soon."""

import warnings

from flatminima.sweeps.sweep import run_all
from tests.faults.cells import (
    ENDLESS,
    LONG,
    SHORT,
    assert_same,
    finished,
    parts,
    seeds,
    step_of,
    sweeping,
    unbroken,
    wait_until,
)
from tests.faults.interrupts import interrupt


def test_threads_hand_back_what_they_have(store, started, slowed):
    long = seeds(LONG, 2)
    cells = [SHORT, *long]

    def all_have_begun():
        # by their names: a short cell may come back in parts as well
        return finished(store) and all(step_of(store, config) > 0 for config in long)

    with sweeping(cells, seconds_per_call=0.1, workers=2) as process:
        wait_until(all_have_begun, "snapshots")
        said = interrupt(process)
    assert "1 of 3 runs were finished and 2 have begun" in said
    assert str(store) in said
    assert len(parts(store)) == 2

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runs = run_all(cells, workers=2)
    assert set(started) == set(long)
    assert all(steps[0] > 0 for steps in started.values())
    assert_same(runs, [unbroken(config) for config in cells])


def test_while_the_kernels_are_compiled(tmp_path):
    with sweeping(seeds(ENDLESS, 2), build=tmp_path / "build", workers=2) as process:
        wait_until(lambda: list(tmp_path.glob("build/numba/**/*.nbi")), "a function")
        said = interrupt(process)
    assert "0 of 2 runs were finished" in said
    compiled = tmp_path.glob("build/numba/**/serial.run-*.nbc")
    assert list(compiled) == []  # it was not done


def test_processes(store):
    with sweeping([SHORT, ENDLESS], workers=1, processes=True) as process:
        wait_until(lambda: finished(store), "the first cell")
        assert "1 of 2 runs were finished" in interrupt(process)
