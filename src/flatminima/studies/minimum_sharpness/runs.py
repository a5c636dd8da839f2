"""The grid of the chapter: six optimisers, plain and under SAM, on three networks."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from flatminima.results.reading import Committed
from flatminima.runs.images.config import NAMES, ImageConfig
from flatminima.sources.minimum_sharpness import LEARNING_RATES, NUM_EPOCHS, RHO
from flatminima.sweeps.sweep import sweep_quietly

NETS = ("simple", "middle", "complex")
OPTIMISERS = tuple(NAMES)
ADAPTIVE = ("adam", "adagrad", "adabound", "adashift")
DATA = ("fashion_mnist", "cifar10")
SEEDS = range(100, 110)
"""Of the committed runs; pilots use those below 100."""

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


def seed_by_seed(
    configs: Iterable[ImageConfig], seeds: Iterable[int]
) -> list[ImageConfig]:
    """All runs of one seed, then all of the next: any beginning of it is of use."""
    configs = list(configs)
    return [config.with_seeds(seed, seed) for seed in seeds for config in configs]


def planned(scale: str = "medium") -> list[ImageConfig]:
    """The runs of a scale on both data sets, seed by seed.

    Args:
        scale: a name of `SCALES`.
    """
    configs = [config for data in DATA for config in grid(scale, data, device="cuda")]
    return seed_by_seed(configs, SEEDS)


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
