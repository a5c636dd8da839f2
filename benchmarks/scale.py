"""What a sweep costs: its cells, its overhead, its client, and two workers.

Writes `benchmarks/results/scale.json`, which the chapter on scale reads. Other
programs disturb these times, so repeats of different settings alternate and the
best counts; the load of the machine is written down beside them.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import joblib

from flatminima import paths
from flatminima.identity import library_versions
from flatminima.runs import loop
from flatminima.runs.mlp import problem
from flatminima.runs.mlp.config import Config
from flatminima.sources.controls import scenario
from flatminima.studies.scale.costs import FILE, engine
from flatminima.sweeps import executors, store
from flatminima.sweeps.executors import Pool
from flatminima.sweeps.provenance import provenance
from flatminima.sweeps.sweep import compute_part, run_all
from flatminima.sweeps.table import over_seeds

EMPTY = Config(architecture="bias", d=4, n=5, width=4, num_steps=1, num_checkpoints=2)
CELL = Config(architecture="bias", lr=1e-3, rho=0.05, num_steps=10_000)

Pools = dict[tuple[str, int], Pool]
"""Open workers, by place and number."""

TRIM = "MALLOC_TRIM_THRESHOLD_"
DASK_TRIM = "65536"
"""What Dask sets it to, for its workers."""

MOST_ROUNDS = 30
"""Rounds of tasks after which a worker that took none is given up."""


@dataclass(frozen=True)
class Plan:
    """How much to measure.

    Attributes:
        steps, full_steps: updates of the cells that are timed, by batch.
        widths, ds: sizes of the cells that are timed.
        seeds: cells of the sweeps that grow.
        empty: empty cells of a sweep.
        equal: cells of the sweep whose speed-up is taken.
        cell_seconds: length that those cells should have.
        workers: how many workers the speed-up is of.
        spread_seeds, spread_epochs, spread_full: a small scenario, whose cells
            show how much lengths differ within one sweep.
        repeats: the best of so many counts.
    """

    steps: tuple[int, ...] = (1000, 3000, 10_000, 30_000, 100_000)
    full_steps: tuple[int, ...] = (30, 100, 300, 1000)
    widths: tuple[int, ...] = (64, 128, 256, 512, 1024, 2048)
    ds: tuple[int, ...] = (8, 30, 100, 300)
    seeds: tuple[int, ...] = (1, 2, 4, 8)
    empty: int = 41
    equal: int = 10
    cell_seconds: float = 1.0
    workers: int = 2
    spread_seeds: int = 4
    spread_epochs: int = 200
    spread_full: int = 667
    repeats: int = 3


@dataclass(frozen=True)
class Timing:
    """One sweep, timed.

    Attributes:
        wall: seconds that `run_all` took.
        gaps: seconds between two results, the first left out.
        cpu: seconds of this process' processors.
        waited: seconds of storing that were spent waiting for the disk.
    """

    wall: float
    gaps: list[float]
    cpu: float
    waited: float


@contextmanager
def empty_store() -> Iterator[None]:
    """A new store on the disk of the usual one, in place of it."""
    build = paths.build_folder()
    build.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory(prefix="bench-store-", dir=build) as folder,
        patch.dict(os.environ, {paths.STORE_VARIABLE: folder}),
    ):
        yield


def timed_sweep(configs: Sequence[Config], pool: Pool) -> Timing:
    """Time a sweep on workers that are there already, into an empty store."""
    stored: list[float] = []
    waited = 0.0
    save = store.save

    def clocked(*arguments: Any) -> None:
        nonlocal waited
        start, cpu = time.perf_counter(), time.thread_time()
        save(*arguments)
        stored.append(time.perf_counter())
        waited += (stored[-1] - start) - (time.thread_time() - cpu)

    with (
        empty_store(),
        patch("flatminima.sweeps.sweep.choose", lambda *_: nullcontext(pool)),
        patch.object(store, "save", clocked),
    ):
        cpu, start = time.process_time(), time.perf_counter()
        run_all(configs)
        wall = time.perf_counter() - start
        cpu = time.process_time() - cpu
    gaps = [late - early for early, late in pairwise(stored)]
    return Timing(wall, gaps, cpu, waited)


def warm(pool: Pool, workers: int, config: Config) -> None:
    """Let every worker load and compile what a cell needs.

    Raises:
        RuntimeError: if fewer worker processes than asked for take tasks.
    """
    seen: set[int] = set()
    for _ in range(MOST_ROUNDS):
        tasks = [
            pool.submit(compute_part, cell, None, pool.same_machine, pool.pause)
            for cell in over_seeds([config], 2 * workers)
        ]
        seen |= {task.result().provenance["process"] for task in tasks}
        if seen == {os.getpid()} or len(seen) >= workers:
            return
    raise RuntimeError(f"{len(seen)} of {workers} workers took tasks")


@contextmanager
def local_cluster(workers: int) -> Iterator[str]:
    """The address of Dask worker processes on this machine, over the loopback.

    They keep freed memory, see `memory`, against Dask's default.
    """
    import dask
    from distributed import LocalCluster

    spawn = "distributed.nanny.pre-spawn-environ"
    kept = {k: v for k, v in dask.config.get(spawn).items() if k != TRIM}
    with (
        dask.config.set({spawn: kept}),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=":0",
            silence_logs=logging.ERROR,
        ) as cluster,
    ):
        yield cluster.scheduler_address


@contextmanager
def local_dask(workers: int) -> Iterator[Pool]:
    """Workers of a `local_cluster`."""
    with local_cluster(workers) as address, executors.dask(address) as pool:
        yield pool


PLACES = {
    "threads": executors.threads,
    "processes": executors.processes,
    "dask": local_dask,
}


def seconds_alone(config: Config) -> float:
    """Seconds of a run by itself, its data drawn afresh as in a sweep.

    Raises:
        AssertionError: if the run ended early.
    """
    problem.problem.cache_clear()
    start = time.perf_counter()
    run = loop.run(config)
    seconds = time.perf_counter() - start
    if run.diverged_at is not None:
        raise AssertionError(f"diverged, so the time says nothing: {config!r}")
    return seconds


def cells(plan: Plan) -> list[dict[str, Any]]:
    """Seconds of a cell against steps, width, d and batch."""
    grid: list[tuple[str, dict[str, Any]]]
    grid = [("num_steps", {"num_steps": k}) for k in plan.steps]
    grid += [("num_steps", {"num_steps": k, "batch": "full"}) for k in plan.full_steps]
    grid += [("width", {"width": width}) for width in plan.widths]
    grid += [("d", {"d": d}) for d in plan.ds]
    settings = [CELL.model_copy(update=fields) for _, fields in grid]
    best = _best([partial(seconds_alone, c) for c in settings], plan.repeats)
    return [
        {
            "factor": factor,
            **{name: getattr(c, name) for name in ("batch", "num_steps", "width", "d")},
            "seconds": seconds,
        }
        for (factor, _), c, seconds in zip(grid, settings, best, strict=True)
    ]


def spread(plan: Plan) -> list[dict[str, Any]]:
    """Seconds of every cell of a small scenario."""
    configs = scenario(
        "bias",
        d=CELL.d,
        n=CELL.n,
        width=CELL.width,
        epochs=plan.spread_epochs,
        full_batch_steps=plan.spread_full,
    )
    settings = over_seeds(configs.values(), plan.spread_seeds)
    return [{"rule": c.rule, "seconds": seconds_alone(c)} for c in settings]


def client(plan: Plan) -> dict[str, float]:
    """Seconds of the client for a result, with the disk and without.

    The workers are replaced by a list of results, so nothing else is timed.
    """
    configs = over_seeds([EMPTY], plan.empty)
    parts = {c: compute_part(c, None, False, None) for c in configs}

    def at_once(task: Any, config: Config, *_: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        future.set_result(parts[config])
        return future

    pool = Pool(at_once, lambda: 1, lambda: None)

    def a_cell() -> float:
        return timed_sweep(configs, pool).wall / len(configs)

    def without_disk() -> float:
        with patch("os.fsync", lambda _: None):
            return a_cell()

    whole, rest = _best([a_cell, without_disk], plan.repeats)
    return {"seconds": whole, "without_sync": rest}


def overhead(pools: Pools, plan: Plan) -> list[dict[str, Any]]:
    """Seconds that a sweep adds to an empty cell, the median over many.

    `alone` is the median of the same runs without a sweep, `between` that of the
    time from one result to the next. With several workers, cells run side by
    side: the sweep then adds between - alone / workers. Local workers are measured
    one at a time.
    """
    configs = over_seeds([EMPTY], plan.empty)
    pools = {
        key: pool for key, pool in pools.items() if key[0] == "dask" or key[1] == 1
    }
    alone = float("inf")
    timings: dict[tuple[str, int], list[Timing]] = {key: [] for key in pools}
    for _ in range(plan.repeats):
        alone = min(alone, median(seconds_alone(c) for c in configs))
        for key, pool in pools.items():
            timings[key].append(timed_sweep(configs, pool))
    rows = []
    for (place, workers), tried in timings.items():
        between = min(median(timing.gaps) for timing in tried)
        rows.append(
            {
                "place": place,
                "workers": workers,
                "cells": len(configs) - 1,
                "alone": alone,
                "between": between,
                "overhead": between - alone / workers,
                "client_cpu": min(timing.cpu for timing in tried) / len(configs),
                "client_wait": min(timing.waited for timing in tried) / len(configs),
            }
        )
    return rows


def equal_cells(plan: Plan) -> dict[str, Config]:
    """Cells that take about `plan.cell_seconds`, by what they spend them on.

    Those of the kind "training" are in the kernels, which release the GIL; those
    of the kind "measuring" in NumPy and torch, at many checkpoints.
    """

    def cell(num_steps: int, num_checkpoints: int) -> Config:
        update = {"num_steps": num_steps, "num_checkpoints": num_checkpoints}
        return CELL.model_copy(update=update)

    few, many = CELL.num_steps // 10, 10 * CELL.num_steps
    short, long, measured = _best(
        [
            lambda: seconds_alone(cell(few, 2)),
            lambda: seconds_alone(cell(many, 2)),
            lambda: seconds_alone(cell(few, 12)),
        ],
        plan.repeats,
    )
    rest = max(0.0, plan.cell_seconds - short)
    # bounds, in case the load has turned the order of the times around
    steps = few + round(rest * (many - few) / max(long - short, long / 100))
    count = 2 + round(rest * 10 / max(measured - short, measured / 100))
    return {"training": cell(steps, 2), "measuring": cell(few, min(count, 500))}


def memory(config: Config, repeats: int) -> dict[str, float]:
    """Seconds of a cell that measures, with two habits of the allocator.

    glibc keeps freed memory for the next array, unless it is told by the environment
    to return all above a threshold, as Dask tells its workers. Every large array is
    then paged in afresh.
    """
    settings = {"kept": {}, "returned": {TRIM: DASK_TRIM}}
    with ExitStack() as stack:
        pools = []
        for environment in settings.values():
            pool = stack.enter_context(executors.processes(1))
            with patch.dict(os.environ, environment):
                warm(pool, 1, CELL)
            pools.append(pool)

        def job(pool: Pool) -> Callable[[], float]:
            task = (compute_part, config, None, True, None)
            return lambda: pool.submit(*task).result().provenance["seconds"]

        best = _best([job(pool) for pool in pools], repeats)
    return dict(zip(settings, best, strict=True))


def sweeps(pools: Pools, kinds: dict[str, Config], plan: Plan) -> list[dict[str, Any]]:
    """Seconds of whole sweeps, by workers: of equal cells, and of growing numbers."""
    kinds = kinds | {"growing": CELL}
    keys = [
        (kind, place, workers, plan.equal)
        for kind in ("training", "measuring")
        for place, workers in pools
    ]
    keys += [
        ("growing", place, workers, seeds)
        for seeds in plan.seeds
        for place, workers in pools
        if place == "threads"
    ]

    def job(kind: str, place: str, workers: int, count: int) -> Callable[[], float]:
        configs = over_seeds([kinds[kind]], count)
        return lambda: timed_sweep(configs, pools[place, workers]).wall

    best = _best([job(*key) for key in keys], plan.repeats)
    return [
        {
            "kind": kind,
            "place": place,
            "workers": workers,
            "cells": count,
            "num_steps": kinds[kind].num_steps,
            "num_checkpoints": kinds[kind].num_checkpoints,
            "seconds": seconds,
        }
        for (kind, place, workers, count), seconds in zip(keys, best, strict=True)
    ]


def sweep_endlessly(**where: Any) -> None:
    """A short run, then some without an end: what `interrupts` interrupts.

    Args:
        where: arguments of `run_all`.
    """
    endless = EMPTY.model_copy(update={"num_steps": 10**9})
    run_all([EMPTY, *over_seeds([endless], 2)], **where)


def interrupts(plan: Plan, places: Sequence[str]) -> list[dict[str, Any]]:
    """Seconds from Ctrl-C until a sweep has ended, the least by place.

    It is pressed once the first run is stored. A sweep promises two seconds.

    Raises:
        RuntimeError: if a sweep ends before that, or in another way.
    """
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        where: dict[str, dict[str, Any]] = {
            "threads": {"workers": plan.workers},
            "processes": {"workers": plan.workers, "processes": True},
        }
        if "dask" in places:
            address = stack.enter_context(local_cluster(plan.workers))
            where["dask"] = {"scheduler": address}
        for place in places:
            job = partial(_seconds_to_end, where[place])
            (seconds,) = _best([job], plan.repeats)
            rows.append({"place": place, "seconds": seconds})
    return rows


def _seconds_to_end(where: dict[str, Any]) -> float:
    """Start an endless sweep in a program of its own, interrupt and wait for it."""
    code = f"from benchmarks.scale import sweep_endlessly; sweep_endlessly(**{where!r})"
    with empty_store():
        folder = paths.store_folder()
        sweep = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parents[1],
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            while sweep.poll() is None and not list(folder.glob("*.json")):
                time.sleep(0.01)
            start = time.perf_counter()
            with suppress(ProcessLookupError):
                os.killpg(sweep.pid, signal.SIGINT)  # as a terminal does it
            said = sweep.communicate()[1]
            seconds = time.perf_counter() - start
        finally:
            with suppress(ProcessLookupError):
                os.killpg(sweep.pid, signal.SIGKILL)
    if sweep.returncode != -signal.SIGINT:
        raise RuntimeError(f"a sweep ended with {sweep.returncode}: {said.decode()}")
    return seconds


def _best(jobs: Sequence[Callable[[], float]], repeats: int) -> list[float]:
    """Least result of every job; the jobs take turns, so all share a bad minute."""
    rounds = [[job() for job in jobs] for _ in range(repeats)]
    return [min(tried) for tried in zip(*rounds, strict=True)]


def measure(plan: Plan, places: Sequence[str] = tuple(PLACES)) -> dict[str, Any]:
    """Everything that the file holds."""
    load = [list(os.getloadavg())]
    start = time.perf_counter()
    seconds_alone(CELL)
    seconds_alone(CELL.model_copy(update={"batch": "full", "num_steps": 10}))
    result: dict[str, Any] = {"cells": cells(plan), "spread": spread(plan)}
    result["interrupts"] = interrupts(plan, places)
    kinds = equal_cells(plan)
    if "processes" in places:
        result["memory"] = memory(kinds["measuring"], plan.repeats)
    with ExitStack() as stack:
        pools: Pools = {}
        started = []
        for place in places:
            for workers in sorted({1, plan.workers}):
                opened = time.perf_counter()
                pool = stack.enter_context(PLACES[place](workers))
                warm(pool, workers, CELL)
                pools[place, workers] = pool
                seconds = time.perf_counter() - opened
                started.append({"place": place, "workers": workers, "seconds": seconds})
        result["start_up"] = started
        result["client"] = client(plan)
        result["overhead"] = overhead(pools, plan)
        result["sweeps"] = sweeps(pools, kinds, plan)
    load.append(list(os.getloadavg()))
    about = provenance(time.perf_counter() - start, threads=1)
    del about["process"]
    about |= {
        "cores": joblib.cpu_count(),
        "load": load,
        "repeats": plan.repeats,
        "libraries": library_versions(),
        "engine": engine(),
    }
    return {"provenance": about} | result


def main(file: Path = FILE, plan: Plan | None = None) -> None:
    """Measure and write the file."""
    result = measure(plan or Plan())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=1) + "\n")
    print(f"Wrote {file}")
