"""The grid of the chapter: six optimisers, plain and under SAM, on three networks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from flatminima.results.reading import Committed
from flatminima.runs.images.config import NAMES, ImageConfig
from flatminima.sources.minimum_sharpness import LEARNING_RATES, NUM_EPOCHS, RHO

NETS = ("simple", "middle", "complex")
OPTIMISERS = tuple(NAMES)
ADAPTIVE = ("adam", "adagrad", "adabound", "adashift")
DATA = ("fashion_mnist", "cifar10")
SEEDS = range(100, 110)
"""Of the committed runs; pilots use those below 100."""

FEW = 3
"""Seeds of the grid that come first, and those of what stands beside it."""

TESTED = 5
"""Seeds of the grid on which tuned learning rates are compared with defaults."""

TUNING_SEEDS = range(3)
FACTORS = (0.3, 1.0, 3.0)
"""Of the default learning rate, among which tuning chooses."""

BARE_FACTORS = {"phb": (1.0, 0.3, 0.1), "adam": (1.0, 0.3, 3.0)}
"""Of the default learning rate, without batch norm."""

END = ("fashion_mnist", "simple")
"""Data set and network of the runs that go on to the last epoch, and of the tuning."""

SCALES: dict[str, dict[str, Any]] = {
    "small": {
        **{"data": "fashion_mnist", "n": 500, "test_n": 2000, "size": 10},
        **{"width": 8, "batch": 32, "target_loss": 0.5, "num_epochs": 40},
        **{"sharpness_n": 200, "probes": 2, "rows_every": 5},
    },
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
"""Fields of the runs on Fashion-MNIST, by the name of a scale, the smallest first."""

CIFAR: dict[str, dict[str, Any]] = {
    "small": {"data": "cifar10", "test_n": 1017},
    "medium": {"data": "cifar10", "test_n": 1017, "size": 16},
    "paper": {"data": "cifar10", "n": 50_000, "size": 32},
}
"""What CIFAR-10 changes in them."""

SIZES = ("data", "n", "size", "width")
"""Fields by which runs of one scale are told from those of another."""


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


def plain_nets(scale: str) -> list[ImageConfig]:
    """A run of every network without SAM on Fashion-MNIST, to show the networks."""
    return [config for config in grid(scale, optimisers=["sgd"]) if config.rho == 0]


def seed_by_seed(
    configs: Iterable[ImageConfig], seeds: Iterable[int]
) -> list[ImageConfig]:
    """All runs of one seed, then all of the next: any beginning of it is of use."""
    configs = list(configs)
    return [config.with_seeds(seed, seed) for seed in seeds for config in configs]


def planned(scale: str = "medium") -> list[ImageConfig]:
    """All runs of a scale, in the order in which they are wanted.

    First `FEW` seeds of the grid on both data sets, then what stands beside it: without
    batch norm, and at other learning rates. Then the other seeds of the grid. "small"
    has only `FEW` seeds of all of it, for a CPU. They are later ones, since runs of the
    first set its target.

    Args:
        scale: a name of `SCALES`.
    """
    few, tested = SEEDS[:FEW], SEEDS[:TESTED]
    other = [config for config in tuning(scale) if config.lr != _default(config)]
    if scale == "small":
        own = SEEDS[FEW : 2 * FEW]
        return [
            *_main(scale, own),
            *seed_by_seed(without_norm(scale), own),
            *seed_by_seed(tuning(scale), TUNING_SEEDS),
            *seed_by_seed(other, own),
        ]
    cells = [
        *(_to_the_end(config) for config in _main(scale, few)),
        *seed_by_seed(without_norm(scale), few),
        *seed_by_seed(tuning(scale), TUNING_SEEDS),
        *seed_by_seed(other, tested),
        *_main(scale, SEEDS[FEW:]),
    ]
    return [config.model_copy(update={"device": "cuda"}) for config in cells]


def _main(scale: str, seeds: Iterable[int]) -> list[ImageConfig]:
    return seed_by_seed([c for data in DATA for c in grid(scale, data)], seeds)


def _to_the_end(config: ImageConfig) -> ImageConfig:
    """The smallest network on Fashion-MNIST goes on after its target."""
    goes_on = (config.data, config.net) == END
    return config.model_copy(update={"to_the_end": True}) if goes_on else config


def tuning(scale: str) -> list[ImageConfig]:
    """All rules on one network, at learning rates around the default."""
    data, net = END
    return [
        config.model_copy(update={"lr": factor * config.lr})
        for config in grid(scale, data, nets=[net])
        for factor in FACTORS
    ]


def without_norm(scale: str) -> list[ImageConfig]:
    """All networks without batch norm, by an optimiser of each kind, at three rates."""
    configs = grid(scale, DATA[0], optimisers=list(BARE_FACTORS), norm="none")
    return [
        config.model_copy(update={"lr": factor * config.lr})
        for config in configs
        if config.rho == 0
        for factor in BARE_FACTORS[config.optimiser]
    ]


def _default(config: ImageConfig) -> float:
    return LEARNING_RATES[config.optimiser]


def at_default(table: pd.DataFrame) -> pd.Series:
    """Which rows have the default learning rate of their optimiser."""
    default = table["optimiser"].map(LEARNING_RATES).astype(float)
    return pd.Series(np.isclose(table["lr"], default), index=table.index)


def grid_of(table: pd.DataFrame) -> pd.DataFrame:
    """Of committed runs those of the grid, of seeds with which it is whole.

    A budget may end amid a seed, whose pairs would be those of some networks only.
    """
    found, cell = defaults_of(table), ["net", "optimiser", "rho"]
    seed = ["data", "data_seed"]
    counts = found[[*seed, *cell]].drop_duplicates().groupby(seed).size()
    whole = counts.index[counts == 2 * len(NETS) * len(OPTIMISERS)]
    return found[pd.MultiIndex.from_frame(found[seed]).isin(whole)]


def defaults_of(table: pd.DataFrame) -> pd.DataFrame:
    """Of committed runs those with batch norm, at default rates, of fresh seeds."""
    fresh = table["data_seed"] >= SEEDS[0]
    return table[(table["norm"] == "batch") & fresh & at_default(table)]


def tuning_of(table: pd.DataFrame) -> pd.DataFrame:
    """Of committed runs those of the network that is tuned, at all rates and seeds."""
    data, net = END
    one = (table["data"] == data) & (table["net"] == net)
    return table[one & (table["norm"] == "batch")]


def other_rates_of(table: pd.DataFrame) -> pd.DataFrame:
    """Of committed runs those that test tuned rates, of fresh seeds that are whole."""
    tuned = tuning_of(table)
    fresh = tuned[~at_default(tuned) & (tuned["data_seed"] >= SEEDS[0])]
    return _whole(fresh, 2 * len(OPTIMISERS) * (len(FACTORS) - 1))


def without_norm_of(table: pd.DataFrame) -> pd.DataFrame:
    """Of committed runs those without batch norm."""
    return table[table["norm"] == "none"]


def gone_on_of(table: pd.DataFrame) -> pd.DataFrame:
    """Of committed runs those that go on after their target, of whole seeds."""
    return _whole(table[table["to_the_end"]], 2 * len(OPTIMISERS))


def _whole(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """The rows of seeds that have so many settings; a budget may end amid a seed."""
    settings = rows[["data_seed", "net", "optimiser", "rho", "lr"]].drop_duplicates()
    counts = settings.groupby("data_seed").size()
    return rows[rows["data_seed"].isin(counts.index[counts == count])]


BESIDE: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "to the end": gone_on_of,
    "at other rates": other_rates_of,
    "without norm": without_norm_of,
}
"""What stands beside the grid, by its name in the table of scales."""


def slice_of(*, with_bare: bool, **fields: Any) -> list[ImageConfig]:
    """The runs of every build: one network on the embedded subset, PHB and SAM + PHB.

    Args:
        with_bare: whether PHB is also run without batch norm.
        **fields: of `ImageConfig`.
    """
    base = ImageConfig(optimiser="phb", lr=LEARNING_RATES["phb"], **fields)
    changes: list[dict[str, Any]] = [{}, {"rho": RHO}]
    if with_bare:
        changes.append({"norm": "none"})
    return [ImageConfig(**(base.model_dump() | change)) for change in changes]


def evidence(committed: Committed) -> dict[str, pd.DataFrame]:
    """The committed runs of the grid by the name of their scale, smallest first.

    Of two runs that differ only in whether they go on after the target, the longer.
    """
    if not committed.tables:
        return {}
    table = _longer(pd.concat(committed.tables, ignore_index=True))
    found = {}
    for scale, fields in SCALES.items():
        here = pd.Series(False, index=table.index)
        for changes in ({}, CIFAR[scale]):
            wanted = fields | changes
            sizes = [table[name] == wanted[name] for name in SIZES if name in wanted]
            here |= np.logical_and.reduce(sizes)
        if here.any():
            found[scale] = table[here].reset_index(drop=True)
    return found


def _longer(table: pd.DataFrame) -> pd.DataFrame:
    cell = ["net", "norm", "optimiser", "rho", "lr", "data_seed", "init_seed"]
    goes_on = table.groupby([*SIZES, *cell])["to_the_end"].transform("max")
    return table[table["to_the_end"] == goes_on]


def deciding(grids: Mapping[str, pd.DataFrame]) -> str:
    """The scale on whose runs the verdicts rest.

    Args:
        grids: from `evidence`.

    Returns:
        The largest that has `FEW` whole seeds of both data sets; where none has, the
        smallest that has runs; empty without any.
    """
    whole = [name for name, table in grids.items() if whole_seeds(table) >= FEW]
    return whole[-1] if whole else next(iter(grids), "")


def whole_seeds(table: pd.DataFrame) -> int:
    """How many seeds of a scale have the whole grid of both data sets."""
    counts = grid_of(table).groupby("data")["data_seed"].nunique()
    return int(counts.reindex(DATA, fill_value=0).min())


def deciding_beside(grids: Mapping[str, pd.DataFrame], name: str) -> str:
    """As `deciding`, of what stands beside the grid, which may be of another scale.

    Args:
        grids: from `evidence`.
        name: of `BESIDE`.
    """
    seeds = {scale: _seeds(BESIDE[name](table)) for scale, table in grids.items()}
    enough = [scale for scale, count in seeds.items() if count >= FEW]
    return enough[-1] if enough else next(filter(seeds.get, seeds), "")


def _seeds(rows: pd.DataFrame) -> int:
    return int(rows["data_seed"].nunique())


def standing(grids: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """A row a scale: what is committed of it, and whether the verdicts rest on it.

    Those of what stands beside the grid rest on the scale whose seeds of it, in the
    columns of these names, have a star.

    Args:
        grids: from `evidence`.
    """
    decides = deciding(grids)
    stars = {part: deciding_beside(grids, part) for part in BESIDE}
    lines = []
    for name, fields in SCALES.items():
        table = grids.get(name)
        lines.append(
            {
                "grid": name,
                "images": fields["n"],
                "channels": fields["width"],
                "target": fields["target_loss"],
                "committed runs": 0 if table is None else int(table["last"].sum()),
                "whole seeds": 0 if table is None else whole_seeds(table),
                "decides": "yes" if name == decides else "no",
                **{
                    part: f"{0 if table is None else _seeds(of(table))}"
                    + "*" * (name == stars[part])
                    for part, of in BESIDE.items()
                },
            }
        )
    return pd.DataFrame(lines)


def said(rows: pd.DataFrame, scale: str) -> str:
    """How runs compare with the report's, for the scorecard, with the grid's name."""
    words = str(rows["scale"].iloc[0])
    kind, colon, rest = words.partition(": ")
    if not scale or not colon:
        return words
    return f"{kind}: the {scale} grid, {rest.partition(', ')[2]}"


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
