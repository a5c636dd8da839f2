"""Dask clusters that lose a worker, the scheduler, or have another engine."""

import json
import os
import signal
import sys
import warnings
from pathlib import Path

import pytest
from distributed import Client

from flatminima.sweeps import store as sweeps_store
from flatminima.sweeps import sweep
from flatminima.sweeps.executors import SchedulerLost
from flatminima.sweeps.sweep import EngineMismatch, run_all
from tests.faults.cells import (
    ENDLESS,
    LARGE,
    LASTING,
    SHORT,
    assert_same,
    finished,
    meanwhile,
    program,
    seeds,
    sweeping,
    unbroken,
    wait_until,
)
from tests.faults.interrupts import interrupt


def test_a_sweep_by_the_environment(cluster, started, monkeypatch):
    monkeypatch.setenv("FLATMINIMA_SCHEDULER", cluster)
    assert_same(run_all([SHORT]), [unbroken(SHORT)])
    assert started == {}


def test_a_cluster_computes_the_same_bits(cluster, started):
    assert_same(run_all(LARGE, scheduler=cluster), [unbroken(cell) for cell in LARGE])
    assert started == {}


def busy_worker(dask_worker):
    """Process of a worker, if it is computing."""
    return os.getpid() if dask_worker.state.executing_count else None


def test_a_killed_worker_is_replaced(cluster, store):
    cells = [*seeds(SHORT, 2), *seeds(LASTING, 2)]

    def kill_one():
        wait_until(lambda: len(finished(store)) >= 2, "the short cells")
        busy: list[int] = []

        def found_one():
            busy.extend(filter(None, client.run(busy_worker).values()))
            return busy

        with Client(cluster, set_as_default=False) as client:
            wait_until(found_one, "a busy worker")
        os.kill(busy[0], signal.SIGKILL)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with meanwhile(kill_one):
            runs = run_all(cells, scheduler=cluster)
    assert_same(runs, [unbroken(config) for config in cells])


def test_a_worker_with_another_engine(cluster, store, monkeypatch):
    ours = sweep._identity(SHORT)
    monkeypatch.setattr(sweep, "_identity", lambda config: ours | {"engine": "0" * 64})
    there = f"engine {ours['engine'][:12]}, here 000000000000. Install the same on all"
    with pytest.raises(EngineMismatch, match=there):
        run_all([SHORT], scheduler=cluster)
    assert finished(store) == set()


def test_a_worker_with_another_library(cluster, store, monkeypatch):
    ours = sweep._identity(SHORT)
    other = ours | {"libraries": ours["libraries"] | {"numpy": "0.1"}}
    monkeypatch.setattr(sweep, "_identity", lambda config: other)
    with pytest.raises(EngineMismatch, match=r"{'numpy': '.*'}, here {'numpy': '0.1'}"):
        run_all([SHORT], scheduler=cluster)
    assert finished(store) == set()


def test_ctrl_c(cluster, store):
    with sweeping([SHORT, *seeds(ENDLESS, 2)], scheduler=cluster) as process:
        wait_until(lambda: finished(store), "the first cell")
        assert "1 of 3 runs were finished" in interrupt(process)


def address_in(file: Path) -> str:
    """What a scheduler has written so far; it does not write all at once."""
    try:
        return json.loads(file.read_text())["address"]
    except (FileNotFoundError, json.JSONDecodeError):
        return ""


def test_an_address_is_read_once_it_is_whole(tmp_path):
    file = tmp_path / "scheduler.json"
    assert address_in(file) == ""
    for written in ("", '{"address": "tcp:'):
        file.write_text(written)
        assert address_in(file) == ""
    file.write_text('{"address": "tcp://127.0.0.1:8786"}')
    assert address_in(file) == "tcp://127.0.0.1:8786"


class Slow:
    """A client whose scheduler is gone, and that does not close in time."""

    status = "closing"

    def __init__(self, *_, **__):
        pass

    def get_executor(self, **_):
        return self

    submit = None

    def close(self, timeout):
        raise TimeoutError(f"timed out after {timeout} s.")


def test_a_client_that_does_not_close_hides_no_lost_scheduler(store, monkeypatch):
    """As on a machine that is busy."""
    monkeypatch.setattr("distributed.Client", Slow)
    with pytest.raises(SchedulerLost, match="is gone. Finished runs are stored"):
        run_all([SHORT], scheduler="tcp://127.0.0.1:1")


def test_the_scheduler_is_killed(tmp_path, store, capfd, monkeypatch):
    # in a notebook there would be a bar, and other tests import what tells one
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    file = tmp_path / "scheduler.json"
    scheduler_options = ["--host", "127.0.0.1", "--port", 0, "--no-dashboard"]
    worker_options = ["--nthreads", 1, "--no-nanny", "--no-dashboard"]
    found = ["--scheduler-file", file]
    with program("-m", "dask", "scheduler", *scheduler_options, *found) as scheduler:
        wait_until(lambda: address_in(file), "the scheduler")
        address = address_in(file)

        def kill():
            wait_until(lambda: finished(store), "the first cell")
            scheduler.kill()

        with (
            program("-m", "dask", "worker", *worker_options, *found),
            meanwhile(kill),
            pytest.raises(SchedulerLost, match="is gone. Finished .* are stored") as e,
        ):
            run_all([SHORT, ENDLESS], scheduler=address)
    assert address in str(e.value)
    assert_same([sweeps_store.load(store, SHORT)], [unbroken(SHORT)])

    with pytest.raises(SchedulerLost, match="no Dask scheduler answers there") as e:
        run_all([SHORT, ENDLESS], scheduler=address)
    assert address in str(e.value)
    # the error says it all
    assert capfd.readouterr().err == ""
