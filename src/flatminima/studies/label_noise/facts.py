"""What can be computed of the quadratic model without a run: formulas, and the flow."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from flatminima.data.regression import sparse
from flatminima.flows.any_model import AnyModel
from flatminima.flows.diagonal import Diagonal
from flatminima.flows.gradient_flow import settle
from flatminima.flows.sharpness_flow import (
    SharpnessFlow,
    land,
    reduction,
    sharpness_flow,
)
from flatminima.sharpness.landscape import landscape
from flatminima.theory.certificates.basis_pursuit import basis_pursuit

LONG = 3000
"""Steps, at most, of a flow that is to show its limit."""

ZERO = 1e-9
"""Share of the largest weight up to which the solver's weight is 0."""


class Quadratic(torch.nn.Module):
    """<u^2 - v^2, z>, for automatic differentiation."""

    def __init__(self, theta: np.ndarray):
        super().__init__()
        u, v = torch.from_numpy(theta).chunk(2)
        self.u = torch.nn.Parameter(u.clone())
        self.v = torch.nn.Parameter(v.clone())

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z @ (self.u**2 - self.v**2)


def problems(seed: int, *, d: int, n: int, sparsity: int) -> dict[str, Diagonal]:
    """The quadratic model on inputs of signs, with sparse and with random labels.

    Raises:
        ValueError: if n is below 1.
    """
    if n < 1:
        raise ValueError(f"n = {n}: allowed are 1 <= n")
    data = sparse(n, d, sparsity, seed, signs=True)
    dense = np.random.default_rng([seed, 1]).standard_normal(d) / d**0.5
    # those of a dense map are random, and can be fitted where two rows are equal
    return {
        "sparse": Diagonal(data.x, data.y),
        "random": Diagonal(data.x, data.x @ dense),
    }


def start(seed: int, d: int) -> Float[np.ndarray, " D"]:
    """Every u and v near one half, none at 0."""
    return 0.5 + 0.1 * np.random.default_rng([seed, 2]).random(2 * d)


def formulas(seeds: Iterable[int], *, d: int, n: int, sparsity: int) -> pd.DataFrame:
    """The talk's formulas against automatic differentiation at an interpolator.

    Returns:
        A row a seed: gradient and direction (relative differences from autograd), and
        the relative errors of three formulas for Tr Hess L: middle, (4/n) sum
        |grad f_i|^2; mean, (1/n) of it; end, 4 (|u|^2 + |v|^2).
    """
    rows = []
    for seed in seeds:
        model = problems(seed, d=d, n=n, sparsity=sparsity)["random"]
        theta = land(model, start(seed, d))
        if theta is None:
            rows.append({"seed": float(seed)})
            continue
        data = torch.from_numpy(model.z), torch.from_numpy(model.y)
        there = AnyModel(landscape(Quadratic(theta), *data, "squared"))
        jacobian = there.tangent(theta).jacobian
        u, v = np.split(theta, 2)
        printed = 2 * np.hstack([model.z * u, -model.z * v])
        # the landscape's loss has no 1/2
        hessian = torch.func.hessian(there.landscape.loss)(torch.from_numpy(theta))
        trace = float(hessian.trace()) / 2
        squares = float(np.sum(jacobian**2))
        autograd = reduction(there, theta)
        rows.append(
            {
                "seed": seed,
                "gradient": _apart(printed, jacobian),
                "direction": _apart(reduction(model, theta), autograd),
                "middle": abs(4 / n * squares / trace - 1),
                "mean": abs(squares / n / trace - 1),
                "end": abs(4 * float(theta @ theta) / trace - 1),
            }
        )
    columns = ["seed", "gradient", "direction", "middle", "mean", "end"]
    return pd.DataFrame(rows, columns=columns)


def norms(seeds: Iterable[int], *, d: int) -> pd.DataFrame:
    """|u|^2 + |v|^2 against the l1 norm of u^2 - v^2, at random points.

    Returns:
        A row a seed: excess (of the l1 norm over |u|^2 + |v|^2, relative, at a dense
        point; at most 0 if the inequality holds) and disjoint (relative difference of
        the two at a point where every coordinate has u or v at 0).
    """
    rows = []
    for seed in seeds:
        rng = np.random.default_rng([seed, 3])
        u, v = rng.standard_normal((2, d))
        one = rng.random(d) < 0.5
        apart = _l1_share(np.where(one, u, 0.0), np.where(one, 0.0, v))
        rows.append({"excess": _l1_share(u, v) - 1, "disjoint": abs(apart - 1)})
    return pd.DataFrame(rows, columns=["excess", "disjoint"])


def _l1_share(u: np.ndarray, v: np.ndarray) -> float:
    """The l1 norm of u^2 - v^2 over |u|^2 + |v|^2."""
    return float(np.abs(u**2 - v**2).sum() / (u @ u + v @ v))


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def flow_to_the_end(model: Diagonal, seed: int) -> SharpnessFlow:
    """The flow from the end of gradient flow, until nothing moves."""
    end = settle(model, start(seed, model.z.shape[1]))
    return sharpness_flow(model, end.theta, rtol=1e-2, flat=1e-7, max_steps=LONG)


def along(model: Diagonal, seed: int) -> pd.DataFrame:
    """What shrinks along the flow, at times evenly spaced in its logarithm.

    Returns:
        tau (for c = 1), excess (trace over the certified optimum, - 1), smallest
        (min u_j^2 + v_j^2), and kernel (least over largest eigenvalue of the tangent
        kernel).
    """
    bound = 4 * basis_pursuit(model.z, model.y).bound
    end = settle(model, start(seed, model.z.shape[1]))
    times = np.geomspace(1e-2, 10, 40)
    flow = sharpness_flow(model, end.theta, times=times, rtol=1e-4, flat=0.0)
    rows = []
    for tau, theta in zip(times, flow.at, strict=False):
        u, v = np.split(theta, 2)
        rows.append(
            {
                "tau": tau,
                "excess": model.trace(theta) / bound - 1,
                "smallest": float(np.min(u**2 + v**2)),
                "kernel": kernel_ratio(model, theta),
            }
        )
    return pd.DataFrame(rows, columns=["tau", "excess", "smallest", "kernel"])


def kernel_ratio(model: Diagonal, theta: Float[np.ndarray, " D"]) -> float:
    """Least over largest eigenvalue of the tangent kernel."""
    values = np.linalg.eigvalsh(model.tangent(theta).gram())
    return float(max(values[0], 0.0) / values[-1])


def flows(seeds: Sequence[int], *, d: int, n: int, sparsity: int) -> pd.DataFrame:
    """The flow against the linear programme, for sparse and random labels.

    Returns:
        A row a seed and kind of labels: excess (of the trace over the certified optimum
        where the flow stops within a thousandth of it), rise (largest of the trace in a
        step, relative), error (max |f - y| on the way), steps; of a flow that goes on:
        overlap (max min(|u_j|, |v_j|) over the largest weight) and kernel (log10 of
        `kernel_ratio`, at least -16); and of the programme: zeros (of beta), recovered
        (max |beta - w*|, for sparse labels).
    """
    rows = []
    for seed in seeds:
        for labels, model in problems(seed, d=d, n=n, sparsity=sparsity).items():
            least = basis_pursuit(model.z, model.y)
            end = settle(model, start(seed, d))
            flow = sharpness_flow(
                model, end.theta, bound=4 * least.bound, tolerance=1e-3, rtol=1e-2
            )
            row = {"seed": seed, "labels": labels}
            rows.append(row | _one_flow(model, flow, least.bound))
            rows[-1] |= _limit(model, seed)
            beta = least.beta
            rows[-1]["zeros"] = int(np.sum(np.abs(beta) <= ZERO * np.abs(beta).max()))
            if labels == "sparse":
                truth = sparse(n, d, sparsity, seed, signs=True).truth
                rows[-1]["recovered"] = float(np.abs(beta - truth).max())
    return pd.DataFrame(rows)


def _one_flow(model: Diagonal, flow: SharpnessFlow, bound: float) -> dict[str, float]:
    if flow.reason == "no start":
        return dict.fromkeys(("excess", "rise", "error", "steps"), np.inf)
    rises = np.diff(flow.trace) / flow.trace[:-1]
    return {
        "excess": float(flow.trace[-1] / (4 * bound) - 1),
        "rise": float(max(rises.max(initial=0.0), 0.0)),
        "error": float(flow.error.max()),
        "steps": len(flow.tau) - 1,
    }


def _limit(model: Diagonal, seed: int) -> dict[str, float]:
    """Overlap of u and v, and the tangent kernel, where a long flow ends."""
    flow = flow_to_the_end(model, seed)
    u, v = np.abs(np.split(flow.theta, 2))
    ratio = max(kernel_ratio(model, flow.theta), 1e-16)
    return {
        "overlap": float(np.minimum(u, v).max() / np.abs(flow.theta).max()),
        "kernel": float(np.log10(ratio)),
        "end": float(flow.tau[-1]) if len(flow.tau) else np.nan,
    }


def single_maps(seeds: Iterable[int], *, d: int, n: int) -> Float[np.ndarray, " seeds"]:
    """1 for every seed whose inputs leave a single linear map to any labels, else 0."""
    inputs = (sparse(n, d, 1, seed, signs=True).x for seed in seeds)
    return np.array([float(np.linalg.matrix_rank(x) == d) for x in inputs])


def programme_errors(
    seeds: Iterable[int], *, d: int, n: int, sparsity: int
) -> Float[np.ndarray, " seeds"]:
    """max |beta - w*| of the linear programme on sparse labels, one a seed."""
    errors = []
    for seed in seeds:
        data = sparse(n, d, sparsity, seed, signs=True)
        beta = basis_pursuit(data.x, data.y).beta
        errors.append(float(np.abs(beta - data.truth).max()))
    return np.array(errors)
