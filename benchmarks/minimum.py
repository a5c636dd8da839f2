"""Minimum sharpness by Newton's method against descent on the factors.

The report on minimum sharpness finds the factors by SGD over 100,000 epochs. Here it
has 10,000, each a pass over the data in batches. What costs is the data, so passes are
counted: a pass is a forward and a backward one, and the backward one is worth two
forward ones. Ours takes the exact shares of the layers once: a backward pass an output,
and three forward ones (for the layers' inputs, for the loss's own curvature, and to
check that no output depends on other examples). An epoch of the peer is counted as one
pass, the least that a gradient in the factors could take.
"""

import time
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.sam_step import machine
from flatminima.sharpness.minimum import Shares, least_trace, minimum_sharpness, shares

EPOCHS = 10_000
LR = 0.1
"""The report's, halved until the descent does not diverge, as in the report."""


def network(seed: int, sizes: tuple[int, ...], n: int) -> tuple[Any, ...]:
    """A ReLU network with its data, at torch's default start."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        parts: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            parts += [nn.Linear(inputs, outputs), nn.ReLU()]
        x = torch.randn(n, sizes[0]).double()
        y = torch.randint(sizes[-1], (n,))
    return nn.Sequential(*parts[:-1]).double(), x, y, "cross_entropy"


def descend(
    parts: list[Shares], epochs: int, lr: float, rng: np.random.Generator
) -> np.ndarray | None:
    """Factors after SGD over the batches' own curves; None if it diverged.

    The learning rate falls as 1 / (1 + 100 t) over the relative time t.
    """
    depth = len(parts[0].weights)
    alphas = np.ones(depth - 1)
    for epoch in range(epochs):
        rate = lr / (1 + 100 * epoch / epochs)
        for place in rng.permutation(len(parts)):
            last = 1 / alphas.prod()
            every = np.append(alphas, last)
            weights = -2 * parts[place].weights / every**2
            biases = -2 * parts[place].biases / np.cumprod(every) ** 2
            # in log alpha: the last factor falls as any other rises
            slope = weights[:-1] - weights[-1]
            slope += np.cumsum(biases[:-1][::-1])[::-1]
            alphas = alphas - rate * slope / alphas
            if not (np.isfinite(alphas) & (alphas > 0)).all():
                return None
    return np.append(alphas, 1 / alphas.prod())


def row(
    sizes: tuple[int, ...] = (64, 64, 64, 10),
    n: int = 4096,
    batches: int = 4,
    epochs: int = EPOCHS,
    seed: int = 0,
) -> dict[str, Any]:
    """Passes over the data of both, and where they ended.

    Returns:
        name, unit, ours and peer (passes), ratio, evaluations (Newton steps),
        difference (peer's least trace over ours, minus 1), seconds of ours,
        gradients (ours in times of one gradient); newton_seconds and descent_seconds,
        of both once the shares are known, and given_shares, their ratio; learning
        rate, peer_name, machine.
    """
    module, x, y, loss = network(seed, sizes, n)
    begin = time.process_time()
    found = minimum_sharpness(module, x, y, loss)
    seconds = time.process_time() - begin
    edges = np.linspace(0, n, batches + 1).astype(int)
    parts = [shares(module, x[a:b], y[a:b], loss) for a, b in pairwise(edges)]
    lr, alphas, descent_seconds = LR, None, 0.0
    while alphas is None:
        begin = time.process_time()
        alphas = descend(parts, epochs, lr, np.random.default_rng(seed))
        descent_seconds = time.process_time() - begin
        lr /= 2
    newton_seconds = least_seconds(found.shares)
    ours = (3 + 2 * sizes[-1]) / 3
    return {
        "name": "minimum sharpness",
        "unit": "passes over the data",
        "ours": ours,
        "peer": float(epochs),
        "ratio": epochs / ours,
        "evaluations": found.iterations,
        "difference": found.shares.at(alphas) / found.value - 1,
        "seconds": seconds,
        "gradients": seconds / gradient_seconds(module, x, y),
        "newton_seconds": newton_seconds,
        "descent_seconds": descent_seconds,
        "given_shares": descent_seconds / newton_seconds,
        "lr": 2 * lr,
        "peer_name": f"SGD on the factors, {epochs} epochs",
        "machine": machine(),
    }


def least_seconds(part: Shares) -> float:
    """Least time of Newton's method, once the shares of the layers are known."""
    best = np.inf
    for _ in range(5):
        begin = time.process_time()
        for _ in range(20):
            least_trace(part)
        best = min(best, (time.process_time() - begin) / 20)
    return float(best)


def gradient_seconds(module: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """Least time of one gradient of the loss."""
    best = np.inf
    for _ in range(5):
        begin = time.process_time()
        nn.functional.cross_entropy(module(x), y).backward()
        best = min(best, time.process_time() - begin)
    return float(best)


def show(found: dict[str, Any]) -> None:
    """Print a row."""
    print(
        f"{found['name']}: {found['ours']:.1f} {found['unit']} and "
        f"{found['evaluations']} Newton steps, {found['gradients']:.0f} times one "
        f"gradient; {found['peer_name']}: {found['peer']:.0f}, {found['ratio']:.0f} "
        f"times as many, its least trace higher by a share of "
        f"{found['difference']:.1e}; with the shares known "
        f"{1e3 * found['newton_seconds']:.2f} ms against "
        f"{found['descent_seconds']:.1f} s, {found['given_shares']:.0f} times as long"
    )
