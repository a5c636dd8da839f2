"""What rescaling does to the sharpness of a network, and what it leaves alone.

With the first layer times a and the last over a the function is the same, and the trace

    T(a) = A / a^2 + E + C a^2,

A of the first layer and of all biases but the last, which carry the factor a; C of the
last layer's weights; E of what stays. So T is least at a^4 = A / C, where it is
E + 2 sqrt(A C), and it goes to infinity on both sides.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from flatminima.sharpness import gauss_newton_trace
from flatminima.sharpness.coordinates import rescaled
from flatminima.sharpness.minimum import Shares, minimum_sharpness, shares
from flatminima.sharpness.products import hessian
from flatminima.sharpness.rescaling import layers, rescale
from flatminima.sharpness.spectrum import largest
from flatminima.sharpness.unit_minimum import unit_minimum_sharpness
from flatminima.sources import talk
from flatminima.studies.rescaling.runs import Trained, ends

SHARPER = 1e6
"""Times the net's own trace that a rescaling is asked for."""


@dataclass(frozen=True)
class Curve:
    """T(a) = A / a^2 + E + C a^2."""

    first: float
    stays: float
    last: float

    def at(self, a: Float[np.ndarray, "..."] | float) -> Float[np.ndarray, "..."]:
        """T(a)."""
        square = np.square(np.asarray(a, float))
        return self.first / square + self.stays + self.last * square

    @property
    def flattest(self) -> float:
        """The a of the least T."""
        return float((self.first / self.last) ** 0.25)

    @property
    def least(self) -> float:
        """E + 2 sqrt(A C)."""
        return self.stays + 2 * float(np.sqrt(self.first * self.last))

    def reaching(self, trace: float) -> float:
        """The larger a with T(a) = trace, for a trace of at least the least."""
        rest = trace - self.stays
        root = np.sqrt(max(rest**2 - 4 * self.first * self.last, 0.0))
        return float(np.sqrt((rest + root) / (2 * self.last)))


def curve(of: Shares) -> Curve:
    """T(a) from the shares of weights and biases of the layers."""
    return Curve(
        first=float(of.weights[0] + of.biases[:-1].sum()),
        stays=float(of.weights[1:-1].sum() + of.biases[-1]),
        last=float(of.weights[-1]),
    )


def of_net(each: Trained) -> Shares:
    """Shares of a trained net, batch norm folded."""
    return shares(each.folded, each.x, each.y, each.config.loss)


def trace(each: Trained, net: nn.Module) -> float:
    """Trace at the weights of a net, over all its parameters."""
    return gauss_newton_trace.exact(each.at(net)).whole.value


def moved(each: Trained, alphas: Sequence[float]) -> nn.Sequential:
    """The net with its layers rescaled."""
    return rescale(each.folded, alphas)


def curve_errors(
    trained: Sequence[Trained], factors: Sequence[float]
) -> Float[np.ndarray, " instances"]:
    """|T(a) / trace of the rescaled net - 1|, for every net and factor."""
    errors = []
    for each in trained:
        formula = curve(of_net(each))
        for a in factors:
            measured = trace(each, moved(each, ends(a, each.config.depth)))
            errors.append(relative(float(formula.at(a)), measured))
    return np.array(errors)


def relative(value: float, reference: float) -> float:
    """|value / reference - 1|, 0 where both are 0."""
    if value == reference:
        return 0.0
    return abs(value / reference - 1) if reference else 1.0


def factors_of(net: nn.Sequential, alphas: Sequence[float]) -> Float[Tensor, " D"]:
    """What a rescaling multiplies every parameter by, in their order."""
    parts, so_far = [], 1.0
    for layer, alpha in zip(layers(net), alphas, strict=True):
        so_far *= alpha
        for name, parameter in layer.named_parameters():
            value = alpha if name == "weight" else so_far
            parts.append(torch.full_like(parameter.detach().reshape(-1), value))
    return torch.cat(parts)


def largest_formula(each: Trained, alphas: Sequence[float]) -> float:
    """Largest eigenvalue of D^-1 H D^-1, H the net's own Hessian."""
    at = each.at(each.folded)
    return largest(hessian(rescaled(at, 1 / factors_of(each.folded, alphas)))).value


def largest_measured(each: Trained, alphas: Sequence[float]) -> float:
    """Largest eigenvalue of the Hessian at the rescaled net."""
    return largest(hessian(each.at(moved(each, alphas)))).value


def lambda_errors(
    trained: Sequence[Trained], factor: float
) -> Float[np.ndarray, " instances"]:
    """Relative error of the formula for the largest eigenvalue."""
    alphas = [ends(factor, each.config.depth) for each in trained]
    return np.array(
        [
            relative(largest_formula(each, a), largest_measured(each, a))
            for each, a in zip(trained, alphas, strict=True)
        ]
    )


@dataclass(frozen=True)
class Sharpened:
    """A net rescaled until its trace is `SHARPER` times its own.

    Attributes:
        factor: a.
        times: how much sharper it became; NaN if its last layer has no curvature.
        outputs: largest change of a test output over the largest output.
        predictions: share of the test predictions that changed.
    """

    factor: float
    times: float
    outputs: float
    predictions: float

    @property
    def miss(self) -> float:
        """|times / SHARPER - 1|, 1 where there is no number."""
        return 1.0 if np.isnan(self.times) else abs(self.times / SHARPER - 1)


def sharpen(each: Trained) -> Sharpened:
    """Rescale a net to `SHARPER` times its trace."""
    formula = curve(of_net(each))
    if not formula.last > 0:
        return Sharpened(1.0, np.nan, 0.0, 0.0)
    a = formula.reaching(SHARPER * float(formula.at(1.0)))
    net = moved(each, ends(a, each.config.depth))
    before, after = outputs(each, each.folded), outputs(each, net)
    changed = before.argmax(dim=1) != after.argmax(dim=1)
    return Sharpened(
        a,
        trace(each, net) / trace(each, each.folded),
        change(before, after),
        float(changed.double().mean()),
    )


def outputs(each: Trained, net: nn.Module) -> Tensor:
    """Outputs on the test set."""
    with torch.no_grad():
        return net(each.test_x)


def change(before: Tensor, after: Tensor) -> float:
    """Largest change of an output over the largest output."""
    return float((after - before).abs().max() / before.abs().max())


@dataclass(frozen=True)
class Least:
    """How flat rescaling makes a net.

    Attributes:
        trace: as it is.
        ends: least over first layer times a, last over a.
        layers: least over all rescalings of layers: minimum sharpness.
        units: least over the scales of all hidden units.
    """

    trace: float
    ends: float
    layers: float
    units: float


def least(each: Trained) -> Least:
    """The least traces of a net, each over more rescalings than the one before."""
    of = of_net(each)
    problem_ = (each.folded, each.x, each.y, each.config.loss)
    return Least(
        trace=of.at(np.ones(len(of.weights))),
        ends=curve(of).least,
        layers=minimum_sharpness(*problem_).value,
        units=unit_minimum_sharpness(*problem_).value,
    )


def shares_left(found: Sequence[Least]) -> Float[np.ndarray, " nets"]:
    """Least trace over the scales of units over the net's own; 1 if it has none."""
    return np.array([each.units / each.trace if each.trace else 1.0 for each in found])


def times_flatter(found: Sequence[Least]) -> Float[np.ndarray, " nets"]:
    """The net's own trace over the least one; 1 if it has none."""
    return np.array([each.trace / each.units if each.units else 1.0 for each in found])


def random_alphas(depth: int, seed: int) -> list[float]:
    """Factors from about 1/10 to 10 with product 1."""
    logs = np.random.default_rng(seed).normal(size=depth)
    return np.exp(logs - logs.mean()).tolist()


def minimum_changes(
    trained: Sequence[Trained], repeats: int
) -> Float[np.ndarray, " instances"]:
    """Relative change of minimum sharpness under random rescalings of layers."""
    changes = []
    for each in trained:
        before = minimum_sharpness(each.folded, each.x, each.y, each.config.loss)
        for k in range(repeats):
            net = moved(each, random_alphas(each.config.depth, k))
            after = minimum_sharpness(net, each.x, each.y, each.config.loss)
            changes.append(relative(after.value, before.value))
    return np.array(changes)


def printed_change(each: Trained, alphas: Sequence[float], *, products: bool) -> float:
    """Change of the outputs if biases take their own alpha, or the product so far."""
    net = moved(each, alphas)
    if not products:
        with torch.no_grad():
            pairs = zip(layers(each.folded), layers(net), alphas, strict=True)
            for old, new, alpha in pairs:
                if new.bias is not None and old.bias is not None:
                    new.bias.copy_(alpha * old.bias)
    return change(outputs(each, each.folded), outputs(each, net))


def edge(trained: Sequence[Trained], factor: float) -> Float[np.ndarray, " nets"]:
    """ln(eta lambda_max / 2) of every net with its ends rescaled by a factor."""
    values = []
    for each in trained:
        value = largest_measured(each, ends(factor, each.config.depth))
        if value > 0:
            values.append(np.log(each.config.lr * value / 2))
    return np.array(values)


def log_rise(trained: Sequence[Trained], factor: float) -> Float[np.ndarray, " nets"]:
    """ln of the measured trace after rescaling the ends over that before."""
    values = []
    for each in trained:
        before = trace(each, each.folded)
        after = trace(each, moved(each, ends(factor, each.config.depth)))
        if before > 0 and after > 0:
            values.append(np.log(after / before))
    return np.array(values)


@dataclass(frozen=True)
class Attempts:
    """What came of sharpening several nets; a net that is missing counts as 1.

    Attributes:
        outputs: change of an output or miss of the trace, the larger, one a net.
        predictions: the same with the share of predictions that changed.
        said: how the nets compare with the source's own, for the scorecard.
    """

    outputs: Float[np.ndarray, " nets"]
    predictions: Float[np.ndarray, " nets"]
    said: str


def attempts(trained: Sequence[Trained]) -> Attempts:
    """Sharpen every net."""
    found = [sharpen(each) for each in trained]
    said = talk.scale(trained[0].config) if trained else "every run diverged"
    return Attempts(
        some([max(each.outputs, each.miss) for each in found]),
        some([max(each.predictions, each.miss) for each in found]),
        said,
    )


def some(errors: Sequence[float] | np.ndarray) -> Float[np.ndarray, " instances"]:
    """The errors; 1, which no claim bears, where there is no instance."""
    values = np.asarray(errors, float)
    return values if values.size else np.ones(1)


def least_table(trained: Sequence[Trained], found: Sequence[Least]) -> pd.DataFrame:
    """The least traces, a row a net."""
    rows = [
        {
            "seed": each.config.data_seed,
            "trace": one.trace,
            "two ends": one.ends,
            "layers (minimum sharpness)": one.layers,
            "units": one.units,
            "units / trace": one.units / one.trace if one.trace else np.nan,
        }
        for each, one in zip(trained, found, strict=True)
    ]
    columns = ["seed", "trace", "two ends", "layers (minimum sharpness)"]
    columns += ["units", "units / trace"]
    return pd.DataFrame(rows, columns=columns).set_index("seed")


def further(
    starts: Float[np.ndarray, " nets"], orders: Float[np.ndarray, " nets"]
) -> Float[np.ndarray, " nets"]:
    """ln of the distance between starts over that between orders, if above 0."""
    both = (starts > 0) & (orders > 0)
    return np.log(starts[both] / orders[both])
