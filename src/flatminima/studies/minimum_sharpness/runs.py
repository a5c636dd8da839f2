"""The grid of the chapter: six optimisers, plain and under SAM, on three networks."""

import signal
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd

from flatminima.data.images.faults import DataFault
from flatminima.data.images.load import files
from flatminima.paths import store_folder
from flatminima.results.reading import Committed
from flatminima.runs.images.config import NAMES, ImageConfig
from flatminima.runs.images.descent import Descent, numerics
from flatminima.runs.images.problem import initial_arrays
from flatminima.sources.minimum_sharpness import LEARNING_RATES, NUM_EPOCHS, RHO
from flatminima.sweeps import store
from flatminima.sweeps.sweep import run_all, sweep_quietly

NETS = ("simple", "middle", "complex")
OPTIMISERS = tuple(NAMES)
ADAPTIVE = ("adam", "adagrad", "adabound", "adashift")

SCALES: dict[str, dict[str, Any]] = {
    "medium": {
        **{"data": "fashion_mnist", "n": 5000, "test_n": 10_000, "size": 14},
        **{"width": 16, "target_loss": 0.01, "num_epochs": NUM_EPOCHS},
        **{"sharpness_n": 1000, "probes": 2},
    },
    "paper": {
        **{"data": "fashion_mnist", "n": 60_000, "test_n": 10_000, "size": 28},
        **{"width": 32, "target_loss": 0.01, "num_epochs": NUM_EPOCHS},
        **{"sharpness_n": 2000, "probes": 2},
    },
}
"""Fields of the runs on Fashion-MNIST, by the name of a scale."""

CIFAR: dict[str, dict[str, Any]] = {
    "medium": {"data": "cifar10", "test_n": 1017, "size": 16},
    "paper": {"data": "cifar10", "n": 50_000, "size": 32},
}
"""What CIFAR-10 changes in them."""


def grid(
    scale: str,
    data: str = "fashion_mnist",
    *,
    nets: Sequence[str] = NETS,
    optimisers: Sequence[str] = OPTIMISERS,
    **fields: Any,
) -> list[ImageConfig]:
    """The report's runs on one data set: plain and SAM stand side by side.

    Args:
        scale: a name of `SCALES`.
        data: "fashion_mnist" or "cifar10".
        nets, optimisers: which, and in which order.
        **fields: of `ImageConfig`, in place of those of the scale.

    Raises:
        ValueError: if there is no such scale or data set, or a field is out of range.
    """
    for name, value, known in (("scale", scale, SCALES), ("data", data, DATA)):
        if value not in known:
            raise ValueError(f"{name} = {value!r}: must be one of {', '.join(known)}")
    base = SCALES[scale] | (CIFAR[scale] if data == "cifar10" else {}) | fields
    return [
        ImageConfig(
            **(base | {"net": net, "optimiser": name, "lr": LEARNING_RATES[name]}),
            rho=rho,
        )
        for net in nets
        for name in optimisers
        for rho in (0.0, RHO)
    ]


DATA = ("fashion_mnist", "cifar10")


def seed_by_seed(
    configs: Iterable[ImageConfig], seeds: Iterable[int]
) -> list[ImageConfig]:
    """All runs of one seed, then all of the next: any beginning of it is of use."""
    configs = list(configs)
    return [config.with_seeds(seed, seed) for seed in seeds for config in configs]


def planned(
    scale: str, seeds: Iterable[int], device: str = "cpu"
) -> tuple[list[ImageConfig], list[str]]:
    """The runs of a scale on the data sets that are here, seed by seed.

    Args:
        scale: a name of `SCALES`.
        seeds: of data and initialisation.
        device: "cpu" or "cuda".

    Returns:
        The runs, and what is wrong with the data sets that cannot be used.
    """
    cells: list[ImageConfig] = []
    absent, seeds = [], list(seeds)
    for data in DATA:
        try:
            files(data)
        except DataFault as fault:
            absent.append(str(fault))
        else:
            cells += seed_by_seed(grid(scale, data, device=device), seeds)
    return cells, absent


def seconds_a_step(config: ImageConfig, steps: int = 5) -> float:
    """What an update of a run takes on this device, after a few others."""
    with numerics(config):
        descent = Descent(config, initial_arrays(config), 0)
        descent.walk(2)
        descent.recent_loss()  # waits for a GPU
        begun = time.perf_counter()
        descent.walk(2 + steps)
        descent.recent_loss()
        return (time.perf_counter() - begun) / steps


def pieces(configs: Sequence[ImageConfig]) -> pd.DataFrame:
    """What an epoch takes on this device, by data set, network and radius."""
    kinds = {(c.data, c.net, c.rho): c for c in reversed(configs)}
    rows = []
    for (data, net, rho), config in sorted(kinds.items()):
        step = seconds_a_step(config)
        epoch = step * config.n / config.batch
        rows.append((data, net, rho, round(1e3 * step, 2), round(epoch, 2)))
    names = ["data", "net", "rho", "milliseconds a step", "seconds an epoch"]
    return pd.DataFrame(rows, columns=names)


@dataclass(frozen=True)
class Progress:
    """How far some runs are.

    Attributes:
        done: how many are finished.
        missing: those that are not.
        seconds: a row a network, optimiser and radius: finished runs, and the mean of
            the seconds that they took on this device.
    """

    done: int
    missing: tuple[ImageConfig, ...]
    seconds: pd.DataFrame

    def __str__(self) -> str:
        whole = self.done + len(self.missing)
        lines = [f"{self.done} of {whole} runs are finished"]
        if len(self.seconds):
            lines.append(self.seconds.to_string(index=False))
            each = self.seconds["seconds"].mean()
            rest = each * len(self.missing)
            lines.append(f"{len(self.missing)} are missing: about {rest:.0f} s")
        return "\n".join(lines)


def progress(configs: Iterable[ImageConfig]) -> Progress:
    """What of some runs is in the store, and what it cost."""
    folder, missing = store_folder(), []
    spent: defaultdict[tuple[str, str, float], list[float]] = defaultdict(list)
    for config in configs:
        record = store.load_record(folder, config)
        if record is None:
            missing.append(config)
        else:
            key = (config.net, config.optimiser, config.rho)
            spent[key].append(record["provenance"]["seconds"])
    rows = [
        dict(zip(("net", "optimiser", "rho"), key, strict=True))
        | {"runs": len(each), "seconds": round(sum(each) / len(each), 1)}
        for key, each in spent.items()
    ]
    done = sum(len(each) for each in spent.values())
    return Progress(done, tuple(missing), pd.DataFrame(rows))


def advance(
    configs: Sequence[ImageConfig], seconds: float, workers: int | None = None
) -> Progress:
    """Do as many of some runs, in their order, as fit into a time.

    What was begun is kept, and the next call goes on with it.

    Args:
        configs: which runs.
        seconds: after which to stop.
        workers: processes, by default one a core.

    Returns:
        How far they are then.
    """
    try:
        with stopped_after(seconds):
            run_all(configs, workers, processes=True)
    except KeyboardInterrupt:
        if time.monotonic() < _stop_at:
            raise
    return progress(configs)


_stop_at = float("inf")


@contextmanager
def stopped_after(seconds: float) -> Iterator[None]:
    """As if Ctrl-C were pressed after some seconds, which a sweep takes well."""
    global _stop_at
    _stop_at = time.monotonic() + seconds
    handler = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)


def slice_of(seeds: Sequence[int], *, with_bare: bool, **fields: Any) -> pd.DataFrame:
    """The runs of every build: one network on the embedded subset, PHB and SAM + PHB.

    Args:
        seeds: of data and initialisation.
        with_bare: whether PHB is also run without batch norm.
        **fields: of `ImageConfig`.
    """
    base = ImageConfig(optimiser="phb", lr=LEARNING_RATES["phb"], **fields)
    changes: list[dict[str, Any]] = [{}, {"rho": RHO}]
    if with_bare:
        changes.append({"norm": "none"})
    configs = [ImageConfig(**(base.model_dump() | change)) for change in changes]
    return sweep_quietly(configs, seeds)


def evidence(committed: Committed) -> dict[str, pd.DataFrame]:
    """The committed runs of the grid, by the name of their scale."""
    found: dict[str, list[pd.DataFrame]] = {"medium": [], "paper": []}
    for table in committed.tables:
        full = table["size"].iloc[0] >= SCALES["paper"]["size"]
        found["paper" if full else "medium"].append(table)
    return {
        name: pd.concat(tables, ignore_index=True)
        for name, tables in found.items()
        if tables
    }


def live_configs(rows: pd.DataFrame, count: int) -> list[ImageConfig]:
    """The configs of the first few live runs with batch norm, for other measures.

    Args:
        rows: a row a run, with the fields of their configs.
        count: how many at most.
    """
    chosen = rows[(rows["norm"] == "batch") & ~rows["diverged"]].head(count)
    fields = list(ImageConfig.model_fields)
    records = chosen[fields].to_dict("records")
    return [ImageConfig(**{str(k): v for k, v in row.items()}) for row in records]
