"""A step of label-noise SGD on the quadratic model, beside a plain PyTorch loop.

The model of the open-problems talk, f = <u^2 - v^2, z> with d = 20 and one example a
step. The peer takes the same steps on the same draws, which is checked. A jitted scan
of JAX would be a second peer; it is timed where jax can be imported, and is no
dependency of this project.
"""

import importlib.util
from functools import partial

import numpy as np
import torch

from benchmarks.sam_step import machine, microseconds
from flatminima.runs.descent import train
from flatminima.runs.descent.config import DescentConfig
from flatminima.runs.descent.problem import problem
from flatminima.runs.kind import State

AGREE = 1e-9
CHECK_STEPS = 500


def setting() -> DescentConfig:
    """Label-noise SGD at d = 20."""
    return DescentConfig(
        model="squares",
        data="signs",
        n=10,
        d=20,
        batch=1,
        label_noise=0.1,
        lr=0.01,
        num_steps=10**9,
    )


def draws(config: DescentConfig, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Examples and noise of the first steps."""
    bits = train.raw_bits(config, train.DRAWS, 0, steps, 1).ravel()
    rows = ((bits >> np.uint64(32)).astype(np.int64) * config.n) >> 32
    signs = np.where(bits & np.uint64(1), 1.0, -1.0)
    return rows, config.label_noise * signs


def torch_loop(config: DescentConfig, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The same run as a user would write it, by autograd."""
    data = problem(config).data
    x, y = torch.tensor(data.x), torch.tensor(data.y)
    u = torch.full((config.d,), config.alpha, dtype=torch.float64, requires_grad=True)
    v = torch.full((config.d,), config.alpha, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([u, v], lr=config.lr)
    rows, noise = draws(config, steps)
    for i, delta in zip(rows.tolist(), noise.tolist(), strict=True):
        optimiser.zero_grad()
        loss = config.factor * (x[i] @ (u**2 - v**2) - y[i] - delta) ** 2
        loss.backward()
        optimiser.step()
    return u.detach().numpy(), v.detach().numpy()


def jax_scan(config: DescentConfig, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The same run as a jitted scan; only where jax is installed."""
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    data = problem(config).data
    x, y = jax.numpy.asarray(data.x), jax.numpy.asarray(data.y)

    def loss(theta, i, delta):
        u, v = theta
        return config.factor * (x[i] @ (u**2 - v**2) - y[i] - delta) ** 2

    def step(theta, drawn):
        slope = jax.grad(loss)(theta, *drawn)
        moved = tuple(a - config.lr * g for a, g in zip(theta, slope, strict=True))
        return moved, None

    start = jax.numpy.full(config.d, config.alpha)
    scan = jax.jit(lambda drawn: jax.lax.scan(step, (start, start), drawn)[0])
    u, v = scan(draws(config, steps))
    return np.asarray(u), np.asarray(v)


def peers() -> dict:
    """The peers that are installed, by name."""
    found = {f"PyTorch {torch.__version__}": torch_loop}
    if importlib.util.find_spec("jax") is not None:
        found["JAX scan"] = jax_scan
    return found


def ours(config: DescentConfig, steps: int) -> State:
    """The engine's run, in calls as long as it makes them."""
    state, longest = train.start(config), train.steps_per_call(config)
    while state.step < steps:
        state = train.advance(state, config, min(longest, steps - state.step))
    return state


def rows(num_steps: int = 2_000_000, peer_steps: int = 2000, repeats: int = 5) -> list:
    """A row for each peer.

    Args:
        num_steps: ours a repeat.
        peer_steps: a plain loop's; a compiled peer takes as many as we do.
        repeats: the best of so many counts.

    Raises:
        AssertionError: if a peer does not compute the same run.
    """
    config = setting()
    expected = ours(config, CHECK_STEPS).params
    time_of_ours = microseconds(partial(ours, config), num_steps, repeats)
    found = []
    for name, peer in peers().items():
        for one, other in zip(expected, peer(config, CHECK_STEPS), strict=True):
            if not np.abs(one - other).max() < AGREE:
                raise AssertionError(f"{name} does not take the same steps")
        steps = peer_steps if peer is torch_loop else num_steps
        time_of_peer = microseconds(partial(peer, config), steps, repeats)
        found.append(
            {
                "name": f"label-noise SGD step, quadratic model, d = {config.d}",
                "unit": "nanoseconds",
                "ours": 1e3 * time_of_ours,
                "peer": 1e3 * time_of_peer,
                "peer_name": name,
                "ratio": time_of_peer / time_of_ours,
                "dtype": "float64",
                "machine": machine(),
            }
        )
    return found


def show(found: list) -> None:
    """Print the rows."""
    for row in found:
        print(
            f"{row['name']}: {row['ours']:.0f} ns, {row['peer_name']} "
            f"{row['peer']:.0f} ns, {row['ratio']:.0f} times as long"
        )
    if not any("JAX" in row["peer_name"] for row in found):
        print("jax is not installed: no scan is timed")
