"""Where the cells of a sweep are computed: threads, processes or a Dask cluster."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing.pool import ThreadPool
from typing import Any

import joblib
from joblib.externals import loky
from joblib.externals.loky import process_executor
from threadpoolctl import threadpool_limits

from flatminima.checks import at_least

SCHEDULER_VARIABLE = "FLATMINIMA_SCHEDULER"

CONNECT_SECONDS = 5.0
CLOSE_SECONDS = 1.0
SECONDS_BETWEEN_COUNTS = 1.0


class SchedulerLost(ConnectionError):
    """The Dask scheduler cannot be reached, or is gone."""


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Pool:
    """Workers that take tasks.

    Attributes:
        submit: called with a function and its arguments; returns a future, which
            raises BrokenExecutor if the worker's process died.
        slots: how many tasks to keep submitted.
        stop: makes what runs end early or dies with it.
        check: raises if the workers cannot be reached any more.
        restart: replaces dead workers.
        pause: for workers in this process: set once they should hand back what
            they have. Others are None.
        same_machine: the workers share the cores with other sweeps of this machine.
    """

    submit: Callable[..., "Future[Any]"]
    slots: Callable[[], int]
    stop: Callable[[], None]
    check: Callable[[], None] = _nothing
    restart: Callable[[], None] = _nothing
    pause: threading.Event | None = None
    same_machine: bool = True


def choose(
    workers: int | None, processes_wanted: bool, scheduler: str | None
) -> AbstractContextManager[Pool]:
    """The pool that a sweep's arguments and the environment ask for.

    Args:
        workers: threads or processes; by default one for each core.
        processes_wanted: processes in place of threads.
        scheduler: address of a Dask scheduler; by default $FLATMINIMA_SCHEDULER,
            without which the sweep is local.

    Raises:
        ValueError: if workers < 1, or if local workers are asked for together with
            a scheduler.
    """
    if workers is not None:
        at_least("workers", workers, 1)
    local = workers is not None or processes_wanted
    if scheduler is not None and local:
        raise ValueError(
            f"scheduler = {scheduler!r}: its workers are its own; leave out workers "
            "and processes"
        )
    if not local:
        scheduler = scheduler or os.environ.get(SCHEDULER_VARIABLE)
    if scheduler:
        return dask(scheduler)
    workers = workers or joblib.cpu_count()
    return processes(workers) if processes_wanted else threads(workers)


@contextmanager
def threads(workers: int) -> Iterator[Pool]:
    """Threads of this process, with one BLAS thread each.

    They are daemons: a program that is interrupted ends without waiting for the
    compiler, say, to come back.
    """
    pool = ThreadPool(workers)
    pause = threading.Event()

    def submit(task: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        future: Future[Any] = Future()

        def work() -> None:
            try:
                result = task(*arguments)
            except BaseException as error:  # whatever it is, the sweep must hear of it
                future.set_exception(error)
            else:
                future.set_result(result)

        pool.apply_async(work)
        return future

    try:
        with _one_thread_each():
            yield Pool(submit, lambda: workers, pause.set, pause=pause)
    finally:
        pause.set()
        pool.close()


@contextmanager
def processes(workers: int) -> Iterator[Pool]:
    """Processes of this machine, started afresh, with one BLAS thread each."""
    _hush_loky()
    executor = _process_executor(workers)

    def restart() -> None:
        nonlocal executor
        executor.shutdown(wait=False, kill_workers=True)
        executor = _process_executor(workers)

    def stop() -> None:
        executor.shutdown(wait=False, kill_workers=True)

    def submit(task: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        return executor.submit(task, *arguments)

    try:
        yield Pool(submit, lambda: workers, stop, restart=restart)
    finally:
        stop()


@contextmanager
def dask(address: str) -> Iterator[Pool]:
    """The workers of a Dask scheduler.

    Two tasks a worker thread are kept submitted, so that none waits for the
    client. Dask itself moves the tasks of a dead worker to another.

    Args:
        address: such as "tcp://10.0.0.1:8786".

    Raises:
        ImportError: if Dask is not installed.
        SchedulerLost: if the scheduler does not answer.
    """
    try:
        from distributed import Client
        from distributed.utils import silence_logging_cmgr
    except ImportError as error:
        raise ImportError(
            f"scheduler = {address!r} needs Dask: pip install 'flatminima[cluster]'"
        ) from error
    # what Dask logs of a lost connection is raised below, in one line
    with silence_logging_cmgr(logging.CRITICAL):
        try:
            client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise SchedulerLost(
                f"scheduler = {address!r}: no Dask scheduler answers there. Start one "
                f"with `dask scheduler`, or unset {SCHEDULER_VARIABLE}"
            ) from error
        try:
            yield _dask_pool(client, address)
        finally:
            # one that takes long to close must not hide what happened before
            with suppress(TimeoutError):
                client.close(timeout=CLOSE_SECONDS)


def _dask_pool(client: Any, address: str) -> Pool:
    gone = SchedulerLost(
        f"the scheduler {address} is gone. Finished runs are stored; run the same "
        "again to go on"
    )
    counted, num_threads = -SECONDS_BETWEEN_COUNTS, 0

    def check() -> None:
        if client.status != "running":
            raise gone

    def slots() -> int:
        nonlocal counted, num_threads
        if time.monotonic() - counted > SECONDS_BETWEEN_COUNTS:
            check()
            try:
                found = client.scheduler_info(n_workers=-1)["workers"].values()
            except OSError as error:
                raise gone from error
            num_threads = sum(worker["nthreads"] for worker in found)
            counted = time.monotonic()
        return max(1, 2 * num_threads)

    executor = client.get_executor(pure=False)

    def stop() -> None:
        executor.shutdown(wait=False)

    return Pool(executor.submit, slots, stop, check, same_machine=False)


@cache
def single_threaded() -> None:
    """Restrict BLAS and torch to one thread for the rest of this process.

    Sums over more threads are summed in another order and end in other bits.
    """
    import torch

    torch.set_num_threads(1)
    threadpool_limits(limits=1)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        torch.set_num_threads(before)


@cache
def _hush_loky() -> None:
    """Have loky's own threads end without a traceback.

    Where workers are killed, one of them may look for work that is gone. What concerns
    the sweep reaches it by the futures.
    """
    tell = threading.excepthook

    def told(failed: threading.ExceptHookArgs) -> None:
        if not type(failed.thread).__module__.startswith(loky.__name__):
            tell(failed)

    threading.excepthook = told


def _process_executor(workers: int) -> loky.ProcessPoolExecutor:
    return loky.ProcessPoolExecutor(workers, initializer=_ready)


def _ready() -> None:
    """Make a new process a worker that stays.

    loky replaces a process that has grown by 300 MB since its first task. What grows
    here are the caches of torch and CUDA, and a new process would fill them again.
    """
    process_executor._MAX_MEMORY_LEAK_SIZE = sys.maxsize
    single_threaded()
