"""Minimisers of small models, walks along them, and starts that never reach them."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
import scipy.linalg
from jaxtyping import Float

from flatminima.data.streams import generator
from flatminima.flows.model import Fitted, Theta
from flatminima.flows.sharpness_flow import land, tangential
from flatminima.flows.two_layer import TwoLayer

NULL = 1e-10
"""Share of the largest eigenvalue up to which one counts as 0."""

ATTEMPTS = 20
"""Starts from which a minimiser is looked for."""

STEPS = (1e-3, 2e-3, 5e-3, 1e-2)
"""Lengths of tangent steps, over the norm of the point."""

WALK = ["at", "turn", "rank", "smallest"]
"""Columns of a walk."""

GAP = 0.01
"""Largest distance of neighbours on a chain between minimisers, over that of its
ends."""

DEPTH = 16
"""How often a stretch of such a chain may be halved."""


def network(
    seed: int,
    *,
    d: int,
    n: int,
    width: int,
    activation: str = "tanh",
    labels: int = 0,
) -> TwoLayer:
    """A two-layer network with biases on random points with random labels.

    Args:
        seed: draws points and labels.
        d: inputs, before a 1 for the bias is added.
        n: examples.
        width: hidden units.
        activation: as in `TwoLayer`.
        labels: which draw of the labels.

    Raises:
        ValueError: if n is below 1.
    """
    if n < 1:
        raise ValueError(f"n = {n}: allowed are 1 <= n")
    x = generator(seed, "data").standard_normal((n, d))
    y = np.random.default_rng([seed, labels, 1]).standard_normal(n)
    return TwoLayer(np.hstack([x, np.ones((n, 1))]), y, width, activation)


def start_of(model: TwoLayer, seed: int, attempt: int = 0) -> Theta:
    """Weights whose pre-activations and outputs are of order one."""
    rng = np.random.default_rng([seed, attempt, 2])
    d = model.x.shape[1]
    w = rng.standard_normal((model.width, d)) / d**0.5
    v = rng.standard_normal(model.width) / model.width**0.5
    return np.concatenate([w.ravel(), v])


def minimiser(model: TwoLayer, seed: int) -> Theta | None:
    """A point of {f = y}, by Gauss-Newton from random starts; None if none is found."""
    for attempt in range(ATTEMPTS):
        theta = land(model, start_of(model, seed, attempt))
        if theta is not None:
            return theta
    return None


def spectrum(model: Fitted, theta: Theta) -> Float[np.ndarray, " n"]:
    """Eigenvalues of the tangent kernel, ascending, over the largest."""
    values = np.linalg.eigvalsh(model.tangent(theta).gram())
    return values / values[-1] if values[-1] > 0 else np.zeros_like(values)


def rank(model: Fitted, theta: Theta) -> int:
    """Of the tangent kernel, and so of the Hessian at a minimiser."""
    return int(np.sum(spectrum(model, theta) > NULL))


SLOPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "squared": lambda r: r,
    "log cosh": np.tanh,
    "quartic": lambda r: 4 * r**3,
}
"""Derivatives of losses of one example, r^2 / 2, log cosh(r) and r^4, in r = f - y."""


def hessian(
    model: TwoLayer, theta: Theta, loss: str = "squared"
) -> Float[np.ndarray, "D D"]:
    """Hess L, by central differences of the gradient, which is in closed form.

    Args:
        model: the model.
        theta: where.
        loss: of one example, one of `SLOPES`; L is its mean.
    """

    def gradient(at: Theta) -> Theta:
        here = model.tangent(at)
        return here.pull_back(SLOPES[loss](here.f - model.y) / len(model.y))[0]

    h = 1e-5
    rows = [
        (gradient(theta + h * e) - gradient(theta - h * e)) / (2 * h)
        for e in np.eye(len(theta))
    ]
    return np.array(rows)


def dimensions(models: Iterable[TwoLayer], seeds: Sequence[int]) -> pd.DataFrame:
    """What the Hessian says at one minimiser of each model.

    Returns:
        A row a model: seed, D, n, zeros (eigenvalues of Hess L that are 0), rank (of
        the tangent kernel), smallest (of its eigenvalues, over the largest), and power
        (of the distance to {f = y} in the length of a tangent step); NaN where no
        minimiser is found.
    """
    rows = []
    for seed, model in zip(seeds, models, strict=True):
        row: dict[str, float] = {"seed": seed, "D": model.size, "n": len(model.y)}
        theta = minimiser(model, seed)
        if theta is not None:
            values = np.linalg.eigvalsh(hessian(model, theta))
            row |= {
                # differences of gradients know the zeros to about 1e-10 of the rest
                "zeros": int(np.sum(np.abs(values) <= 1e-8 * values[-1])),
                "rank": rank(model, theta),
                "smallest": float(spectrum(model, theta)[0]),
                "power": tangent_power(model, theta, seed),
            }
        rows.append(row)
    columns = ["seed", "D", "n", "zeros", "rank", "smallest", "power"]
    return pd.DataFrame(rows, columns=columns)


def other_losses(models: Iterable[TwoLayer], seeds: Sequence[int]) -> pd.DataFrame:
    """What the Hessians of two other losses say at the minimisers of `dimensions`.

    Returns:
        A row a model: seed, D, n, zeros (eigenvalues of the Hessian of the mean of
        log cosh(f - y) that are 0) and quartic (largest eigenvalue of that of the mean
        of (f - y)^4, over that of the mean of half the squared error); NaN where no
        minimiser is found.
    """
    rows = []
    for seed, model in zip(seeds, models, strict=True):
        row: dict[str, float] = {"seed": seed, "D": model.size, "n": len(model.y)}
        theta = minimiser(model, seed)
        if theta is not None:
            values = {
                name: np.abs(np.linalg.eigvalsh(hessian(model, theta, name)))
                for name in SLOPES
            }
            largest = values["log cosh"].max()
            row |= {
                "zeros": int(np.sum(values["log cosh"] <= 1e-8 * largest)),
                "quartic": float(values["quartic"].max() / values["squared"].max()),
            }
        rows.append(row)
    return pd.DataFrame(rows, columns=["seed", "D", "n", "zeros", "quartic"])


def ranks(
    seeds: Iterable[int], draws: int, *, activation: str = "tanh", **size: int
) -> pd.DataFrame:
    """Rank of the tangent kernel at a minimiser, for many draws of the labels.

    Returns:
        A row a draw: seed, labels, rank and smallest (eigenvalue, over the largest);
        NaN where no minimiser is found.
    """
    rows = []
    for seed in seeds:
        for labels in range(draws):
            model = network(seed, activation=activation, labels=labels, **size)
            theta = minimiser(model, seed)
            row: dict[str, float] = {"seed": seed, "labels": labels}
            if theta is not None:
                row["rank"] = rank(model, theta)
                row["smallest"] = float(spectrum(model, theta)[0])
            rows.append(row)
    return pd.DataFrame(rows, columns=["seed", "labels", "rank", "smallest"])


def tangent_power(model: Fitted, theta: Theta, seed: int) -> float:
    """The power of the distance to {f = y} in the length of a tangent step."""
    rng = np.random.default_rng([seed, 3])
    along = tangential(model.tangent(theta), rng.standard_normal(len(theta)))
    along /= np.linalg.norm(along)
    distances = []
    for share in STEPS:
        off = theta + share * np.linalg.norm(theta) * along
        back = land(model, off)
        distances.append(np.nan if back is None else np.linalg.norm(back - off))
    return _power(np.array(STEPS), np.array(distances))


def _power(x: np.ndarray, y: np.ndarray) -> float:
    """Slope of log y against log x; NaN where it has none."""
    if not np.isfinite(y).all() or (y <= 0).any() or len(y) < 2:
        return np.nan
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def walk(
    model: TwoLayer, theta: Theta, seed: int, *, length: float, steps: int
) -> pd.DataFrame:
    """Go along {f = y}, straight on.

    Each step follows the direction of the last one, projected on the tangent space.

    Args:
        model: the model.
        theta: a point of {f = y}.
        seed: draws the first direction.
        length: of the walk, over the norm of theta.
        steps: into which it is cut.

    Returns:
        A row a step that lands: at (length so far, over that norm), turn (largest angle
        between the normal spaces before and after), rank, smallest (eigenvalue of the
        tangent kernel over the largest).
    """
    rng = np.random.default_rng([seed, 4])
    unit = float(np.linalg.norm(theta))
    h, direction, rows = length / steps * unit, rng.standard_normal(len(theta)), []
    normal = _normal(model, theta)
    for k in range(1, steps + 1):
        direction = tangential(model.tangent(theta), direction)
        direction *= 1 / np.linalg.norm(direction)
        landed = land(model, theta + h * direction)
        if landed is None:
            break
        theta, before, normal = landed, normal, _normal(model, landed)
        turn = float(scipy.linalg.subspace_angles(before, normal)[0])
        values = spectrum(model, theta)
        rows.append(
            {
                "at": k * length / steps,
                "turn": turn,
                "rank": int(np.sum(values > NULL)),
                "smallest": float(values[0]),
            }
        )
    return pd.DataFrame(rows, columns=WALK)


def _normal(model: TwoLayer, theta: Theta) -> Float[np.ndarray, "D n"]:
    """The gradients of the outputs, as columns."""
    return model.tangent(theta).jacobian.T


def walks(
    models: Sequence[TwoLayer],
    seeds: Sequence[int],
    *,
    length: float,
    cuts: Sequence[int],
) -> pd.DataFrame:
    """Walks from a minimiser of each model, in finer and finer steps.

    Returns:
        The rows of `walk`, with seed, activation and steps.
    """
    parts = []
    for seed, model in zip(seeds, models, strict=True):
        theta = minimiser(model, seed)
        if theta is None:
            continue
        for steps in cuts:
            rows = walk(model, theta, seed, length=length, steps=steps)
            activation = model.activation
            parts.append(rows.assign(seed=seed, activation=activation, steps=steps))
    if not parts:
        return pd.DataFrame(columns=[*WALK, "seed", "activation", "steps"])
    return pd.concat(parts, ignore_index=True)


def turn_powers(table: pd.DataFrame, activation: str) -> Float[np.ndarray, " seeds"]:
    """The power of the largest turn of a walk in its steps' length, for each seed."""
    rows = table[table["activation"] == activation]
    powers = []
    for _, each in rows.groupby("seed"):
        largest = each.groupby("steps")["turn"].max()
        powers.append(_power(1 / largest.index.to_numpy(float), largest.to_numpy()))
    return np.array([power for power in powers if np.isfinite(power)])


def joined(model: TwoLayer, seed: int) -> dict[str, float]:
    """Join two minimisers by a chain of minimisers, by bisection.

    Between two neighbours that are apart their midpoint is brought to {f = y}, as long
    as what comes back is nearer to both than they are to each other.

    Args:
        model: the network.
        seed: of the two starts.

    Returns:
        distance (of the minimisers), gap (largest distance of neighbours over it),
        length (of the chain, over it), points, and loss (largest mean squared error at
        them). NaN where a minimiser is missing or the chain breaks.
    """
    ends = [land(model, start_of(model, seed, k)) for k in (0, 1)]
    names = ("distance", "gap", "length", "points", "loss")
    nothing = dict.fromkeys(names, np.nan)
    if ends[0] is None or ends[1] is None:
        return nothing
    distance = float(np.linalg.norm(ends[1] - ends[0]))
    rest = _between(model, ends[0], ends[1], GAP * distance, DEPTH)
    if rest is None:
        return nothing
    path = np.array([ends[0], *rest])
    moves = np.linalg.norm(np.diff(path, axis=0), axis=1) / distance
    missed = max(float(np.mean((model.tangent(p).f - model.y) ** 2)) for p in path)
    values = (distance, moves.max(), moves.sum(), len(path), missed)
    return dict(zip(names, map(float, values), strict=True))


def _between(
    model: TwoLayer, a: Theta, b: Theta, gap: float, depth: int
) -> list[Theta] | None:
    """Minimisers from behind a to b, none farther than `gap` from the one before."""
    apart = np.linalg.norm(b - a)
    if apart <= gap:
        return [b]
    middle = land(model, (a + b) / 2)
    if middle is None or depth == 0:
        return None
    if max(np.linalg.norm(middle - a), np.linalg.norm(middle - b)) >= apart:
        return None
    first = _between(model, a, middle, gap, depth - 1)
    last = _between(model, middle, b, gap, depth - 1)
    return None if first is None or last is None else first + last


def missed(holds: pd.Series) -> Float[np.ndarray, " instances"]:
    """An error of 1 for every instance of which something does not hold."""
    return (~holds.astype(bool)).to_numpy(float)
