"""Pools of workers."""

import os
import threading
import time

import numpy as np
import pytest
from joblib.externals.loky import process_executor

from flatminima.sweeps import executors


class OfLoky(threading.Thread):
    """A thread that fails as that of loky does if its workers are killed."""

    __module__ = process_executor.__name__

    def run(self):
        raise KeyError(1)


class OfOthers(OfLoky):
    __module__ = __name__


@pytest.mark.parametrize("kind", [OfLoky, OfOthers])
def test_only_lokys_own_threads_end_without_a_word(monkeypatch, kind):
    told = []
    monkeypatch.setattr(threading, "excepthook", told.append)
    executors._hush_loky.__wrapped__()
    failing = kind()
    failing.start()
    failing.join()
    assert len(told) == (kind is OfOthers)


def test_the_manager_of_workers_is_a_thread_of_loky():
    manager = process_executor._ExecutorManagerThread
    assert issubclass(manager, threading.Thread)
    assert manager.__module__ == OfLoky.__module__


def grown(megabytes: int) -> int:
    """Take memory and keep it, as a library's cache does; the process."""
    kept.append(np.ones(megabytes * 2**17))
    time.sleep(1.1)  # loky looks once a second
    return os.getpid()


kept: list[np.ndarray] = []


@pytest.mark.filterwarnings("error")
def test_a_worker_that_has_grown_stays():
    with executors.processes(1) as pool:
        seen = [pool.submit(grown, size).result(300) for size in (1, 400, 1, 1)]
    assert len(set(seen)) == 1
