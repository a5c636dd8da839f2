"""Kinds of noise at one point of {f = y}, of equal size where they have one."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float

from flatminima.flows.model import Theta
from flatminima.flows.noise import Model, Noise
from flatminima.flows.sharpness_flow import tangential

DELTA = 0.5
"""By which labels are moved, where they are."""

DROPPED = 0.1
"""Share of units that dropout takes away."""

SOME = 4
"""Examples of the larger batch."""

NUDGE = 1e-3
"""How far SAM starts from {f = y}, over its radius: on it there is no way up."""

LABELS, SOME_LABELS, ALL_LABELS = "labels", "labels, batch 4", "labels, all examples"
TAILS = "labels, heavy tails"
SHAPED, NORMAL, TOP = "Gaussian, shape of H", "Gaussian, normal", "Gaussian, top"
ALONG, ISOTROPIC = "Gaussian, along Γ", "Gaussian, isotropic"
BATCHES, EARLY, DESCENT = "mini-batches", "mini-batches, unfitted", "GD, unfitted"
DROPOUT, ONE_SAM, N_SAM, ADAM = "dropout", "1-SAM", "n-SAM", "Adam, labels"

EVERY = (
    *(LABELS, SOME_LABELS, ALL_LABELS, TAILS, SHAPED, NORMAL, TOP, ALONG, ISOTROPIC),
    *(BATCHES, EARLY, DESCENT, DROPOUT, ONE_SAM, N_SAM, ADAM),
)
"""All rules, in the order of tables."""


@dataclass(frozen=True)
class Rule:
    """One kind of noise at an instance.

    Attributes:
        name: of it.
        noise: what a step is.
        start: where it starts.
        lr: learning rate.
    """

    name: str
    noise: Noise
    start: Theta
    lr: float


@dataclass(frozen=True)
class Frame:
    """The Hessian at a point of {f = y}, by directions.

    Attributes:
        eigenvalues: its n that are not 0, ascending.
        normal: their directions, one a column.
        along: the other directions, a basis of the tangent space of {f = y}.
    """

    eigenvalues: Float[np.ndarray, " n"]
    normal: Float[np.ndarray, "D n"]
    along: Float[np.ndarray, "D rest"]


def jacobian(model: Model, theta: Theta) -> Float[np.ndarray, "n D"]:
    """grad f_i, one a row."""
    at = model.tangent(theta)
    return np.array([at.pull_back(row)[0] for row in np.eye(len(model.y))])


def frame(model: Model, theta: Theta) -> Frame:
    """The frame of a point, by a singular value decomposition of the Jacobian."""
    n = len(model.y)
    _, values, right = np.linalg.svd(jacobian(model, theta))
    order = np.arange(n)[::-1]
    return Frame(values[order] ** 2 / n, right[order].T, right[n:].T)


def shapes(of: Frame, variance: float) -> dict[str, Float[np.ndarray, "D k"]]:
    """Shapes of noise whose covariances all have the same trace.

    Args:
        of: directions.
        variance: the trace.

    Returns:
        B by name, the covariance being B B^T: as H; equal in the n directions normal to
        {f = y}; in the direction of the largest eigenvalue; equal in all directions
        along {f = y}; equal in all directions.
    """
    everywhere = np.hstack([of.normal, of.along])
    bases = {
        SHAPED: of.normal * np.sqrt(of.eigenvalues),
        NORMAL: of.normal,
        TOP: of.normal[:, -1:],
        ALONG: of.along,
        ISOTROPIC: everywhere,
    }
    return {
        name: basis * np.sqrt(variance / np.sum(basis**2))
        for name, basis in bases.items()
    }


def rules(
    model: Model, start: Theta, *, rate: float, rng: np.random.Generator
) -> dict[str, Rule]:
    """All rules at a point of {f = y}.

    Noise on labels has the covariance delta^2 H / b. Gaussian noise has the trace of
    that for b = 1, with all examples a step. The radius of SAM is such that to first
    order 1-SAM lowers the trace as fast as label noise does: rho^2 = lr delta^2 / 2.

    Args:
        model: the model.
        start: a point of {f = y}.
        rate: lr Tr, of all rules but Adam.
        rng: draws where rules start that do not start there.
    """
    trace = model.trace(start)
    lr = rate / trace
    of = frame(model, start)
    n = len(model.y)
    rho = DELTA * np.sqrt(lr / 2)
    near = start + NUDGE * rho * rng.standard_normal(len(start))
    signs = rng.choice([-1.0, 1.0], n)
    unfitted = start + np.linalg.pinv(jacobian(model, start)) @ (DELTA * signs)
    noises = {
        LABELS: Noise(batch=1, labels=DELTA),
        SOME_LABELS: Noise(batch=SOME, labels=DELTA),
        ALL_LABELS: Noise(labels=DELTA),
        TAILS: Noise(batch=1, labels=DELTA, tails="student"),
        **{
            name: Noise(shape=shape)
            for name, shape in shapes(of, DELTA**2 * trace).items()
        },
        BATCHES: Noise(batch=1),
        EARLY: Noise(batch=1),
        DESCENT: Noise(),
        DROPOUT: Noise(batch=1, dropout=DROPPED),
        ONE_SAM: Noise(batch=1, rule="ascent", rho=rho),
        N_SAM: Noise(rule="ascent", rho=rho),
        ADAM: Noise(batch=1, labels=DELTA, rule="adam"),
    }
    starts = {EARLY: unfitted, DESCENT: unfitted, ONE_SAM: near, N_SAM: near}
    # Adam divides by the root of the mean of g_j^2, delta^2 H_jj in its mean over j
    adam = lr * DELTA * np.sqrt(trace / len(start))
    return {
        name: Rule(
            name, noises[name], starts.get(name, start), adam if name == ADAM else lr
        )
        for name in EVERY
    }


def drift(model: Model, start: Theta, shape: Float[np.ndarray, "D k"]) -> Theta:
    """Direction of the drift along {f = y} that small noise of a shape makes.

    Noise of covariance Sigma, normal to {f = y}, has the stationary covariance S with
    H S + S H = lr Sigma, and S moves the point by -(1/2) P grad^3 L [S], with P the
    projection to the tangent space: the framework for arbitrary covariances of Li, Wang
    and Arora (arXiv 2110.06914). At f = y the tangential part of grad^3 L [S] is that
    of the gradient of (1/n) sum grad f_i^T S grad f_i, S held. For Sigma = H it is that
    of Tr / 2.

    Args:
        model: the model.
        start: a point of {f = y}.
        shape: B, with covariance B B^T, of which only the normal part counts.

    Returns:
        The direction, lr = 1.
    """
    of = frame(model, start)
    inside = of.normal.T @ shape
    both = of.eigenvalues[:, None] + of.eigenvalues[None, :]
    spread = (inside @ inside.T) / both
    values, vectors = np.linalg.eigh(spread)
    root = of.normal @ (vectors * np.sqrt(np.clip(values, 0, None)))

    def energy(theta: Theta) -> float:
        return float(np.sum((jacobian(model, theta) @ root) ** 2)) / len(model.y)

    return -0.5 * tangential(model.tangent(start), slope(energy, start))


def slope(value: Callable[[Theta], float], theta: Theta, step: float = 1e-5) -> Theta:
    """Gradient by central differences."""
    each = step * np.eye(len(theta))
    return np.array([value(theta + e) - value(theta - e) for e in each]) / (2 * step)


def log_determinant(model: Model, theta: Theta) -> float:
    """log of the product of the eigenvalues of H that are not 0."""
    return float(np.sum(np.log(frame(model, theta).eigenvalues)))


def largest(model: Model, theta: Theta) -> float:
    """lambda_max of H."""
    gram = model.tangent(theta).gram() / len(model.y)
    return float(np.linalg.eigvalsh(gram)[-1])


def root_diagonal(model: Model, theta: Theta) -> float:
    """tr Diag(H)^(1/2), which Adam lowers (Li, Wen and Lyu, arXiv 2511.02773)."""
    return float(np.sum(np.sqrt(np.mean(jacobian(model, theta) ** 2, axis=0))))


MEASURES: dict[str, Callable[[Model, Theta], float]] = {
    "Tr H": lambda model, theta: model.trace(theta),
    "λ max": largest,
    "log det H": log_determinant,
    "tr Diag(H)^½": root_diagonal,
}
"""Measures of sharpness, by name."""


def directions(model: Model, start: Theta) -> dict[str, Theta]:
    """-grad_Gamma of every measure at a point of {f = y}."""
    at = model.tangent(start)
    return {name: -tangential(at, each) for name, each in slopes(model, start).items()}


def slopes(model: Model, theta: Theta) -> dict[str, Theta]:
    """Gradients of all measures, not projected."""
    return {
        name: slope(partial(measure, model), theta)
        for name, measure in MEASURES.items()
    }


def adaptive(model: Model, start: Theta) -> Theta:
    """The direction in which Adam lowers tr Diag(H)^(1/2) along {f = y}.

    -(M - M J^T (J M J^T)^-1 J M) grad tr Diag(H)^(1/2), with M = Diag(H)^(-1/2): the
    steepest descent in the metric of Adam's own steps.
    """
    rows = jacobian(model, start)
    metric = 1 / np.sqrt(np.mean(rows**2, axis=0))
    moved = metric * slopes(model, start)["tr Diag(H)^½"]
    inside = (rows * metric) @ rows.T
    return -(moved - metric * (np.linalg.solve(inside, rows @ moved) @ rows))


def theory(model: Model, start: Theta) -> dict[str, Theta]:
    """The direction that small-step theory has for every rule that has one.

    The trace for labels, mini-batches that are not fitted and 1-SAM; the largest
    eigenvalue for n-SAM (Wen, Ma and Li, arXiv 2211.05729); `adaptive` for Adam;
    `drift` for Gaussian noise normal to {f = y}.
    """
    along = directions(model, start)
    by_trace = (LABELS, SOME_LABELS, ALL_LABELS, TAILS, EARLY, ONE_SAM)
    by_shape = shapes(frame(model, start), 1.0)
    return {
        **dict.fromkeys(by_trace, along["Tr H"]),
        **{name: drift(model, start, by_shape[name]) for name in (SHAPED, NORMAL, TOP)},
        N_SAM: along["λ max"],
        ADAM: adaptive(model, start),
    }
