"""Descent and SAM once more, by autograd, with none of the engine's gradients.

Data, start and the random numbers of a step are the engine's: what is compared is what
a step does with them. The generator is asked from its beginning on, not moved on.
"""

from functools import partial

import numpy as np
import torch

from flatminima.runs.descent.config import DescentConfig
from flatminima.runs.descent.problem import data_of, start_arrays


def outputs(config: DescentConfig, theta: list, x: torch.Tensor) -> torch.Tensor:
    """f(x), written anew."""
    if config.model == "relu_1d":
        w, b, a = theta
        return torch.relu(x @ w[None, :] + b) @ a
    if config.model == "matrix":
        u, v = theta
        a = x.reshape(-1, config.d, config.d)
        return torch.einsum("ik,jk,nij->n", u, v, a)
    u, v = theta
    return (x * (u**2 - v**2 if config.model == "squares" else u * v)).sum(dim=1)


def batches(config: DescentConfig, steps: int):
    """Examples and noise of every step."""
    n = config.examples
    size = n if config.batch == "full" else config.batch
    raw = np.random.Philox(key=[config.init_seed, 1]).random_raw(steps * size)
    raw = raw.reshape(steps, size)
    rows = np.array([[(int(r) >> 32) * n >> 32 for r in each] for each in raw])
    if config.batch == "full":
        rows = np.tile(np.arange(n), (steps, 1))
    signs = np.array([[1.0 if int(r) & 1 else -1.0 for r in each] for each in raw])
    return rows, config.label_noise * signs


def directions(config: DescentConfig, steps: int, size: int) -> np.ndarray:
    """Unit vectors of the steps of a random ascent, bit by bit."""
    words = -(-size // 64)
    raw = np.random.Philox(key=[config.init_seed, 2]).random_raw(steps * words)
    signs = [
        [1.0 if int(word) >> bit & 1 else -1.0 for word in each for bit in range(64)]
        for each in raw.reshape(steps, words)
    ]
    return np.array(signs)[:, :size] / np.sqrt(size)


def quadratic(config: DescentConfig, loss, flat) -> torch.Tensor:
    """The ascent to second order, with the dense Hessian."""
    g = torch.autograd.functional.jacobian(loss, flat)
    hessian = torch.autograd.functional.hessian(loss, flat)
    delta = config.rho * g / torch.linalg.norm(g)
    for _ in range(config.ascent_steps):
        bent = g + hessian @ delta
        delta = config.rho * bent / torch.linalg.norm(bent)
    return delta


def train(config: DescentConfig, steps: int) -> dict[str, np.ndarray]:
    """The parameters after some steps, by name."""
    data = data_of(config)
    x, y = torch.tensor(data.x), torch.tensor(data.y)
    start = start_arrays(config)
    shapes = [a.shape for a in start.values()]
    sizes = [a.size for a in start.values()]
    theta = torch.cat([torch.tensor(a).reshape(-1) for a in start.values()])
    rows, noise = batches(config, steps)
    along = torch.tensor(directions(config, steps, len(theta)))
    sign = 1.0 if config.direction == "up" else -1.0

    def loss(flat, group, moved):
        parts = [p.reshape(s) for p, s in zip(flat.split(sizes), shapes, strict=True)]
        residual = outputs(config, parts, x[group]) - y[group] - moved
        return config.factor * (residual**2).mean()

    def gradient(flat, group, moved, graph=False):
        if not flat.requires_grad:
            flat = flat.detach().requires_grad_()
        (g,) = torch.autograd.grad(loss(flat, group, moved), flat, create_graph=graph)
        return g

    for t in range(steps):
        if config.stop_loss > 0 and loss(theta, rows[t], 0.0) <= config.stop_loss:
            break
        groups = rows[t].reshape(-1, config.group_size)
        shifts = torch.tensor(noise[t]).reshape(-1, config.group_size)
        total = torch.zeros_like(theta)
        for group, moved in zip(groups, shifts, strict=True):
            flat = theta.detach().requires_grad_()
            at = flat
            if config.ascent == "quadratic":
                its = partial(loss, group=group, moved=moved)
                at = flat + quadratic(config, its, flat)
            for _ in range(
                config.ascent_steps
                if config.rho > 0 and config.ascent != "quadratic"
                else 0
            ):
                if config.ascent == "random":
                    at = at + config.rho * along[t]
                    break
                g = gradient(at, group, moved, graph=config.differentiate)
                if config.normalised:
                    length = torch.linalg.norm(g)
                    g = g / length if length > 0 else torch.zeros_like(g)
                at = at + sign * config.rho / config.ascent_steps * g
                if not config.differentiate:
                    at = at.detach()
            if config.differentiate:
                (g,) = torch.autograd.grad(loss(at, group, moved), flat)
            else:
                g = gradient(at.detach(), group, moved)
            total += g / len(groups)
        theta = theta - config.lr * total
    parts = theta.detach().split(sizes)
    return {
        name: p.numpy().reshape(s)
        for name, p, s in zip(start, parts, shapes, strict=True)
    }
