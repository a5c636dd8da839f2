"""The engine of paths: three networks are trained and joined in four ways."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from flatminima.measures.matching import match, permuted
from flatminima.models.nets.parts import Residual
from flatminima.runs.kind import Divergence, Run
from flatminima.runs.landscape.begin import first_state, never, train_from
from flatminima.runs.landscape.config import APART, PathConfig, ViewConfig
from flatminima.runs.nets import train
from flatminima.runs.nets.problem import data, network
from flatminima.sharpness.landscape import Landscape, landscape
from flatminima.sharpness.paths import Path, along, straight, trained

Config = PathConfig
"""What `results` builds a path's config by."""

PATHS = ("straight", "matched", "order", "curve")
"""The ways: a straight line between two starts' ends; the same after weight matching;
a straight line between the ends of one start under two orders of the examples; and the
trained curve between the ends of the first."""


def modules(config: PathConfig) -> tuple[str, ...]:
    """The modules that a path of this config reaches everything else from."""
    return (__name__, *train.modules(config.net))


def proceed(config: PathConfig, run: Run | None, pause: Callable[[], bool]) -> Run:
    """Train, join and measure; short, so it takes no pause.

    Returns:
        The run, of one row: train_loss, the largest of the three at the end;
        test_accuracy of the first network, second_accuracy of the second; reached,
        whether all three reached the target; distance and matched_distance between
        the first two; and for every way of `PATHS` <way>_barrier, <way>_peak (the
        largest loss on the path), <way>_error_barrier (of the training error) and
        <way>_test_barrier (of the error on points held out). Its arrays hold the
        losses along each path, the control points of the curve and the third network.
        If one of the networks diverges, so does the run.
    """
    try:
        runs = networks(config)
    except Divergence as divergence:
        return _diverged(divergence.step)
    for each in runs:
        if each.diverged_at is not None:
            return _diverged(each.diverged_at)
    scene, held_out = scenes(config, runs[0])
    ends = {name: _flat(scene, each) for name, each in zip("abc", runs, strict=True)}
    ends["matched"] = _matched(config, scene, ends["a"], ends["b"])
    curve = trained(
        scene,
        ends["a"],
        ends["b"],
        seed=config.net.init_seed,
        num_steps=config.curve_steps,
        lr=config.curve_lr,
        bends=config.bends,
        batch=None if config.curve_batch == "full" else config.curve_batch,
    )
    row: dict[str, float] = {
        "step": max(each.step for each in runs),
        "train_loss": max(each.history["train_loss"].iloc[-1] for each in runs),
        "test_accuracy": float(runs[0].history["test_accuracy"].iloc[-1]),
        "second_accuracy": float(runs[1].history["test_accuracy"].iloc[-1]),
        "reached": float(min(each.history["reached"].iloc[-1] for each in runs)),
        "distance": float((ends["a"] - ends["b"]).norm()),
        "matched_distance": float((ends["a"] - ends["matched"]).norm()),
    }
    arrays = {"curve": curve.numpy(), "third": ends["c"].numpy()}
    other = {"straight": "b", "matched": "matched", "order": "c"}
    for way in PATHS:

        def walk(on: Landscape, way: str = way) -> Path:
            if way == "curve":
                return along(on, curve, config.points)
            return straight(on, ends["a"], ends[other[way]], config.points)

        path, test = walk(scene), walk(held_out)
        row |= {
            f"{way}_barrier": path.barrier,
            f"{way}_peak": float(path.loss.max()),
            f"{way}_error_barrier": path.error_barrier,
            f"{way}_test_barrier": test.error_barrier,
        }
        arrays |= {f"{way}_loss": path.loss, f"{way}_test_error": test.error}
    return Run(pd.DataFrame([row]), arrays, int(row["step"]))


def _diverged(step: int) -> Run:
    return Run(pd.DataFrame([{"step": 0}]), {}, step, diverged_at=step)


def networks(config: PathConfig) -> tuple[Run, Run, Run]:
    """The three trained networks."""
    net = config.net
    other = net.with_seeds(net.data_seed, net.init_seed + APART)
    drawn = config.second == "drawn"
    spoil: dict[str, Any] = {} if drawn else {"spoil_steps": config.spoil_steps}
    begin = first_state(ViewConfig(net=other, begin=config.second, **spoil))
    first = train.proceed(net, None, never)
    second = train_from(other, begin.arrays)
    third = train_from(other, train.start(net).arrays)
    return first, second, third


def scenes(config: PathConfig, run: Run) -> tuple[Landscape, Landscape]:
    """The landscapes of the training set and of the points held out."""
    problem, module = data(config.net), network(config.net, run.arrays)
    loss = config.net.loss
    return (
        landscape(module, problem.x, problem.y, loss),
        landscape(module, problem.test_x, problem.test_y, loss),
    )


def axes_of(module: nn.Module) -> dict[str, tuple[str | None, ...]]:
    """Which axes of an MLP's parameters hold which hidden units.

    A layer's inputs are the outputs of the one before, and a skip connection keeps
    their order: the layers inside `Residual` share the units that they are added to.

    Args:
        module: as built by `models.nets.mlp`.
    """
    layers = [name for name, m in module.named_modules() if isinstance(m, nn.Linear)]
    skipped = [name for name, m in module.named_modules() if isinstance(m, Residual)]
    axes: dict[str, tuple[str | None, ...]] = {}
    before: str | None = None
    for name in layers:
        inside = any(name.startswith(f"{block}.") for block in skipped)
        units = None if name == layers[-1] else before if inside else name
        axes |= {f"{name}.weight": (units, before), f"{name}.bias": (units,)}
        before = units
    return axes


def _flat(scene: Landscape, run: Run) -> Float[Tensor, " D"]:
    parts = [
        torch.as_tensor(run.arrays[name]).double().reshape(-1)
        for name, _ in scene.shapes
    ]
    return torch.cat(parts)


def _matched(
    config: PathConfig, scene: Landscape, fixed: Tensor, moving: Tensor
) -> Float[Tensor, " D"]:
    """The second network with its units in the order of the first's."""
    module = network(config.net, train.start(config.net).arrays)
    axes = axes_of(module)
    first, second = (
        {name: part.numpy() for name, part in scene.split(theta).items()}
        for theta in (fixed, moving)
    )
    moved = permuted(second, axes, match(first, second, axes))
    return torch.cat([torch.as_tensor(moved[n]).reshape(-1) for n, _ in scene.shapes])


def summary(config: PathConfig, run: Run) -> dict[str, Any]:
    """What committed results keep of the paths: the losses along each."""
    return {
        name: [float(f"{value:.4g}") for value in array]
        for name, array in run.arrays.items()
        if name.endswith(("_loss", "_test_error"))
    }
