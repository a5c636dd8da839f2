"""Measures of curvature against what a user would otherwise pick.

On one trained network, in float64, on one core, ours and the peer's by turns:

* the trace of the Gauss-Newton matrix by parameter, exactly, against all columns of
  curvlinops' operator;
* the same, against as many of curvlinops' products as bring Hutchinson's estimator of
  the whole trace to one per cent;
* an estimate of it, against as many as bring Hutchinson's to the same standard error of
  the whole trace;
* lambda_max by Lanczos, against the power iteration of PyHessian to the same residual.

A row says how many gradients of the loss, by plain torch, each takes. Probes are not
drawn by thousands: how many are needed follows from the variance of a few, and their
time from the time of a few.
"""

import importlib.metadata
import time
from collections.abc import Callable
from typing import Any

import curvlinops
import numpy as np
import torch
from torch import Tensor, nn

from flatminima.runs.loop import run
from flatminima.runs.nets.config import NetConfig
from flatminima.runs.nets.problem import data, network
from flatminima.sharpness import gauss_newton_trace, spectrum
from flatminima.sharpness.landscape import Landscape, landscape
from flatminima.sharpness.products import hessian

PEER = "curvlinops-for-pytorch"
NAME = f"{PEER} {importlib.metadata.version(PEER)}"

SETTING = NetConfig(n=500, width=32, num_steps=2000, target_loss=0.05)
"""The network: three layers on digits, trained to a loss of 0.05."""

PROBES = 64
"""Products from which the spread of Hutchinson's estimator is taken."""

PRECISION = 0.01
"""Relative standard error that is worth calling known."""

RESIDUAL = 1e-4
"""Relative residual of lambda_max."""

MOST = 20_000
"""Power iterations, at most."""


def setting(config: NetConfig) -> tuple[nn.Module, Landscape]:
    """A trained network, as a module and as a landscape."""
    problem = data(config)
    module = network(config, run(config).arrays)
    at = landscape(module, problem.x, problem.y, config.loss)
    return module, at


def seconds(call: Callable[[], Any], repeats: int) -> float:
    """The least processor time of a call, of several: other processes do not count."""
    taken = []
    for _ in range(repeats):
        began = time.process_time()
        call()
        taken.append(time.process_time() - began)
    return min(taken)


def peer_operator(module: nn.Module, at: Landscape) -> Any:
    """curvlinops' Gauss-Newton operator of the mean cross entropy."""
    return curvlinops.GGNLinearOperator(
        module,
        nn.CrossEntropyLoss(),
        list(module.parameters()),
        [(at.x, at.y)],
        check_deterministic=False,
    )


def gradient(module: nn.Module, at: Landscape) -> None:
    """One gradient of the loss, as torch takes it."""
    loss = nn.functional.cross_entropy(module(at.x), at.y)
    torch.autograd.grad(loss, list(module.parameters()))


def columns(operator: Any, size: int) -> Tensor:
    """The diagonal, from all columns, in blocks."""
    eye = torch.eye(size, dtype=torch.float64)
    parts = [
        (operator @ block.T).T.gather(
            1, torch.arange(start, start + len(block))[:, None]
        )
        for start, block in zip(range(0, size, PROBES), eye.split(PROBES), strict=True)
    ]
    return torch.cat(parts)[:, 0]


def hutchinson_spread(operator: Any, size: int) -> float:
    """Standard deviation of what one probe makes of the whole trace."""
    g = torch.Generator().manual_seed(0)
    v = torch.randint(0, 2, (size, PROBES), generator=g).double() * 2 - 1
    return float((v * (operator @ v)).sum(dim=0).std())


def power_iteration(at: Landscape, residual: float) -> tuple[float, int]:
    """lambda_max as PyHessian finds it: v <- H v / |H v|, one graph for all products.

    Stops at a residual |H v - lambda v|, where PyHessian stops at a small change of
    lambda, so that the two methods end equally exact. It finds the eigenvalue of
    largest absolute value, which at this network is the largest one.

    Returns:
        lambda, and the products that it took.
    """
    operator = hessian(at)
    v = np.random.default_rng(0).normal(size=at.size)
    v /= np.linalg.norm(v)
    for count in range(1, MOST + 1):
        product = operator @ v
        value = float(v @ product)
        if np.linalg.norm(product - value * v) <= residual * abs(value):
            return value, count
        v = product / np.linalg.norm(product)
    raise RuntimeError(f"no eigenvalue to {residual} after {MOST} products")


def rows(config: NetConfig = SETTING, repeats: int = 5) -> list[dict[str, Any]]:
    """The comparisons, each with both times in seconds and in gradients.

    Raises:
        AssertionError: if ours and the peer's do not agree.
    """
    module, at = setting(config)
    operator = peer_operator(module, at)
    unit = seconds(lambda: gradient(module, at), 4 * repeats)

    def row(name: str, ours: float, peer: float, **more: Any) -> dict[str, Any]:
        counts = {"ours_gradients": ours / unit, "peer_gradients": peer / unit}
        return {"name": name, "ours": ours, "peer": peer, "ratio": peer / ours} | (
            counts | more
        )

    exact = gauss_newton_trace.exact(at)
    for name, part in at.split(columns(operator, at.size)).items():
        np.testing.assert_allclose(
            exact.layers[name].value, float(part.sum()), rtol=1e-8
        )
    ours = seconds(lambda: gauss_newton_trace.exact(at), repeats)
    peer = seconds(lambda: columns(operator, at.size), 1)
    spread = hutchinson_spread(operator, at.size)
    block = torch.ones(at.size, PROBES, dtype=torch.float64)
    product = seconds(lambda: operator @ block, repeats) / PROBES
    fine = int(np.ceil((spread / (PRECISION * exact.whole.value)) ** 2))
    estimate = gauss_newton_trace.estimate(at).whole
    same = int(np.ceil((spread / estimate.standard_error) ** 2))
    rough = seconds(lambda: gauss_newton_trace.estimate(at), repeats)
    error = estimate.standard_error / exact.whole.value
    return [
        row("GGN trace by parameter, exact", ours, peer, products=at.size),
        row("the same, Hutchinson to 1 %", ours, fine * product, products=fine),
        row(
            "GGN trace, two probes an example",
            rough,
            same * product,
            products=same,
            relative_error=error,
        ),
        lanczos_row(at, row, repeats),
    ]


def lanczos_row(
    at: Landscape, row: Callable[..., dict[str, Any]], repeats: int
) -> dict[str, Any]:
    """lambda_max, ours and by power iteration, to the same residual."""
    found = spectrum.outermost(hessian(at), tolerance=RESIDUAL)
    residual = max(found.residuals[0] / found.values[0], 1e-10)
    value, products = power_iteration(at, residual)
    np.testing.assert_allclose(value, found.values[0], rtol=10 * RESIDUAL)
    return row(
        "lambda_max",
        seconds(lambda: spectrum.outermost(hessian(at), tolerance=RESIDUAL), repeats),
        seconds(lambda: power_iteration(at, residual), repeats),
        products=products,
        our_products=found.products,
        residual=residual,
    )


def show(found: list[dict[str, Any]]) -> None:
    """Print rows."""
    print(f"Curvature of a trained network, seconds; peer: {NAME} or power iteration")
    print(f"{'':38}{'ours':>12}{'peer':>12}{'ratio':>10}{'gradients':>12}{'peer':>12}")
    for each in found:
        print(
            f"{each['name']:38}{each['ours']:12.4g}{each['peer']:12.4g}"
            f"{each['ratio']:10.1f}{each['ours_gradients']:12.1f}"
            f"{each['peer_gradients']:12.1f}"
        )
