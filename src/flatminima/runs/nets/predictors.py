"""What may predict the gap between training and test error, at the end of a run.

Every measure is a complexity: the larger, the more error it predicts. Only ranks
matter, so products are logarithms, and constants are left out.
"""

import math

import numpy as np
import torch
from torch import nn

from flatminima.data.streams import generator
from flatminima.measures import complexity
from flatminima.models.nets.parts import Dropout
from flatminima.runs.kind import State
from flatminima.runs.nets.config import NetConfig
from flatminima.runs.nets.problem import data, initial_arrays, network
from flatminima.sharpness import products, spectrum
from flatminima.sharpness.average import sigma_at
from flatminima.sharpness.ball import ball_sharpness
from flatminima.sharpness.box import box_sharpness
from flatminima.sharpness.coordinates import elementwise
from flatminima.sharpness.description import description_length
from flatminima.sharpness.diagonal import gauss_newton_diagonal
from flatminima.sharpness.landscape import Landscape, landscape
from flatminima.sharpness.minimum import minimum_sharpness
from flatminima.sharpness.normalised import normalised_sharpness
from flatminima.sharpness.rescaling import folded

RADIUS = 0.5
"""Of the ball of epsilon-sharpness."""

ADAPTIVE_RADIUS = 0.5
"""Of the ellipsoid of adaptive sharpness, in units of the weights."""

BOX = 1e-3
"""Relative half width of the box, as Keskar et al. have it."""

RISE = 0.1
"""Of the loss, that the noise of PAC-Bayes sharpness may bring."""

TOLERANCE = 1e-4
"""Rise of the loss at which a weight is described."""

PAIRS = 16
RESTARTS = 2
NUM_STEPS = 15

MEASURES = (
    "random",
    "parameters",
    "final_loss",
    "steps_to_target",
    "weight_norm",
    "distance",
    "frobenius",
    "spectral",
    "path_norm",
    "inverse_margin",
    "path_norm_margin",
    "spectral_margin",
    "trace",
    "lambda_max",
    "ball",
    "box",
    "pac_bayes",
    "pac_bayes_relative",
    "adaptive",
    "normalised",
    "minimum",
    "description",
    "description_relative",
)
"""The columns, in the order of their families: controls, size, margin, sharpness."""


def columns(config: NetConfig, state: State) -> dict[str, float]:
    """The measures of `MEASURES` for a network at the end of its run.

    Returns:
        random: a number drawn by the seeds and the config's other fields alone;
        parameters: how many; final_loss: cross entropy over the training set, which
        differs a little where all stop below one target; steps_to_target;
        weight_norm: |theta|^2; distance: |theta - theta_0|; frobenius and spectral:
        sums over layers of the logarithms of squared norms; path_norm: its logarithm;
        inverse_margin: minus the 10th percentile of the margins; path_norm_margin and
        spectral_margin: those over the squared margin, as logarithms; trace and
        lambda_max of the Hessian; ball: epsilon-sharpness; box: that of Keskar et al.;
        pac_bayes and pac_bayes_relative: -ln sigma of the noise, plain or in proportion
        to the weights, that raises the loss by `RISE`; adaptive: the worst rise within
        an ellipsoid in proportion to the weights; normalised and minimum sharpness;
        description and description_relative: bits at absolute or relative precision.
    """
    problem = data(config)
    net = network(config, state.arrays)
    parts = [part for part in net.children() if not isinstance(part, Dropout)]
    plain = folded(nn.Sequential(*parts))
    at = landscape(plain, problem.x, problem.y, config.loss)
    with torch.no_grad():
        margin = complexity.margin(at.outputs(), problem.labels)
        loss = float(at.loss())
    path = math.log(complexity.path_norm(plain, tuple(problem.x.shape[1:])))
    spectral = complexity.log_spectral_product(plain)
    over_margin = -2 * math.log(margin) if margin > 0 else math.nan
    before = initial_arrays(config)
    squares = (np.sum((state.arrays[name] - a) ** 2) for name, a in before.items())
    fields = config.model_dump(exclude={"data_seed", "init_seed"})
    return {
        "random": float(generator(config.init_seed, repr(fields)).random()),
        "parameters": float(at.size),
        "final_loss": loss,
        "steps_to_target": float(state.step),
        "weight_norm": complexity.squared_norm(plain),
        "distance": math.sqrt(sum(squares)),
        "frobenius": complexity.log_frobenius_product(plain),
        "spectral": spectral,
        "path_norm": path,
        "inverse_margin": -margin,
        "path_norm_margin": path + over_margin,
        "spectral_margin": spectral + over_margin,
        **_sharpness(at, config.init_seed),
        "minimum": minimum_sharpness(plain, problem.x, problem.y, config.loss).value,
    }


def _sharpness(at: Landscape, seed: int) -> dict[str, float]:
    """Measures of a landscape; the noise is the same for all networks of a size."""

    def noise(stream: int) -> torch.Generator:
        return torch.Generator().manual_seed(1000 * seed + stream)

    diagonal = gauss_newton_diagonal(at)
    relative = elementwise(at)
    top = spectrum.largest(products.hessian(at), tolerance=1e-3)
    plain, scaled = (
        sigma_at(space, RISE, noise(stream), pairs=PAIRS).value
        for stream, space in enumerate((at, relative))
    )
    climbs = {"restarts": RESTARTS, "num_steps": NUM_STEPS}
    ball = ball_sharpness(at, RADIUS, noise(2), starts=None, **climbs)
    box = box_sharpness(at, BOX, noise(3), dim=None, **climbs)
    adaptive = ball_sharpness(
        relative, ADAPTIVE_RADIUS, noise(4), starts=None, **climbs
    )
    return {
        "trace": float(diagonal.sum()),
        "lambda_max": top.value,
        "ball": ball.value,
        "box": box.value,
        "pac_bayes": -math.log(plain),
        "pac_bayes_relative": -math.log(scaled),
        "adaptive": adaptive.value,
        "normalised": normalised_sharpness(at, diagonal),
        "description": description_length(diagonal, TOLERANCE),
        "description_relative": description_length(diagonal, TOLERANCE, at.theta.abs()),
    }
