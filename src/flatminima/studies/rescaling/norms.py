"""Where a normalisation hides the scale of weights: batch norm and 2-MLP-Sim-LN."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from flatminima.models import sim_ln
from flatminima.models.losses import SQUARED
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.problem import problem
from flatminima.sharpness import gauss_newton_trace
from flatminima.sharpness.closed_form import (
    linearised,
    per_example_gradients,
    trace_hessian,
)
from flatminima.sharpness.gauss_newton import retract
from flatminima.sharpness.minimum import minimum_sharpness
from flatminima.studies.rescaling.curves import relative, trace
from flatminima.studies.rescaling.runs import Trained
from flatminima.sweeps.sweep import run_all
from flatminima.sweeps.table import over_seeds


def behind_norm(each: Trained, a: float) -> nn.Module:
    """The net with the weights before every batch norm, and its statistics, scaled.

    The variance is scaled with the constant that batch norm adds to it, so that the
    function is the same to rounding.
    """
    net = copy.deepcopy(each.net)
    with torch.no_grad():
        for layer, norm in pairwise(net.children()):
            if isinstance(norm, nn.BatchNorm1d):
                for parameter in layer.parameters():
                    parameter.mul_(a)
                norm.get_buffer("running_mean").mul_(a)
                variance = norm.get_buffer("running_var")
                variance.add_(norm.eps).mul_(a**2).sub_(norm.eps)
    return net


def norm_shares(each: Trained) -> tuple[float, float]:
    """A and E of T(a) = A / a^2 + E, as the scale behind batch norm is a."""
    parts = gauss_newton_trace.exact(each.at(each.net)).layers
    hidden = {
        name
        for (name, _), norm in zip(
            each.net.named_children(), [*each.net.children()][1:], strict=False
        )
        if isinstance(norm, nn.BatchNorm1d)
    }
    scaled = [name.split(".")[0] in hidden for name in parts]
    values = np.array([part.value for part in parts.values()])
    return float(values[scaled].sum()), float(values[~np.array(scaled)].sum())


def norm_errors(
    trained: Sequence[Trained], factors: Sequence[float]
) -> Float[np.ndarray, " instances"]:
    """|formula / trace - 1| of T(a) = A / a^2 + E."""
    errors = []
    for each in trained:
        moving, stays = norm_shares(each)
        errors += [
            relative(moving / a**2 + stays, trace(each, behind_norm(each, a)))
            for a in factors
        ]
    return np.array(errors)


def norm_left(trained: Sequence[Trained]) -> Float[np.ndarray, " nets"]:
    """E / T(1): what no scale behind batch norm removes; 1 if there is no trace."""
    left = []
    for each in trained:
        moving, stays = norm_shares(each)
        left.append(stays / (moving + stays) if moving + stays else 1.0)
    return np.array(left)


def norm_folded_changes(
    trained: Sequence[Trained], factors: Sequence[float]
) -> Float[np.ndarray, " instances"]:
    """Relative change of minimum sharpness, batch norm folded, with that scale."""
    changes = []
    for each in trained:
        before = minimum_sharpness(each.net, each.x, each.y, each.config.loss)
        for a in factors:
            net = behind_norm(each, a)
            after = minimum_sharpness(net, each.x, each.y, each.config.loss)
            changes.append(relative(after.value, before.value))
    return np.array(changes)


@dataclass(frozen=True)
class LayerNorm:
    """2-MLP-Sim-LN of several seeds, with the first layer times several factors.

    Attributes:
        factors: shape (factors,).
        traces: shape (seeds, factors).
        formula: bound + A / a^2, the same shape.
        bounds: certified lower bound, shape (seeds,).
    """

    factors: Float[np.ndarray, " factors"]
    traces: Float[np.ndarray, "seeds factors"]
    formula: Float[np.ndarray, "seeds factors"]
    bounds: Float[np.ndarray, " seeds"]

    @property
    def errors(self) -> Float[np.ndarray, " instances"]:
        """|formula / trace - 1|."""
        return np.abs(self.formula / self.traces - 1).ravel()


def layer_norm(config: Config, seeds: range, factors: Sequence[float]) -> LayerNorm:
    """Rescale the first layer of trained networks of 2-MLP-Sim-LN, at interpolation.

    They are retracted first, since the bound holds of interpolating networks; those
    that cannot be are left out.

    Args:
        config: of them.
        seeds: of the runs.
        factors: of the first layer; those at which the outputs stay above the floor of
            the norm leave the function alone.
    """
    cells = over_seeds([config], seeds)
    traces, formula, bounds = [], [], []
    for cell, run in zip(cells, run_all(cells), strict=True):
        if run.diverged_at is not None:
            continue
        setting = problem(cell)
        network = linearised(setting.model, setting.inputs)
        params = tuple(p.astype(float) for p in run.params)
        flat = retract(network, params, setting.targets)
        if not flat.converged:
            continue
        w, v = flat.parameters
        row = []
        for a in factors:
            at = per_example_gradients(setting.model, a * w, v, setting.inputs)
            row.append(
                trace_hessian(sim_ln, setting.model, at, setting.y, setting.loss)
            )
        at = per_example_gradients(setting.model, w, v, setting.inputs)
        own = trace_hessian(sim_ln, setting.model, at, setting.y, setting.loss)
        bound = sim_ln.lower_bound(
            setting.model, at.input_sq, at.f, SQUARED.curvature(at.f)
        )
        traces.append(row)
        bounds.append(bound)
        formula.append(bound + (own - bound) / np.square(np.asarray(factors, float)))
    return LayerNorm(
        np.asarray(factors, float),
        np.array(traces).reshape(-1, len(factors)),
        np.array(formula).reshape(-1, len(factors)),
        np.array(bounds),
    )
