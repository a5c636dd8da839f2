"""Noisy descent beside the flows: its steps, and their projection to {f = y}.

The compiled loop is `kernels.noisy`; this is its door. The projection Phi(theta) is
the limit of gradient flow from theta (Li, Wang and Arora, arXiv 2110.06914): for a
point near {f = y} the interpolator that belongs to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from flatminima.flows.diagonal import Diagonal
from flatminima.flows.factorisation import Factorisation
from flatminima.flows.model import Theta
from flatminima.flows.sharpness_flow import land
from flatminima.flows.two_layer import TwoLayer
from flatminima.kernels import noisy

Model = Diagonal | TwoLayer | Factorisation

CHUNK = 4096
"""Steps that are drawn at a time."""

SHARE = 0.5
"""Length of a step of the projection, over 1 / Tr."""

NEAR = 1e-9
"""Loss over the mean of y^2 from which Gauss-Newton takes over. It moves a point by
about the root of it, and differs from the flow by its square."""

FEW = 1e-4
"""Loss over the mean of y^2 from which Gauss-Newton may finish a flow that was cut."""

MOST_STEPS = 20_000
"""Runge-Kutta steps of one projection."""

DEGREES = 3
"""Of Student's distribution, where tails are heavy: the fewest with a variance."""

RULES = {"plain": noisy.PLAIN, "ascent": noisy.ASCENT, "adam": noisy.ADAM}


@dataclass(frozen=True)
class Arrays:
    """A model as the compiled loop takes it.

    Attributes:
        kind: number of the model.
        x: inputs, or measurements by rows.
        y: labels.
        units: that dropout may take away.
        size: number of parameters, D.
    """

    kind: int
    x: Float[np.ndarray, "n features"]
    y: Float[np.ndarray, " n"]
    units: int
    size: int


def arrays_of(model: Model) -> Arrays:
    """The arrays of a model.

    Raises:
        ValueError: for a network whose activation is not tanh, or a factorisation that
            is not square.
    """
    if isinstance(model, Diagonal):
        z = np.ascontiguousarray(model.z)
        return Arrays(noisy.SQUARES, z, model.y, z.shape[1], 2 * z.shape[1])
    if isinstance(model, TwoLayer):
        if model.activation != "tanh":
            raise ValueError(f"activation = {model.activation!r}: must be 'tanh'")
        x = np.ascontiguousarray(model.x)
        return Arrays(noisy.TANH, x, model.y, model.width, model.size)
    n, p, q = model.a.shape
    if p != q:
        raise ValueError(f"a: has measurements of {p} x {q}; must be square")
    flat = np.ascontiguousarray(model.a.reshape(n, p * q))
    return Arrays(noisy.MATRIX, flat, model.y, model.rank, 2 * p * model.rank)


@dataclass(frozen=True)
class Noise:
    """What a step is.

    Attributes:
        batch: examples, drawn with replacement; 0 for all of them, none drawn.
        labels: standard deviation by which every label of a step is moved, afresh.
        tails: distribution of that: "signs" for +-labels, "student" for Student's with
            three degrees of freedom.
        dropout: probability with which a unit is 0 in a step; the others are divided
            by what is left.
        shape: matrix B; B times a standard normal vector is added to the gradient.
        rule: "plain" for SGD, "ascent" for SAM with one normalised ascent of the whole
            batch, "adam".
        rho: length of the ascent.
        decay: Adam's two factors.
        floor: what Adam adds to the root of its mean of squares.

    Raises:
        ValueError: if a value is out of range.
    """

    batch: int = 0
    labels: float = 0.0
    tails: str = "signs"
    dropout: float = 0.0
    shape: Float[np.ndarray, "D k"] | None = None
    rule: str = "plain"
    rho: float = 0.0
    decay: tuple[float, float] = (0.9, 0.999)
    floor: float = 1e-8

    def __post_init__(self) -> None:
        for name, value, most in (
            ("batch", self.batch, np.inf),
            ("labels", self.labels, np.inf),
            ("rho", self.rho, np.inf),
            ("dropout", self.dropout, 1.0),
            ("decay[0]", self.decay[0], 1.0),
            ("decay[1]", self.decay[1], 1.0),
        ):
            if not 0 <= value < most:
                allowed = f"at least 0 and below {most:g}"
                raise ValueError(f"{name} = {value}: must be {allowed}")
        if not self.floor > 0:
            raise ValueError(f"floor = {self.floor}: must be above 0")
        if self.tails not in ("signs", "student") or self.rule not in RULES:
            raise ValueError(
                f"tails, rule = {self.tails!r}, {self.rule!r}: must be 'signs' or "
                f"'student', and one of {', '.join(RULES)}"
            )


def walk(
    model: Model,
    noise: Noise,
    start: Theta,
    steps: Sequence[int] | Int[np.ndarray, " points"],
    *,
    lr: float,
    rng: np.random.Generator,
) -> Float[np.ndarray, "points D"]:
    """Take steps from a start, and keep the parameters at given ones.

    Args:
        model: the model.
        noise: what a step is.
        start: before the first.
        steps: ascending, each at least 1.
        lr: learning rate, above 0.
        rng: draws examples, noise and masks.

    Returns:
        One row a step; NaN from where the parameters are lost on.

    Raises:
        ValueError: if lr or steps are not as above, if the start has not D entries or
            the noise's shape not D rows, or as `arrays_of`.
    """
    wanted = np.asarray(steps, dtype=int)
    if not 0 < lr < np.inf:
        raise ValueError(f"lr = {lr}: must be above 0 and finite")
    if not wanted.size or wanted[0] < 1 or (np.diff(wanted) < 0).any():
        raise ValueError(f"steps = {steps}: must ascend, from at least 1")
    given, theta = arrays_of(model), np.array(start, dtype=float)
    if theta.shape != (given.size,):
        found = _count(theta.shape)
        raise ValueError(f"start: must have {given.size} entries, not {found}")
    if noise.shape is not None and noise.shape.shape[:-1] != (given.size,):
        found = f"of shape {noise.shape.shape}"
        raise ValueError(f"shape: must be a matrix of {given.size} rows, not {found}")
    memory = np.zeros((2, theta.size))
    kept = np.full((wanted.size, theta.size), np.nan)
    now = 0
    for k, step in enumerate(wanted):
        while now < step:
            size = min(CHUNK, int(step) - now)
            draws = draw(noise, given, size, theta.size, rng)
            done = noisy.run(
                given.kind,
                *(theta, memory, given.x, given.y, *draws),
                *(RULES[noise.rule], lr, noise.rho, np.array(noise.decay)),
                *(noise.floor, now),
            )
            now += size
            if done < size:
                return kept
        kept[k] = theta
    return kept


def draw(
    noise: Noise, given: Arrays, steps: int, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Examples, moves of their labels, masks and kicks of so many steps."""
    n = len(given.y)
    if noise.batch:
        rows = rng.integers(0, n, (steps, noise.batch))
    else:
        rows = np.broadcast_to(np.arange(n), (steps, n)).copy()
    moved: np.ndarray = np.zeros(rows.shape)
    if noise.labels > 0 and noise.tails == "signs":
        moved = noise.labels * (2.0 * rng.integers(0, 2, rows.shape) - 1.0)
    elif noise.labels > 0:
        unit = np.sqrt(DEGREES / (DEGREES - 2))
        moved = noise.labels / unit * rng.standard_t(DEGREES, rows.shape)
    masks: np.ndarray = np.ones((1, given.units))
    if noise.dropout > 0:
        left = 1 - noise.dropout
        masks = (rng.random((steps, given.units)) < left) / left
    kicks: np.ndarray = np.zeros((1, size))
    if noise.shape is not None:
        kicks = rng.standard_normal((steps, noise.shape.shape[1])) @ noise.shape.T
    return rows, moved, masks, kicks


def project(
    model: Model, points: Float[np.ndarray, "points D"]
) -> Float[np.ndarray, "points D"]:
    """Phi of every point: where gradient flow from it meets {f = y}.

    Gradient flow of (1/2n) sum (f - y)^2 by Runge-Kutta steps, and the last piece by
    Gauss-Newton. `gradient_flow.settle` has the same limit by an adaptive solver, and
    takes far longer.

    Args:
        model: the model.
        points: one a row.

    Returns:
        NaN for points that are not finite, or whose flow meets no interpolator.

    Raises:
        ValueError: if a point has not D entries, or as `arrays_of`.
    """
    given = arrays_of(model)
    if points.shape[1:] != (given.size,):
        count = _count(points.shape[1:])
        raise ValueError(f"points: each must have {given.size} entries, not {count}")
    unit = float(np.mean(model.y**2)) or 1.0
    found = np.full(points.shape, np.nan)
    for k, point in enumerate(points):
        if not np.isfinite(point).all():
            continue
        theta = np.array(point, dtype=float)
        loss, _ = noisy.descend(
            given.kind,
            *(theta, given.x, given.y, np.ones(given.units)),
            *(SHARE, NEAR * unit, MOST_STEPS),
        )
        landed = land(model, theta) if loss <= FEW * unit else None
        if landed is not None:
            found[k] = landed
    return found


def _count(shape: tuple[int, ...]) -> str:
    """How many entries a row has, or the shape of what is no row."""
    return str(shape[0]) if len(shape) == 1 else f"those of shape {shape}"
