"""The engine of image networks; see `runs.kind.Engine`.

It has a `proceed` of its own, since a network stays on its device from one look at the
loss to the next. Training in single precision amplifies the last bit of a start within
some hundred steps, so there is no `start` to change it in: committed runs are compared
by their statistics over seeds.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from flatminima.data.images.faults import DataFault
from flatminima.data.images.load import files, images
from flatminima.runs.images import around, measures
from flatminima.runs.images.config import ImageConfig
from flatminima.runs.images.descent import Descent, numerics
from flatminima.runs.images.optimisers import library_files
from flatminima.runs.images.order import ends_epochs, next_check
from flatminima.runs.images.problem import bare, initial_arrays
from flatminima.runs.kind import Run

Config = ImageConfig
"""What `results` builds a config by."""

SECONDS_PER_CALL = 0.2
PRODUCTS_PER_SECOND = 1.5e10
SECONDS_PER_STEP = 1.5e-3
STEPS_ON_GPU = 500

GATE = 5.0
"""The loss over the training set is computed only where the mean loss of the batches
since the last look is at most this many times the target."""

MEASURES = {"report": measures.SHARPNESS, "around": around.COLUMNS, "nothing": ()}
"""Columns beside losses and accuracies, by what is measured."""

EPOCHS_BETWEEN_ROWS = 50
"""After the target, in runs that go on (report, section III.A)."""


def modules(config: ImageConfig) -> tuple[str, ...]:
    """The modules that a run of this config reaches everything else from."""
    return (__name__,)


def inputs(config: ImageConfig) -> tuple[Path, ...]:
    """The files of the data set, and those of an optimiser of another library."""
    return (*files(config.data), *library_files(config))


def lacking(config: ImageConfig) -> str:
    """Why a run cannot be computed here; empty if it can."""
    if config.device == "cuda" and not torch.cuda.is_available():
        return "there is no GPU"
    try:
        inputs(config)
    except DataFault as fault:
        return str(fault)
    return ""


def summary(config: ImageConfig, run: Run) -> dict[str, list[int]]:
    """What committed results keep: the SHA-256 of the data set's content, as bytes."""
    return {"data_sha256": list(bytes.fromhex(images(config.data).sha256))}


@cache
def steps_per_call(config: ImageConfig) -> int:
    """Steps between two questions whether to pause."""
    if config.device == "cuda":
        return STEPS_ON_GPU
    images = config.batch
    if config.rho > 0:
        others = config.n if config.m == config.n else config.batch
        images += others * (config.ascent_steps + 2 * config.second_order)
    passes = 3 * images
    work = passes * products(config) / PRODUCTS_PER_SECOND
    return max(1, int(SECONDS_PER_CALL / (SECONDS_PER_STEP + work)))


def products(config: ImageConfig) -> int:
    """Multiplications of a forward pass of one image, but for those of attention."""
    count = 0

    def add(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal count
        assert isinstance(layer, nn.Linear | nn.Conv2d)
        units = layer.weight.shape[0]
        count += layer.weight.numel() * (output[0].numel() // units)

    net = bare(config).to("meta").eval()
    for layer in net.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            layer.register_forward_hook(add)
    net(torch.empty(1, *config.shape, device="meta"))
    return count


def proceed(config: ImageConfig, run: Run | None, pause: Callable[[], bool]) -> Run:
    """As `loop.proceed`. A run has a row at its start, one at its target, and others.

    The row at the target (`at_target` = 1) has all measures interpolated between the
    two looks that enclose it, see `measures.between`. Where the look before was left
    out by `GATE`, it is the row of the look at which the loss was first seen to be at
    most the target. A run that goes on has rows at every 50th epoch after it. A run
    that never gets there is measured at its end, with `reached` = 0. Every
    `rows_every` epochs is a row of losses and accuracies where there is no other. The
    columns of `around` are in the last row, and are those of the run's end.
    """
    with numerics(config):
        return _proceed(config, run, pause)


def _proceed(config: ImageConfig, run: Run | None, pause: Callable[[], bool]) -> Run:
    if run is None:
        run = Run(pd.DataFrame(), initial_arrays(config), 0, finished=False)
    rows: list[dict[Any, Any]] = run.history.to_dict("records")
    descent = Descent(config, run.arrays, run.step)
    longest = steps_per_call(config)
    if not rows:
        rows.append(_row(descent, descent.performance(), {}, at_target=False))
    while not _over(descent):
        if pause():
            arrays = descent.arrays()
            return Run(pd.DataFrame(rows), arrays, descent.step, finished=False)
        check = next_check(config, descent.step)
        descent.walk(min(check, descent.step + longest))
        if descent.step < check:
            continue
        recent = descent.recent_loss()
        if not (np.isfinite(recent) and descent.finite()):
            nothing = {name: a * np.nan for name, a in descent.arrays().items()}
            step = descent.step
            return Run(pd.DataFrame(rows), nothing, step, diverged_at=step)
        rows += _look(descent, recent)
    rows[-1] |= descent.around()
    return Run(pd.DataFrame(rows), descent.weights(), descent.step)


def _over(descent: Descent) -> bool:
    config = descent.config
    stops = descent.reached and not config.to_the_end
    return stops or descent.step >= config.num_steps


def _look(descent: Descent, recent: float) -> list[dict[str, float]]:
    """Rows that a look at the loss brings, if any."""
    config, rows = descent.config, []
    if not descent.reached:
        if recent <= GATE * config.target_loss:
            if descent.train_loss() <= config.target_loss:
                rows.append(_at_target(descent))
            else:
                descent.remember()
        else:
            descent.forget()
    elif ends_epochs(config, descent.step, EPOCHS_BETWEEN_ROWS):
        rows.append(_measured(descent))
    last = descent.step >= config.num_steps
    if last and not rows and not (descent.reached and not config.to_the_end):
        rows.append(_measured(descent))
    every = config.rows_every
    if not rows and every and ends_epochs(config, descent.step, every):
        rows.append(_row(descent, descent.performance(), {}, at_target=False))
    return rows


def _at_target(descent: Descent) -> dict[str, float]:
    """The row of the target; the descent counts as having reached it."""
    config, now = descent.config, descent.performance()
    after = _everything(descent, now)
    if descent.before is not None:
        with descent.as_before():
            before = _everything(descent, descent.performance())
        after = measures.between(before, after, config.target_loss)
    descent.reached_at = after["steps_to_target"]
    columns = {key: after[key] for key in measures.SHARPNESS if key in after}
    performance = {key: after[key] for key in now}
    return _row(descent, performance, columns, at_target=True)


def _everything(descent: Descent, performance: dict[str, float]) -> dict[str, float]:
    """All measures of where the descent is, and its steps."""
    steps = {"steps_to_target": float(descent.at)}
    return performance | descent.sharpness() | steps


def _measured(descent: Descent) -> dict[str, float]:
    performance, columns = descent.performance(), descent.sharpness()
    return _row(descent, performance, columns, at_target=False)


def _row(
    descent: Descent,
    performance: dict[str, float],
    columns: dict[str, float],
    *,
    at_target: bool,
) -> dict[str, float]:
    """One row: where, whether the target was reached and when, and the measures."""
    config = descent.config
    return {
        "step": descent.step,
        "epoch": descent.step * config.batch / config.n,
        "at_target": float(at_target),
        "enclosed": float(at_target and descent.before is not None),
        "reached": float(descent.reached),
        "steps_to_target": descent.reached_at,
        **performance,
        **dict.fromkeys(MEASURES[config.measured], np.nan),
        **columns,
    }
