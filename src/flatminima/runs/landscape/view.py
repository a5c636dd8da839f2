"""The engine of views: a network is trained, then its end is looked at.

A view takes pauses as a run of its network does. What is measured at the end, and the
grids of its planes, come in one go.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch

from flatminima.runs.kind import Divergence, Run, State
from flatminima.runs.landscape.begin import first_state
from flatminima.runs.landscape.config import ViewConfig
from flatminima.runs.nets import train
from flatminima.runs.nets.problem import data, network
from flatminima.sharpness import products, spectrum, trace
from flatminima.sharpness.landscape import Landscape, landscape
from flatminima.sharpness.slices import Slice, directions, expected_curvature, plane

Config = ViewConfig
"""What `results` builds a view's config by."""

DIRECTIONS_FROM = 10_000
"""Seed of the random directions of curvatures: none of a plane's."""


def modules(config: ViewConfig) -> tuple[str, ...]:
    """The modules that a view of this config reaches everything else from."""
    return (__name__, *train.modules(config.net))


def checkpoints(config: ViewConfig) -> np.ndarray:
    """Steps at which the network is measured."""
    return train.checkpoints(config.net)


def start(config: ViewConfig) -> State:
    """The state before the first step; see `ViewConfig.begin`."""
    return first_state(config)


def proceed(config: ViewConfig, run: Run | None, pause: Callable[[], bool]) -> Run:
    """Train the network on, and at its end measure what is around it.

    Returns:
        The run. Its last row has the columns of `around` beside those of the network,
        and its arrays hold `planes`, the losses on the grids.
    """
    if run is None:
        try:
            state = start(config)
        except Divergence as divergence:
            step = divergence.step
            return Run(pd.DataFrame([{"step": 0}]), {}, step, diverged_at=step)
        run = Run(pd.DataFrame(), state.arrays, 0, finished=False)
    run = train.proceed(config.net, run, pause)
    if not run.finished or run.diverged_at is not None:
        return run
    scene = at_end(config, run)
    pictures = [
        plane(scene, directions(scene, seed), axis(config), axis(config))
        for seed in range(config.planes)
    ]
    rows = run.history.copy()
    for name, value in around(config, scene, pictures).items():
        rows[name] = np.where(rows.index == len(rows) - 1, value, np.nan)
    grids = np.stack([picture.loss for picture in pictures])
    return Run(rows, dict(run.arrays) | {"planes": grids}, run.step)


def axis(config: ViewConfig) -> np.ndarray:
    """Coordinates of a grid, along either direction."""
    return np.linspace(-config.span, config.span, config.points)


def at_end(config: ViewConfig, run: Run) -> Landscape:
    """The training loss around the network that a run has."""
    problem = data(config.net)
    module = network(config.net, run.arrays)
    return landscape(module, problem.x, problem.y, config.net.loss)


def around(
    config: ViewConfig, scene: Landscape, pictures: list[Slice]
) -> dict[str, float]:
    """Numbers of the landscape around a point.

    Returns:
        parameters: D. trace, with trace_error, its standard error: of the Hessian, by
        random probes. lambda_max. seen and seen_error: mean of d' Hess d over
        filter-normalised directions, and its standard error; seen_most the largest.
        drawn, drawn_error and drawn_most: the same over directions of length 1.
        expected, with config.exact: what seen should be, from the Hessian's diagonal;
        off: their distance in standard errors.
        height, height_2: of the first plane and of the second, NaN if there is none.
        pits: mean number over planes. log_height, log_height_2, log_trace, log_lambda:
        natural logarithms, NaN where there is none.
    """
    hessian = products.hessian(scene)
    top = spectrum.largest(hessian, tolerance=1e-4).value
    whole = trace.hutchinson(hessian, config.probes)
    found: dict[str, float] = {
        "parameters": scene.size,
        "trace": whole.value,
        "trace_error": whole.standard_error,
        "lambda_max": top,
    }
    for name, normalised in {"seen": True, "drawn": False}.items():
        many = directions(
            scene, DIRECTIONS_FROM, config.probes, normalised=normalised
        ).numpy()
        curvature = np.einsum("md,dm->m", many, hessian @ many.T)
        found[name] = float(curvature.mean())
        found[f"{name}_error"] = float(curvature.std(ddof=1) / len(many) ** 0.5)
        found[f"{name}_most"] = float(curvature.max())
    if config.exact:
        diagonal = torch.from_numpy(trace.diagonal(hessian))
        found["expected"] = expected_curvature(scene, diagonal)
        found["off"] = abs(found["seen"] - found["expected"]) / found["seen_error"]
    heights = [picture.height for picture in pictures]
    found["height"], found["height_2"] = (*heights, np.nan)[:2]
    found["pits"] = float(np.mean([picture.pits for picture in pictures]))
    logarithms = {
        "log_height": "height",
        "log_height_2": "height_2",
        "log_trace": "trace",
        "log_lambda": "lambda_max",
    }
    for name, of in logarithms.items():
        found[name] = float(np.log(found[of])) if found[of] > 0 else np.nan
    return found


def summary(config: ViewConfig, run: Run) -> dict[str, Any]:
    """What committed results keep of the pictures: all losses of the first plane."""
    if "planes" not in run.arrays:
        return {}
    return {"plane": [float(f"{loss:.4g}") for loss in run.arrays["planes"][0].ravel()]}
