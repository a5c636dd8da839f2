"""Pictures of the chapter: from the store, from committed runs, or drawn now."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from flatminima.results.reading import Committed
from flatminima.runs.landscape import connect, view
from flatminima.runs.landscape.config import PathConfig, ViewConfig
from flatminima.runs.nets.problem import data, network
from flatminima.sharpness import products
from flatminima.sharpness.landscape import Landscape, landscape
from flatminima.sharpness.paths import bernstein
from flatminima.sharpness.slices import Slice, directions, plane
from flatminima.studies.landscape.runs import Shown
from flatminima.sweeps.sweep import fetch


@dataclass(frozen=True)
class Picture:
    """A plane through a minimum, and numbers beside it.

    Attributes:
        loss: on the grid; None where there is no run.
        span: half the width of the plane.
        row: the run's last row.
    """

    loss: Float[np.ndarray, "rows columns"] | None
    span: float
    row: pd.Series


def picture(shown: Shown, paper: Committed, seed: int, which: int = 0) -> Picture:
    """The picture of one seed: of this build's run if there is one, else committed.

    Args:
        shown: a setting of views.
        paper: all committed runs.
        seed: of data and start.
        which: number of the plane. Of committed runs only the first is kept.
    """
    config = shown.config
    assert isinstance(config, ViewConfig)
    for rows, live in ((shown.live, True), (shown.committed, False)):
        if rows.empty:
            continue
        row = rows[rows["last"] & (rows["init_seed"] == seed) & ~rows["diverged"]]
        if row.empty:
            continue
        if live:
            arrays = fetch(config.with_seeds(seed, seed)).arrays
            grid = np.asarray(arrays["planes"][which])
        elif which == 0:
            grid = _kept(paper, config.with_seeds(seed, seed))
        else:
            continue
        return Picture(grid, config.span, row.iloc[0])
    return Picture(None, config.span, pd.Series(dtype=float))


def _kept(paper: Committed, config: ViewConfig) -> np.ndarray:
    """The committed grid of a run."""
    rows = zip(paper.rows, paper.configs, strict=True)
    (row,) = (row for row, made in rows if made == config)
    return np.array(row["summary"]["plane"]).reshape(config.points, config.points)


@dataclass(frozen=True)
class Bend:
    """The plane through two minima and the bend of the curve between them.

    Attributes:
        slice: the loss on the plane; coordinates are lengths in weight space.
        ends: of the two minima, a row each.
        curve: along the curve.
    """

    slice: Slice
    ends: Float[np.ndarray, "2 2"]
    curve: Float[np.ndarray, "points 2"]


def bend(config: PathConfig, points: int) -> Bend | None:
    """The plane of a pair's curve; None if its run diverged or the three are in line.

    Args:
        config: of one inner control point, with the seeds of the pair.
        points: of the grid, along either axis.
    """
    run = fetch(config)
    if "curve" not in run.arrays or config.bends != 1:
        return None
    first, inner, second = (torch.as_tensor(p) for p in run.arrays["curve"])
    along = (second - first) / (second - first).norm()
    across = inner - first - ((inner - first) @ along) * along
    if float(across.norm()) < 1e-9 * float((second - first).norm()):
        return None
    axes = torch.stack([along, across / across.norm()])
    problem = data(config.net)
    module = network(config.net, connect.train.start(config.net).arrays)
    scene = landscape(module, problem.x, problem.y, config.net.loss).at(first)
    control = (torch.as_tensor(run.arrays["curve"]) - first) @ axes.T
    t = np.linspace(0, 1, 101)
    curve = bernstein(t, 2) @ control.numpy()
    low, high = control.numpy().min(axis=0), control.numpy().max(axis=0)
    middle, half = (low + high) / 2, 0.65 * float((high - low).max())
    x, y = (np.linspace(m - half, m + half, points) for m in middle)
    return Bend(plane(scene, axes, x, y), control.numpy()[[0, 2]], curve)


def curvatures(
    config: ViewConfig, seed: int, probes: int
) -> Float[np.ndarray, " probes"]:
    """d' Hess L d along random directions of length 1, at the end of one run.

    Args:
        config: of a view.
        seed: of data and start.
        probes: how many directions.
    """
    config = config.with_seeds(seed, seed)
    run = fetch(config)
    if run.diverged_at is not None:
        return np.array([])
    scene = view.at_end(config, run)
    many = directions(scene, view.DIRECTIONS_FROM, probes, normalised=False).numpy()
    found: np.ndarray = np.einsum("md,dm->m", many, products.hessian(scene) @ many.T)
    return found


def rescaled(
    config: ViewConfig, seeds: Iterable[int], points: int
) -> dict[str, Float[np.ndarray, " seeds"]]:
    """How far a picture changes where the network's function does not.

    Args:
        config: of a ReLU MLP without norm and skips, of at least two layers.
        seeds: of data and start.
        points: of the grid.

    Returns:
        The largest relative change of the loss in the picture, for each seed; infinite
        for a run that diverged. "layers": every layer but the last is multiplied by 3,
        and the last divided by what that adds up to. "units": every hidden unit of the
        first layer is multiplied by its own factor, from 1/5 to 5, and what it feeds
        into divided by it.
    """
    axis = np.linspace(-config.span, config.span, points)

    def draw(at: Landscape) -> np.ndarray:
        return plane(at, directions(at, 0), axis, axis).loss

    found: dict[str, list[float]] = {"layers": [], "units": []}
    for seed in seeds:
        own = config.with_seeds(seed, seed)
        run = fetch(own)
        if run.diverged_at is not None:
            for each in found.values():
                each.append(np.inf)
            continue
        scene = view.at_end(own, run)
        before = draw(scene)
        changed = {"layers": _by_layer(scene, 3.0), "units": _by_unit(scene)}
        for name, theta in changed.items():
            after = draw(scene.at(theta))
            found[name].append(float(np.max(np.abs(after / before - 1))))
    return {name: np.array(each) for name, each in found.items()}


def _by_layer(scene: Landscape, factor: float) -> torch.Tensor:
    parts = scene.split(scene.theta.clone())
    weights = [name for name in parts if name.endswith("weight")]
    biases = [name for name in parts if name.endswith("bias")]
    scale = 1.0
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        scale *= factor
        parts[weight] *= factor
        parts[bias] *= scale
    parts[weights[-1]] /= scale
    return torch.cat([part.reshape(-1) for part in parts.values()])


def _by_unit(scene: Landscape) -> torch.Tensor:
    parts = scene.split(scene.theta.clone())
    weight, bias, following = list(parts)[:3]
    units = len(parts[bias])
    factors = torch.logspace(np.log10(0.2), np.log10(5), units, dtype=torch.float64)
    parts[weight] *= factors[:, None]
    parts[bias] *= factors
    parts[following] /= factors
    return torch.cat([part.reshape(-1) for part in parts.values()])
