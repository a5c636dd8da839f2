"""Small networks that interpolate, for the tests of the flow."""

from types import ModuleType
from typing import NamedTuple

import numpy as np

from flatminima.models.base import load
from flatminima.runs.flow.manifold import Manifold, Point

RADIUS = {"no_bias": 0.0, "bias": 0.0, "sim_ln": 3.0}


class Start(NamedTuple):
    """A manifold and a point near it."""

    module: ModuleType
    manifold: Manifold
    w: np.ndarray
    v: np.ndarray

    @property
    def point(self) -> Point:
        point = self.manifold.land(self.w, self.v)
        assert point is not None
        return point


def start(architecture: str, seed: int = 0, n: int = 6, d: int = 5, width: int = 20):
    """A random network and labels +-1 on Gaussian inputs."""
    rng = np.random.default_rng(seed)
    module = load(architecture)
    model = module.Model()
    inputs = module.inputs(model, rng.standard_normal((n, d)))
    w = rng.standard_normal((inputs.shape[1], width))
    v = rng.standard_normal(width) / 2
    y = rng.choice([-1.0, 1.0], n)
    return Start(module, Manifold(model, inputs, y, RADIUS[architecture]), w, v)
