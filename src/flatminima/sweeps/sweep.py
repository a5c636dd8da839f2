"""Many runs, in parallel, each computed once.

Cells are computed by threads, processes or a Dask cluster (see `executors`). A
worker computes and returns; only the caller writes to the store. A long run comes
back in parts, so that a killed one goes on from its last part.
"""

import atexit
import gc
import sys
import time
import warnings
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Future,
    wait,
)
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pandas as pd

from flatminima.checkout import refuse_another
from flatminima.identity import library_versions
from flatminima.paths import record_file, store_folder
from flatminima.runs import loop
from flatminima.runs.kind import Run, RunConfig
from flatminima.sweeps import store
from flatminima.sweeps.executors import Pool, choose, single_threaded
from flatminima.sweeps.notes import note_commit, note_spent
from flatminima.sweeps.progress import Progress, calls, progress, share_done
from flatminima.sweeps.provenance import provenance
from flatminima.sweeps.settings import refuse_settings, settings
from flatminima.sweeps.slots import compute_slot
from flatminima.sweeps.table import Seeds, over_seeds, tidy

SECONDS_PER_PART = 10.0
"""Computing time after which a run comes back, to be kept and sent on."""

SECONDS_BETWEEN_CHECKS = 0.5
SECONDS_TO_STOP = 1.0

MAX_RESTARTS = 3
"""Deaths of worker processes in a row, without a finished run, that are borne."""


MOST_NAMED = 3
"""Diverged runs that a warning names."""


class CellFailed(RuntimeError):
    """A run raised an error; the message holds its config."""


class EngineMismatch(RuntimeError):
    """A worker computes with another engine, libraries or settings than the caller."""


def fetch(config: RunConfig) -> Run:
    """The run of a config, from the store or computed and stored now."""
    return run_all([config])[0]


def run_all(
    configs: Sequence[RunConfig],
    workers: int | None = None,
    *,
    processes: bool = False,
    scheduler: str | None = None,
    folder: Path | None = None,
) -> list[Run]:
    """All runs, in the order of their configs.

    Finished runs come from the store. Each of the others is stored as soon as it
    is done, and every few seconds on its way, so an interrupted sweep goes on
    where it stopped. The result does not depend on where or in how many parts
    the runs were computed. A run that diverges is a result like any other.

    Args:
        configs: what to run.
        workers: local threads or processes; by default one for each core.
        processes: local processes in place of threads. Threads are the better
            choice while the kernels do the work: they release the GIL.
        scheduler: address of a Dask scheduler, such as "tcp://10.0.0.1:8786"; by
            default $FLATMINIMA_SCHEDULER, without which the sweep is local.
        folder: the store; by default the one of `paths.store_folder`.

    Raises:
        WrongCheckout: if the working folder is in a checkout with another engine.
        StoreError: if the store cannot take a result. Nothing is computed if that
            is known beforehand.
        SchedulerLost: if the Dask scheduler does not answer any more.
        EngineMismatch: if a worker has another version of the engine.
        CellFailed: if a run raises an error; finished ones are stored.
        ValueError: if a setting of this process would mix other results with the
            ordinary ones, see `settings`.
        KeyboardInterrupt: within two seconds, with a word on how to go on.

    Warns:
        UserWarning: once, if runs diverged, with the configs of the first few.
    """
    place = choose(workers, processes, scheduler)
    refuse_another(Path.cwd())
    configs = list(configs)
    folder = folder or store_folder()
    store.check_usable(folder)
    stored = {config: store.load_timed(folder, config) for config in configs}
    found = {config: run for config, run in stored.items() if run is not None}
    missing = [config for config, run in stored.items() if run is None]
    spent: dict[RunConfig, float] = {}
    if missing:
        refuse_settings()
        store.check_writable(folder)
        store.remove_abandoned(folder)
        rest = _Sweep(folder, missing)
        # numba catches warnings while it compiles, and where threads do that at once
        # the last one out leaves the filters of another: these are put back
        with warnings.catch_warnings(), place as pool:
            found |= rest.compute(pool)
        spent = rest.spent
    note_spent(found, spent)
    lost = [
        f"diverged after {run.diverged_at} steps: {brief(config)}"
        for config, (run, _) in found.items()
        if run.diverged_at is not None
    ]
    if lost:
        more = [f"and {len(lost) - MOST_NAMED} more"] if len(lost) > MOST_NAMED else []
        warnings.warn("; ".join([*lost[:MOST_NAMED], *more]), stacklevel=2)
    return [found[config][0] for config in configs]


def brief(config: RunConfig) -> str:
    """A config as it can be written again: the fields that are not at their default."""
    shown = []
    for name, field in getattr(type(config), "model_fields", {}).items():
        value = getattr(config, name)
        if value != field.default:
            inner = hasattr(type(value), "model_fields")
            shown.append(f"{name}={brief(value) if inner else repr(value)}")
    return f"{type(config).__name__}({', '.join(shown)})"


def sweep(
    configs: Iterable[RunConfig],
    seeds: Seeds,
    workers: int | None = None,
    *,
    processes: bool = False,
    scheduler: str | None = None,
    commit: bool | Path = False,
) -> pd.DataFrame:
    """Run every config under every seed and put the histories in one tidy table.

    Args:
        configs: one for each setting.
        seeds: a count, the seeds themselves or pairs, as in `table.seed_pairs`.
        workers, processes, scheduler: as in `run_all`.
        commit: note these runs in $FLATMINIMA_RECORD, if that is set, as ones to be
            committed to `results/`; or the file in which to note them.

    Returns:
        One row for each run and checkpoint, as `table.tidy` makes them; `last` says
        that the row is the run's final checkpoint, and `diverged` that the run met
        NaN or inf later on.
    """
    cells = over_seeds(configs, seeds)
    runs = run_all(cells, workers, processes=processes, scheduler=scheduler)
    if commit:
        note_commit(cells, record_file() if commit is True else commit)
    return pd.concat(
        [tidy(config, run) for config, run in zip(cells, runs, strict=True)],
        ignore_index=True,
    )


@dataclass(frozen=True)
class Part:
    """What a worker sends back.

    Attributes:
        run: where the run stands.
        identity: engine digest, library versions and settings that computed it.
        provenance: see `provenance.provenance`; seconds of this part alone.
    """

    run: Run
    identity: dict[str, Any]
    provenance: dict[str, Any]


def sweep_quietly(
    configs: Iterable[RunConfig], seeds: Seeds, *, commit: bool = False
) -> pd.DataFrame:
    """`sweep` without its warning of runs that diverge, for pages that count them.

    Args:
        configs, seeds, commit: as in `sweep`.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "diverged", UserWarning)
        return sweep(configs, seeds, commit=commit)


def compute_part(
    config: RunConfig, run: Run | None, same_machine: bool, pause: Event | None
) -> Part:
    """Go on with a run for some seconds; the task that workers execute.

    Args:
        config: what to run.
        run: where it stands; None to start.
        same_machine: the worker shares its cores with other sweeps.
        pause: hand back what there is once this is set.
    """
    if same_machine:
        with compute_slot():
            return _compute(config, run, pause)
    single_threaded()
    return _compute(config, run, pause)


def _compute(config: RunConfig, run: Run | None, pause: Event | None) -> Part:
    start = time.perf_counter()
    # of this thread, which does it all: other sweeps and programs do not count
    busy = time.thread_time()

    def paused() -> bool:
        late = time.perf_counter() - start > SECONDS_PER_PART
        return late or (pause is not None and pause.is_set())

    # what overflows is no news: the run diverges, and the table says so
    with np.errstate(over="ignore", invalid="ignore"):
        run = loop.proceed(config, run, paused)
    seconds = time.thread_time() - busy
    return Part(run, _identity(config), provenance(seconds, threads=1))


def _identity(config: RunConfig) -> dict[str, Any]:
    return {
        "engine": store.engine_digest(config),
        "libraries": library_versions(),
        "settings": settings(),
    }


class _Sweep:
    """The missing cells of one sweep on their way to the store."""

    def __init__(self, folder: Path, missing: Sequence[RunConfig]):
        self.folder = folder
        self.waiting = deque(missing)
        self.running: dict[Future[Part], RunConfig] = {}
        self.finished: dict[RunConfig, tuple[Run, float]] = {}
        self.spent: dict[RunConfig, float] = {}
        self.parts: dict[RunConfig, tuple[Run, float]] = {}
        self.calls = calls(missing)
        for config in missing:
            part = store.load_part(folder, config)
            if part is not None:
                self.parts[config] = part

    def compute(self, pool: Pool) -> dict[RunConfig, tuple[Run, float]]:
        """Compute and store every cell; its run and the seconds spent on it."""
        total = len(self.waiting)
        deaths = 0
        begun = {c: share_done(c, part) for c, (part, _) in self.parts.items()}
        with progress(
            total,
            sum(begun.values()),
            sum(self.calls.values()),
            sum(self.calls[config] * share for config, share in begun.items()),
        ) as shown:
            try:
                while self.waiting or self.running:
                    before = len(self.finished)
                    broken = self._submit(pool)
                    broken = self._collect(pool, shown) or broken
                    deaths = 0 if len(self.finished) > before else deaths
                    if broken:
                        deaths += 1
                        self._replace_workers(pool, deaths)
            except KeyboardInterrupt:
                # Python would look for garbage in torch and numba before it exits,
                # which takes longer than all the rest
                atexit.register(gc.freeze)
                self._stop(pool, shown)
                print(
                    f"\nStopped. {len(self.finished)} of {total} runs were finished "
                    f"and {len(self.parts)} have begun; all is kept in {self.folder}. "
                    "Run the same again to go on.",
                    file=sys.stderr,
                )
                raise
        return self.finished

    def _submit(self, pool: Pool) -> bool:
        """Fill the pool; whether it turned out to be broken."""
        slots = pool.slots() if self.waiting else 0
        while self.waiting and len(self.running) < slots:
            config = self.waiting[0]
            run, _ = self.parts.get(config, (None, 0.0))
            try:
                future = pool.submit(
                    compute_part, config, run, pool.same_machine, pool.pause
                )
            except BrokenExecutor:
                return True
            self.running[future] = self.waiting.popleft()
        return False

    def _collect(self, pool: Pool, shown: Progress) -> bool:
        """Store what has come in; whether a worker's process died."""
        done = wait(self.running, SECONDS_BETWEEN_CHECKS, FIRST_COMPLETED).done
        pool.check()
        broken = False
        for future in done:
            config = self.running[future]
            try:
                part = future.result()
            except BrokenExecutor:
                del self.running[future]
                self.waiting.appendleft(config)
                broken = True
                continue
            except CancelledError as error:
                pool.check()
                raise CellFailed(f"the cluster gave up {config!r}") from error
            except Exception as error:
                raise CellFailed(f"{error!r} in {config!r}") from error
            self._keep(config, part, shown)
            del self.running[future]  # not before: a Ctrl-C while it is written
            if not part.run.finished:
                self.waiting.appendleft(config)
        return broken

    def _keep(self, config: RunConfig, part: Part, shown: Progress) -> None:
        """Store a part."""
        if part.identity != _identity(config):
            raise EngineMismatch(
                "a worker has another version of the engine or of its libraries, or "
                f"other settings: {_difference(part.identity, _identity(config))}. "
                "Install the same on all, and set the same"
            )
        earlier, seconds = self.parts.get(config, (None, 0.0))
        now = part.provenance["seconds"]
        seconds += now
        store.save(
            self.folder, config, part.run, part.provenance | {"seconds": seconds}
        )
        self.spent[config] = self.spent.get(config, 0.0) + now
        if part.run.finished:
            self.finished[config] = part.run, seconds
            self.parts.pop(config, None)
        else:
            self.parts[config] = (part.run, seconds)
        passed = share_done(config, earlier) if earlier is not None else 0.0
        share = share_done(config, part.run) - passed
        shown.advance(share, self.calls[config] * share)

    def _replace_workers(self, pool: Pool, deaths: int) -> None:
        self.waiting.extendleft(self.running.values())
        self.running.clear()
        if deaths > MAX_RESTARTS:
            raise CellFailed(
                f"worker processes died {deaths} times in a row. They may lack memory "
                f"for {self.waiting[0]!r}"
            )
        warnings.warn("a worker process died; its runs go on in another", stacklevel=5)
        pool.restart()

    def _stop(self, pool: Pool, shown: Progress) -> None:
        """End early; what has come back, or comes in time, is kept."""
        pool.stop()
        # only the workers of this process hand back what they have
        patience = 0.0 if pool.pause is None else SECONDS_TO_STOP
        for future in wait(self.running, patience).done:
            if not future.cancelled() and future.exception() is None:
                self._keep(self.running[future], future.result(), shown)


def _difference(theirs: dict[str, Any], ours: dict[str, Any]) -> str:
    if theirs["engine"] != ours["engine"]:
        return f"engine {theirs['engine'][:12]}, here {ours['engine'][:12]}"
    if theirs["settings"] != ours["settings"]:
        return f"settings {theirs['settings']}, here {ours['settings']}"
    other = {
        name: version
        for name, version in theirs["libraries"].items()
        if ours["libraries"].get(name) != version
    }
    return f"{other}, here { {name: ours['libraries'].get(name) for name in other} }"
