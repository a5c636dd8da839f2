"""Small and large batches on the digits: sharpness and test error where they end."""

from collections.abc import Mapping, Sequence

import pandas as pd
import torch

from flatminima.runs.nets.config import NetConfig
from flatminima.runs.nets.problem import data, network
from flatminima.sharpness.box import box_sharpness
from flatminima.sharpness.landscape import landscape
from flatminima.sweeps.sweep import fetch

EQUAL = ("loss", "updates", "epochs")
"""What runs with different batches have in common when they are compared."""

EPS = 5e-4
"""Half the relative width of Keskar's box, the smaller of the two of the paper."""

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
        worst = box_sharpness(at, EPS, generator, restarts=2, num_steps=40)
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
