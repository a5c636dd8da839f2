"""The sharpness-reduction flow against the loop that a user would write.

The quadratic model of d = 20 coordinates and n = 10 examples, from the end of gradient
flow to within 0.1 % of the linear programme's optimum. The peer is a plain torch loop:
Euler steps of one size along the projected gradient of the trace, by autograd, each
with two Gauss-Newton steps back. With jax, if it is installed, the same loop in a
jitted scan, compiled before it is timed.
"""

import importlib
import importlib.util
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from flatminima.flows.diagonal import Diagonal
from flatminima.flows.gradient_flow import settle
from flatminima.flows.sharpness_flow import sharpness_flow
from flatminima.theory.certificates.basis_pursuit import basis_pursuit

Run = Callable[[Diagonal, np.ndarray, float], float]
"""From a model, a start and the least trace to the trace at the end."""

D, N = 20, 10
INSTANCES = 20
"""Sparse and random labels by turns."""

WITHIN = 1e-3
"""Excess over the certified optimum at which a clock stops."""

STEP = 0.05
"""Of the peers: under 2 / 16, where Euler's steps on the decay of u v are unstable."""

MOST = 2000
"""Steps of the peers at most."""

BAR = 0.1
"""Seconds that the flow may take."""


def instance(seed: int) -> tuple[Diagonal, np.ndarray, float]:
    """A model, an interpolator, and the least trace."""
    rng = np.random.default_rng(seed)
    z = rng.choice([-1.0, 1.0], (N, D))
    beta = rng.standard_normal(D) * (rng.permutation(D) < (3 if seed % 2 else D))
    model = Diagonal(z, z @ beta)
    start = settle(model, 0.5 + 0.1 * rng.random(2 * D)).theta
    return model, start, 4 * basis_pursuit(z, model.y).bound


def ours(model: Diagonal, start: np.ndarray, least: float) -> float:
    """The trace at which the flow ends."""
    flow = sharpness_flow(model, start, bound=least, tolerance=WITHIN, rtol=1e-2)
    return float(flow.trace[-1])


def torch_loop(model: Diagonal, start: np.ndarray, least: float) -> float:
    """The same by Euler steps in torch."""
    z, y = torch.from_numpy(model.z), torch.from_numpy(model.y)
    theta = torch.from_numpy(start.copy())

    def outputs(at: torch.Tensor) -> torch.Tensor:
        u, v = at.chunk(2)
        return z @ (u**2 - v**2)

    jacobian = torch.func.jacrev(outputs)

    def trace(at: torch.Tensor) -> torch.Tensor:
        return jacobian(at).square().sum() / len(y)

    gradient = torch.func.grad_and_value(trace)
    value = torch.tensor(torch.inf)
    for _ in range(MOST):
        slope, value = gradient(theta)
        if value <= (1 + WITHIN) * least:
            break
        j = jacobian(theta)
        slope -= j.T @ torch.linalg.lstsq(j @ j.T, (j @ slope)[:, None]).solution[:, 0]
        theta = theta - STEP * slope
        for _ in range(2):
            j, left = jacobian(theta), outputs(theta) - y
            theta -= j.T @ torch.linalg.lstsq(j @ j.T, left[:, None]).solution[:, 0]
    return float(value)


def jax_loop() -> Run:
    """The same in a jitted scan of a fixed number of steps."""
    jax, jnp = (importlib.import_module(name) for name in ("jax", "jax.numpy"))
    jax.config.update("jax_enable_x64", True)

    def outputs(at: Any, z: Any) -> Any:
        u, v = jnp.split(at, 2)
        return z @ (u**2 - v**2)

    jacobian = jax.jacrev(outputs)

    def trace(at: Any, z: Any) -> Any:
        return jnp.sum(jacobian(at, z) ** 2) / len(z)

    def back(j: Any, right: Any) -> Any:
        return j.T @ jnp.linalg.lstsq(j @ j.T, right)[0]

    @jax.jit
    def walk(theta: Any, z: Any, y: Any) -> Any:
        def step(at: Any, _: Any) -> tuple[Any, Any]:
            slope, j = jax.grad(trace)(at, z), jacobian(at, z)
            at = at - STEP * (slope - back(j, j @ slope))
            for _ in range(2):
                at = at - back(jacobian(at, z), outputs(at, z) - y)
            return at, trace(at, z)

        return jax.lax.scan(step, theta, None, length=MOST // 10)

    def run(model: Diagonal, start: np.ndarray, least: float) -> float:
        _, traces = walk(start, model.z, model.y)
        return float(traces[-1])

    return run


def rows(instances: int = INSTANCES) -> list[dict[str, Any]]:
    """Seconds of all sides over the instances, by turns.

    Returns:
        A row a peer: name, ours (median seconds), slowest (ours), peer (median), ratio,
        excess (our worst), within (share of instances in which the peer is, too).
    """
    peers: dict[str, Run] = {f"PyTorch {torch.__version__}, plain loop": torch_loop}
    if importlib.util.find_spec("jax"):
        peers["JAX, jitted scan"] = jax_loop()
    problems = [instance(seed) for seed in range(instances)]
    for run in (ours, *peers.values()):
        run(*problems[0])
    taken = [{name: _timed(run, *p) for name, run in peers.items()} for p in problems]
    own = [min(_timed(ours, *p) for _ in range(3)) for p in problems]
    excess = [value / p[2] - 1 for (_, value), p in zip(own, problems, strict=True)]
    seconds = np.array([s for s, _ in own])
    found = []
    for name in peers:
        theirs = np.array([each[name][0] for each in taken])
        ends = [
            each[name][1] / p[2] - 1 for each, p in zip(taken, problems, strict=True)
        ]
        found.append(
            {
                "name": name,
                "ours": float(np.median(seconds)),
                "slowest": float(seconds.max()),
                "peer": float(np.median(theirs)),
                "ratio": float(np.median(theirs) / np.median(seconds)),
                "excess": float(max(excess)),
                "within": float(np.mean(np.array(ends) <= WITHIN)),
            }
        )
    return found


def _timed(
    run: Run,
    model: Diagonal,
    start: np.ndarray,
    least: float,
) -> tuple[float, float]:
    began = time.perf_counter()
    value = run(model, start, least)
    return time.perf_counter() - began, value


def show(found: list[dict[str, Any]]) -> None:
    """Print the rows."""
    print(f"Limiting flow to {WITHIN:.1%} of the certified optimum, milliseconds")
    for row in found:
        print(
            f"  ours {1e3 * row['ours']:.1f} (slowest {1e3 * row['slowest']:.1f}; at "
            f"most {1e3 * BAR:.0f} wanted), {row['name']} {1e3 * row['peer']:.1f}: "
            f"{row['ratio']:.0f} times; excess at most {row['excess']:.2%}"
        )
    if not any(row["name"].startswith("JAX") for row in found):
        print("  JAX is not installed, so its scan is not timed")
