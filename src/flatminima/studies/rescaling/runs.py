"""The networks of the chapter, trained, and what comes after a rescaling."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from flatminima.runs.kind import Divergence, Run, State
from flatminima.runs.mlp.config import Config
from flatminima.runs.nets import train
from flatminima.runs.nets.config import NetConfig
from flatminima.runs.nets.problem import data, network
from flatminima.sharpness.landscape import Landscape, landscape
from flatminima.sharpness.minimum import minimum_sharpness
from flatminima.sharpness.rescaling import folded, rescale
from flatminima.sources.controls import SETTINGS
from flatminima.sweeps.sweep import run_all
from flatminima.sweeps.table import over_seeds, tidy

LR = 0.1
BATCH = 32
TARGET = 0.02
RHO = 0.1
SLOWER = 30
"""By how much a learning rate is lowered, so that the rescaled nets are stable."""
OTHER_ORDER = 10**6
"""Added to the seed of the order of examples, for the control."""


def net_config(
    norm: Literal["none", "batch"], *, n: int, width: int, depth: int, num_steps: int
) -> NetConfig:
    """A ReLU network on the digits, trained by SGD to a small loss.

    Args:
        norm: "none", or "batch" for batch norm after every hidden layer.
        n, width, depth: as in `NetConfig`.
        num_steps: at most; training stops at the target.
    """
    return NetConfig(
        n=n,
        net="mlp",
        width=width,
        depth=depth,
        norm=norm,
        lr=LR,
        batch=min(BATCH, n // 2),
        target_loss=TARGET,
        num_steps=num_steps,
        num_checkpoints=2,
    )


def ln_config(*, d: int, n: int, width: int, num_steps: int) -> Config:
    """2-MLP-Sim-LN on XOR, trained by 1-SAM as the source of the scenarios has it."""
    setting = SETTINGS["sim_ln"]
    return Config(
        architecture="sim_ln",
        d=d,
        n=n,
        width=width,
        num_steps=num_steps,
        num_checkpoints=2,
        lr=setting.lr,
        rho=setting.rho,
        init_scale=setting.init_scale,
    )


@dataclass(frozen=True)
class Trained:
    """A network where its run ended.

    Attributes:
        config: of the run.
        run: with its final weights.
    """

    config: NetConfig
    run: Run

    @cached_property
    def net(self) -> nn.Module:
        """In evaluation mode; batch norm as it is."""
        return network(self.config, self.run.arrays)

    @cached_property
    def folded(self) -> nn.Sequential:
        """With batch norm folded into the layers."""
        return folded(self.net)

    @property
    def x(self) -> Float[Tensor, "n d"]:
        """Training inputs."""
        return data(self.config).x

    @property
    def y(self) -> Tensor:
        """Training targets."""
        return data(self.config).y

    @property
    def test_x(self) -> Float[Tensor, "m d"]:
        """Inputs that are held out."""
        return data(self.config).test_x

    def at(self, net: nn.Module) -> Landscape:
        """The training loss of a network around its weights."""
        return landscape(net, self.x, self.y, self.config.loss)


def train_all(config: NetConfig, seeds: range) -> tuple[list[Trained], pd.DataFrame]:
    """Train over seeds.

    Returns:
        Those that did not diverge, and the table of all.
    """
    cells = over_seeds([config], seeds)
    runs = run_all(cells)
    table = pd.concat(
        [tidy(cell, run) for cell, run in zip(cells, runs, strict=True)],
        ignore_index=True,
    )
    ended = [
        Trained(cell, run)
        for cell, run in zip(cells, runs, strict=True)
        if run.diverged_at is None
    ]
    return ended, table


def ends(factor: float, depth: int) -> list[float]:
    """The first layer times a factor, the last over it: alphas of product 1."""
    return [factor, *[1.0] * (depth - 2), 1 / factor]


@dataclass(frozen=True)
class Continued:
    """Training that goes on, from a net as it was and from the same net rescaled.

    Attributes:
        tables: by name, a row a seed at its last update, as `sweep` has it, with
            `log_trace` and `log_minimum` (of minimum sharpness).
        apart: by name, a number a seed: root mean square distance of test outputs to
            those of "SGD", relative to the root mean square of these.
    """

    tables: Mapping[str, pd.DataFrame]
    apart: Mapping[str, Float[np.ndarray, " seeds"]]


@dataclass(frozen=True)
class After:
    """How training goes on.

    Attributes:
        rescaled: whether from the rescaled net.
        rho: SAM's radius.
        order: what is added to the seed of the examples' order.
        lr: learning rate.
    """

    rescaled: bool = False
    rho: float = 0.0
    order: int = 0
    lr: float = LR


AFTER = {
    "SGD": After(),
    "SGD, another order": After(order=OTHER_ORDER),
    "SGD, rescaled": After(rescaled=True),
    "slow SGD": After(lr=LR / SLOWER),
    "slow SGD, rescaled": After(rescaled=True, lr=LR / SLOWER),
    "SAM": After(rho=RHO),
    "SAM, rescaled": After(rescaled=True, rho=RHO),
}
"""By name; each differs from another by one cause."""


def continue_all(
    trained: Sequence[Trained], table: pd.DataFrame, factor: float, num_steps: int
) -> Continued:
    """Train on, each net from both starts, by SGD and by SAM.

    Batches and their order are the same in all but "another order", which is the
    control: how far SGD's own noise leads.

    Args:
        trained: plain nets, without batch norm.
        table: of all runs; one that diverged before has no net to go on with, and is a
            diverged one in every setting.
        factor: of the first layer; the last is divided by it.
        num_steps: further updates.
    """
    lost = table[table["last"] & table["diverged"]]
    lost = lost.assign(log_trace=np.nan, log_minimum=np.nan)
    rows: dict[str, list[pd.DataFrame]] = {
        name: [] if lost.empty else [lost] for name in AFTER
    }
    apart: dict[str, list[float]] = {name: [] for name in AFTER}
    for each in trained:
        outputs = {}
        for name, after in AFTER.items():
            alphas = ends(factor if after.rescaled else 1.0, each.config.depth)
            state, row = _go_on(each, alphas, after, num_steps)
            rows[name].append(row)
            if state is not None:
                net = network(each.config, state.arrays)
                with torch.no_grad():
                    outputs[name] = net(each.test_x)
        for name in AFTER:
            apart[name].append(_distance(outputs.get(name), outputs.get("SGD")))
    return Continued(
        {name: pd.concat(each, ignore_index=True) for name, each in rows.items()},
        {name: np.array(each) for name, each in apart.items()},
    )


def _distance(outputs: Tensor | None, others: Tensor | None) -> float:
    if outputs is None or others is None:
        return float("nan")
    return float((outputs - others).norm() / others.norm())


def _go_on(
    each: Trained, alphas: Sequence[float], after: After, num_steps: int
) -> tuple[State | None, pd.DataFrame]:
    """The state after more updates, None if it diverged, and its row."""
    changes = {"rho": after.rho, "lr": after.lr, "num_steps": num_steps}
    changes["target_loss"] = 0.0
    config = NetConfig(**(each.config.model_dump() | changes))
    # of the seed of the start only the order of the examples is left
    moved = config.with_seeds(config.data_seed, config.init_seed + after.order)
    weights = rescale(each.folded, alphas).state_dict()
    arrays = {name: tensor.numpy().copy() for name, tensor in weights.items()}
    state = start = State(arrays | {"reached_at": np.array(np.nan)})
    try:
        while state.step < num_steps:
            longest = min(train.steps_per_call(config), num_steps - state.step)
            state = train.advance(state, moved, longest)
    except Divergence as divergence:
        step = divergence.step
        before = pd.DataFrame([train.measure(config, start)])
        lost = Run(before, start.arrays, step, diverged_at=step)
        table = tidy(config, lost).assign(log_trace=np.nan, log_minimum=np.nan)
        return None, table
    run = Run(pd.DataFrame([train.measure(config, state)]), state.arrays, state.step)
    least = minimum_sharpness(
        network(config, state.arrays), each.x, each.y, config.loss
    )
    whole = least.shares.at(np.ones(len(least.alphas)))
    with np.errstate(divide="ignore"):
        table = tidy(config, run).assign(
            log_trace=np.log(whole), log_minimum=np.log(least.value)
        )
    return state, table


def summary(found: Continued) -> pd.DataFrame:
    """Means over the seeds that did not diverge, a row a setting."""
    rows = {}
    for name, table in found.tables.items():
        alive = table[~table["diverged"]]
        rows[name] = {
            "train loss": alive["train_loss"].mean(),
            "test accuracy": alive["test_accuracy"].mean(),
            "ln trace": alive["log_trace"].mean(),
            "ln minimum sharpness": alive["log_minimum"].mean(),
            "distance to SGD": np.nanmean(found.apart[name])
            if np.isfinite(found.apart[name]).any()
            else np.nan,
            "diverged": int(table["diverged"].sum()),
        }
    return pd.DataFrame.from_dict(rows, orient="index")
