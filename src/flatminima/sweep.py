"""Many runs, in parallel, each computed once."""

import os
import platform
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import product

import joblib
import pandas as pd
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from flatminima import store, train
from flatminima.config import Config
from flatminima.paths import store_folder
from flatminima.slots import compute_slot
from flatminima.train import Run


def over_seeds(
    configs: Iterable[Config], seeds: int | Sequence[tuple[int, int]]
) -> list[Config]:
    """Every config under every seed.

    Args:
        configs: runs whose seeds are to be replaced.
        seeds: a count, which draws data and initialisation together from seeds
            0, 1, ...; or pairs (data_seed, init_seed).

    Raises:
        ValueError: if there is no seed.
    """
    if isinstance(seeds, int):
        if seeds < 1:
            raise ValueError(f"seeds = {seeds}: at least 1 is needed")
        seeds = [(seed, seed) for seed in range(seeds)]
    if not seeds:
        raise ValueError("seeds = []: at least 1 is needed")
    return [config.with_seeds(*pair) for config in configs for pair in seeds]


def crossed(count: int) -> list[tuple[int, int]]:
    """All pairs (data_seed, init_seed) of the seeds 0, ..., count - 1.

    Raises:
        ValueError: if there is no seed.
    """
    if count < 1:
        raise ValueError(f"crossed = {count}: at least 1 seed is needed")
    return list(product(range(count), range(count)))


def fetch(config: Config) -> Run:
    """The run of a config, from the store or computed and stored now."""
    return run_all([config])[0]


def run_all(configs: Sequence[Config], workers: int | None = None) -> list[Run]:
    """All runs, in the order of their configs.

    Finished runs come from the store. The others are computed by threads, since
    the kernels release the GIL, with one BLAS thread each and no more at a time
    than the machine has cores. Each is stored as soon as it is done, so an
    interrupted sweep goes on where it stopped.

    Args:
        configs: what to run.
        workers: threads; by default one for each core.
    """
    folder = store_folder()
    runs = {config: store.load(folder, config) for config in configs}
    missing = [config for config, found in runs.items() if found is None]
    if missing:
        workers = workers or joblib.cpu_count()
        pool = joblib.Parallel(
            n_jobs=workers, backend="threading", return_as="generator_unordered"
        )
        with threadpool_limits(limits=1):
            finished = pool(joblib.delayed(_timed)(config) for config in missing)
            for config, run, seconds in tqdm(
                finished, total=len(missing), desc="runs", unit="run", mininterval=1
            ):
                store.save(folder, config, run, _provenance(seconds))
                runs[config] = run
    return [runs[config] for config in configs]  # type: ignore[misc]


def sweep(
    configs: Iterable[Config],
    seeds: int | Sequence[tuple[int, int]],
    workers: int | None = None,
) -> pd.DataFrame:
    """Run every config under every seed and put the histories in one tidy table.

    Args:
        configs: one for each setting.
        seeds: as in `over_seeds`.
        workers: threads; by default one for each core.

    Returns:
        One row for each run and checkpoint: the fields of the config (but
        measure_at and phases), `rule`,
        the columns of `train.measure`, `last` (the row is the run's final
        checkpoint) and `diverged` (the run met NaN or inf later on).
    """
    cells = over_seeds(configs, seeds)
    return pd.concat(
        [
            tidy(config, run)
            for config, run in zip(cells, run_all(cells, workers), strict=True)
        ],
        ignore_index=True,
    )


def tidy(config: Config, run: Run) -> pd.DataFrame:
    """The rows that one run adds to a sweep's table."""
    table = run.history.copy()
    table.insert(0, "rule", config.rule)
    fields = config.model_dump(exclude={"measure_at", "phases"})
    for position, (name, value) in enumerate(fields.items()):
        table.insert(position, name, value)
    table["last"] = table.index == len(table) - 1
    table["diverged"] = run.diverged_at is not None
    return table


def _timed(config: Config) -> tuple[Config, Run, float]:
    with compute_slot():
        start = time.perf_counter()
        run = train.run(config)
        return config, run, time.perf_counter() - start


def _provenance(seconds: float) -> dict[str, str | float]:
    return {
        "seconds": seconds,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": platform.machine(),
        "processor": platform.processor() or platform.machine(),
        "process": os.getpid(),
    }
