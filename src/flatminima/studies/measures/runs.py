"""The networks of the chapter on measures: trained, and moved to interpolation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from flatminima.runs.kind import Run
from flatminima.runs.nets.config import NetConfig
from flatminima.runs.nets.problem import data, network
from flatminima.sharpness.interpolation import interpolate
from flatminima.sharpness.landscape import Landscape, landscape
from flatminima.sources.talk import scale
from flatminima.sweeps.sweep import run_all

Activation = Literal["tanh", "relu"]
ACTIVATIONS: tuple[Activation, ...] = ("tanh", "relu")
STOPS_AT = 0.05
"""Loss at which the networks of the limits stop, before they are moved to 0."""

ON_KINK = 1e-9
"""Distance of a kink at which a network counts as being on it."""

WAYS: dict[str, dict[str, Any]] = {
    "as drawn": {},
    "small step": {"lr": 0.02},
    "large step": {"lr": 0.3},
    "large batch": {"batch": 50},
    "small start": {"init_scale": 0.5},
    "large start": {"init_scale": 2.0},
}
"""Ways to train to one loss, which differ from the first in one thing each."""


@dataclass(frozen=True)
class Fitted:
    """A trained network, where training stopped and where it interpolates.

    Attributes:
        seed: of data and initialisation.
        activation: "tanh" or "relu".
        before: where training stopped.
        at: the interpolating point near by.
        distance: between the two.
    """

    seed: int
    activation: str
    before: Landscape
    at: Landscape
    distance: float


@dataclass(frozen=True)
class Trained:
    """A trained network of one way.

    Attributes:
        seed: of data and initialisation.
        way: of `WAYS`.
        at: its landscape.
        test_error: share of fresh points that it has wrong.
    """

    seed: int
    way: str
    at: Landscape
    test_error: float


def limits_config(
    activation: Activation, *, n: int, width: int, num_steps: int
) -> NetConfig:
    """Two layers on the clusters, by SGD, with the squared loss."""
    return NetConfig(
        data="clusters",
        n=n,
        depth=2,
        width=width,
        activation=activation,
        loss="squared",
        lr=0.05,
        batch=min(4, n - 1),
        num_steps=num_steps,
        target_loss=STOPS_AT,
        num_checkpoints=2,
    )


def ways_configs(*, n: int, width: int, num_steps: int) -> dict[str, NetConfig]:
    """Two layers on the clusters with the cross entropy, in all `WAYS`."""
    base: dict[str, Any] = {"lr": 0.1, "batch": 10}
    common: dict[str, Any] = {"data": "clusters", "n": n, "depth": 2, "width": width}
    common |= {"num_steps": num_steps, "target_loss": 0.1, "num_checkpoints": 2}
    return {way: NetConfig(**common, **(base | more)) for way, more in WAYS.items()}


def module_of(config: NetConfig, run: Run) -> nn.Module:
    """The network at the end of a run."""
    return network(config, run.arrays)


def landscape_of(config: NetConfig, run: Run) -> Landscape:
    """Its training loss."""
    problem = data(config)
    return landscape(module_of(config, run), problem.x, problem.y, config.loss)


def fitted(configs: Sequence[NetConfig], seeds: range) -> list[Fitted]:
    """Train, and move to interpolation.

    Left out is what cannot be moved there, and what ends at a kink, within `ON_KINK` of
    one, where no Hessian exists.
    """
    cells = [c.with_seeds(s, s) for c in configs for s in seeds]
    found = []
    for config, run in zip(cells, run_all(cells), strict=True):
        if run.diverged_at is not None:
            continue
        before = landscape_of(config, run)
        end = interpolate(before)
        kinked = config.activation == "relu" and nearest_kink(end.at) < ON_KINK
        if end.reached and not kinked:
            one = Fitted(
                config.init_seed, config.activation, before, end.at, end.distance
            )
            found.append(one)
    return found


def trained(configs: dict[str, NetConfig], seeds: range) -> list[Trained]:
    """Train in all ways; left out is what does not reach the loss."""
    cells = [(w, c.with_seeds(s, s)) for w, c in configs.items() for s in seeds]
    found = []
    for (way, config), run in zip(cells, run_all([c for _, c in cells]), strict=True):
        if run.diverged_at is not None:
            continue
        last = run.history.iloc[-1]
        if last["reached"]:
            error = 1 - float(last["test_accuracy"])
            at = landscape_of(config, run)
            found.append(Trained(config.init_seed, way, at, error))
    return found


def nearest_kink(at: Landscape) -> float:
    """How far the nearest point is at which a hidden unit of a ReLU net switches.

    min_ij |w_j.x_i + b_j| / |(x_i, 1)|: only the unit's own weights have to move.
    """
    weight, bias = (at.split(at.theta)[name] for name in ("0.weight", "0.bias"))
    length = (1 + (at.x**2).sum(dim=1)).sqrt()
    return float(((at.x @ weight.T + bias).abs() / length[:, None]).min())


def random_net(seed: int) -> Landscape:
    """A small ReLU network at random parameters that interpolates its targets.

    Of 3 inputs, 5 units and 2 outputs, over 6 points.
    """
    g = torch.Generator().manual_seed(seed)
    module = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)).double()
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn(p.shape, generator=g, dtype=torch.float64))
    x = torch.randn(6, 3, generator=g, dtype=torch.float64)
    with torch.no_grad():
        y = module(x)
    return landscape(module, x, y, "squared")


def first_of(nets: Sequence[Fitted], activation: str) -> dict[str, Landscape]:
    """The first network of an activation at interpolation, by its label, if any."""
    label = {"tanh": "tanh network", "relu": "ReLU network"}[activation]
    own = by_activation(nets, activation)
    return {label: own[0].at} if own else {}


def by_activation(nets: Sequence[Fitted], activation: str) -> list[Fitted]:
    """The networks of one activation."""
    return [net for net in nets if net.activation == activation]


def scale_of(configs: Sequence[NetConfig]) -> str:
    """What the scorecard says of the runs' scale."""
    return scale(configs[0])
