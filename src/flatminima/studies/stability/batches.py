"""Small and large batches on the digits: sharpness and test error where they end."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch

from flatminima.results.reading import Committed
from flatminima.runs.nets.config import NetConfig
from flatminima.runs.nets.problem import data, network
from flatminima.sharpness.box import box_sharpness
from flatminima.sharpness.landscape import landscape
from flatminima.sweeps.sweep import fetch, sweep

EQUAL = ("loss", "updates", "epochs")
"""What runs with different batches have in common when they are compared."""

EPS = 1e-3
"""Half the relative width of Keskar's box, the larger of the two of the paper."""

Key = tuple[str, bool, int]
"""Equal in what, whether lr is in proportion to the batch, and the batch."""


def configs(
    equal: Sequence[str],
    batches: Sequence[int],
    *,
    n: int,
    width: int,
    lr: float,
    target_loss: float,
    epochs: int,
    num_steps: int,
) -> dict[Key, NetConfig]:
    """A run for every comparison, learning rate rule and batch.

    The smallest batch has the learning rate `lr` under both rules, so that it is one
    setting. Where lr grows with the batch, batches are left out whose learning rate
    would be above ten times `lr`: those runs leave the start instead of descending.

    Args:
        equal: some of `EQUAL`.
        batches: increasing.
        n, width, lr: of the runs.
        target_loss: at which runs that are equal in loss stop.
        epochs: length of those that are equal in epochs.
        num_steps: length of the others; that of the smallest batch's `epochs` makes
            its runs under both rules the same.

    Raises:
        ValueError: if a comparison has no such name, or a value is out of range.
    """
    found: dict[Key, NetConfig] = {}
    for what in equal:
        if what not in EQUAL:
            raise ValueError(f"equal = {what!r}: must be one of {', '.join(EQUAL)}")
        for scaled in (False, True):
            for batch in batches:
                rate = lr * batch / batches[0] if scaled else lr
                if rate > 10 * lr:
                    continue
                found[what, scaled, batch] = NetConfig(
                    n=n,
                    width=width,
                    batch=batch,
                    lr=rate,
                    target_loss=target_loss if what == "loss" else 0.0,
                    num_steps=epochs * n // batch if what == "epochs" else num_steps,
                    num_checkpoints=2,
                    sharpness=True,
                )
    return found


KEPT: dict[str, Any] = {
    "n": 500,
    "width": 32,
    "lr": 0.1,
    "target_loss": 0.02,
    "epochs": 20,
    "num_steps": 1250,
}
"""Constants of the committed runs, and defaults of the chapter."""

KEPT_BATCHES = (8, 16, 50, 100, 250)


def run(
    found: Mapping[Key, NetConfig], seeds: Sequence[int]
) -> dict[Key, pd.DataFrame]:
    """Train all of them, each once, and keep them where results are collected.

    Args:
        found: from `configs`; two keys may have one config.
        seeds: each of data and start.
    """
    each = dict.fromkeys(found.values())
    tables = {one: sweep([one], seeds, commit=True) for one in each}
    return {key: tables[one] for key, one in found.items()}


def kept(results: Committed) -> dict[Key, pd.DataFrame]:
    """The committed runs by key; an empty table where one was not committed.

    Args:
        results: of the chapter.
    """
    found = configs(EQUAL, KEPT_BATCHES, **KEPT)
    return {key: results.of(one) for key, one in found.items()}


def tenth(batches: Sequence[int], n: int) -> int:
    """The batch nearest to a tenth of the data, the smallest left out.

    >>> tenth([8, 16, 50, 250], 500)
    50
    """
    return min(batches[1:], key=lambda batch: abs(batch - n / 10))


def largest_scaled(found: Mapping[Key, NetConfig], most: int) -> int:
    """The largest batch, up to one, that has a learning rate in proportion.

    Args:
        found: from `configs`.
        most: a batch.
    """
    return max(batch for _, scaled, batch in found if scaled and batch <= most)


KEPT_PAIR = (KEPT_BATCHES[0], tenth(KEPT_BATCHES, int(KEPT["n"])))
"""The small and the large batch of the committed runs."""


def pairs(tables: Mapping[Key, pd.DataFrame]) -> dict[str, list[pd.DataFrame]]:
    """Runs with the batches of `KEPT_PAIR` and one learning rate, by what is equal.

    Args:
        tables: by key; what lacks one of the two is left out.
    """
    found = {}
    for what in EQUAL:
        both = [tables.get((what, False, batch)) for batch in KEPT_PAIR]
        if all(table is not None and not table.empty for table in both):
            found[what] = [table for table in both if table is not None]
    return found


def medians(tables: Mapping[Key, pd.DataFrame]) -> pd.DataFrame:
    """Medians over seeds of where runs end, a row a setting that has runs.

    Args:
        tables: by key, from `run` or `kept`.
    """
    rows = {}
    for key, table in tables.items():
        if table.empty:
            continue
        last = table[table["last"] & ~table["diverged"]]
        columns = ["step", "train_loss", "lambda_max", "trace", "test_accuracy"]
        what, scaled, batch = key
        name = (what, "∝ batch" if scaled else "fixed", batch)
        rows[name] = last[columns].median() if len(last) else dict.fromkeys(columns)
    index = pd.MultiIndex.from_tuples(rows, names=["equal", "lr", "batch"])
    return pd.DataFrame(list(rows.values()), index=index if rows else None)


def with_box(table: pd.DataFrame, config: NetConfig) -> pd.DataFrame:
    """The last rows of runs with a column `box`, Keskar's sharpness.

    Args:
        table: of the config's runs.
        config: theirs, under any seeds.
    """
    last = table[table["last"]]
    found = in_a_box(config, last["data_seed"].tolist())
    return last.assign(box=last["data_seed"].map(found))


def in_a_box(config: NetConfig, seeds: Sequence[int]) -> dict[int, float]:
    """Keskar's sharpness where runs end, by projected ascent over the whole space.

    Args:
        config: of the runs.
        seeds: each of data and start.

    Returns:
        The largest of some climbs, by seed; NaN for a run that diverged.
    """
    found = {}
    for seed in seeds:
        one = config.with_seeds(seed, seed)
        run = fetch(one)
        if run.diverged_at is not None:
            found[seed] = float("nan")
            continue
        problem = data(one)
        module = network(one, run.arrays)
        at = landscape(module, problem.x, problem.y, one.loss)
        generator = torch.Generator().manual_seed(seed)
        worst = box_sharpness(at, EPS, generator, restarts=2, num_steps=20)
        found[seed] = float(worst.value)
    return found


def at_ends(
    tables: Mapping[Key, pd.DataFrame], equal: str, metrics: Sequence[str]
) -> pd.DataFrame:
    """The last rows of one comparison, for tables and figures.

    Args:
        tables: of runs by key, from `sweep`.
        equal: one of `EQUAL`.
        metrics: columns.

    Returns:
        A row a run: `scaled`, `batch`, the metrics and `diverged`.
    """
    rows = []
    for (what, scaled, batch), table in tables.items():
        if what == equal and not table.empty:
            last = table.loc[table["last"], [*metrics, "diverged", "data_seed"]]
            rows.append(last.assign(scaled=scaled, batch=batch))
    columns = [*metrics, "diverged", "data_seed", "scaled", "batch"]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=columns)
