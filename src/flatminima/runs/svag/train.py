"""The engine of SVAG runs; see `SvagConfig` and `runs.kind.Engine`."""

import math
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from flatminima.optim.sam import NORMS
from flatminima.runs.kind import Divergence, State
from flatminima.runs.nets import measures, train
from flatminima.runs.nets.problem import CRITERIA, data, initial_arrays, network
from flatminima.runs.svag.config import SvagConfig

Config = SvagConfig
"""What `results` builds a config by."""

STEPS_PER_BLOCK = 256
"""Updates whose batches come from one generator."""

BATCHES = 2**62
"""Added to the number of a block, so that no other stream shares its numbers."""


def modules(config: SvagConfig) -> tuple[str, ...]:
    """The modules that a run of this config reaches everything else from."""
    return (__name__, *train.modules(config.net))


def checkpoints(config: SvagConfig) -> np.ndarray:
    """Steps at which the run is measured."""
    return train.checkpoints(config.net)


def start(config: SvagConfig) -> State:
    """The state before the first step: weights and buffers by name."""
    return State(initial_arrays(config.net))


@cache
def steps_per_call(config: SvagConfig) -> int:
    """Steps that `advance` should take at most, to return within about 0.3 s."""
    passes = 1 if config.amplification == 1 else 2
    return max(1, train.steps_per_call(config.net) // (2 * passes))


def drawn(config: SvagConfig, start: int, stop: int) -> Int[np.ndarray, "steps b size"]:
    """Examples of the updates start, ..., stop - 1, with replacement.

    Returns:
        One batch an update, or two if l > 1. A counter-based generator is keyed by the
        seed and by the block of updates, so any stretch can be had on its own.
    """
    net, count = config.net, 1 if config.amplification == 1 else 2
    blocks = range(start // STEPS_PER_BLOCK, (stop - 1) // STEPS_PER_BLOCK + 1)
    draws = [
        np.random.Generator(
            np.random.Philox(key=[net.init_seed, BATCHES + block])
        ).integers(0, net.n, (STEPS_PER_BLOCK, count, net.batch_size))
        for block in blocks
    ]
    offset = blocks.start * STEPS_PER_BLOCK
    return np.concatenate(draws)[start - offset : stop - offset]


def mixture(amplification: int) -> tuple[float, ...]:
    """Weights of the gradients of an update: one for l = 1, else two.

    They add to 1, and their squares to l.
    """
    if amplification == 1:
        return (1.0,)
    root = math.sqrt(2 * amplification - 1)
    return (1 + root) / 2, (1 - root) / 2


def lr_at(config: SvagConfig, step: int) -> float:
    """The learning rate of an update of this run, after `step` of them."""
    dropped = 0 < config.drop_at <= step
    return config.net.lr / config.amplification * (config.drop if dropped else 1.0)


def trained_names(config: SvagConfig, module: nn.Module) -> list[str]:
    """Names of the parameters that are trained."""
    names = [name for name, _ in module.named_parameters()]
    if config.trained == "all":
        return names
    layers = {
        name: layer
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
    }
    return [f"{name}.weight" for name in list(layers)[:-1]]


def advance(state: State, config: SvagConfig, k: int) -> State:
    """The state k updates later. Pure.

    Args:
        state: where to start.
        config: the run.
        k: number of updates, at least 1.

    Raises:
        Divergence: if the loss or a weight is no longer finite.
    """
    with train.one_thread():
        return _advance(state, config, k)


def _advance(state: State, config: SvagConfig, k: int) -> State:
    net, first = config.net, state.step
    dtype, problem = getattr(torch, net.dtype), data(net)
    x, y = problem.x.to(dtype), problem.y
    if y.is_floating_point():
        y = y.to(dtype)
    module = network(net, state.arrays, net.dtype).train()
    for layer in module.modules():
        if isinstance(layer, NORMS):
            layer.track_running_stats = False
    weights = _trained(config, module)
    order: Sequence[Tensor | None] = [None] * k
    if net.batch != "full":
        order = torch.from_numpy(drawn(config, first, first + k)).unbind()
    shares, losses = mixture(config.amplification), []
    for step, batches in enumerate(order, first):
        pairs = [(x, y)] if batches is None else [(x[i], y[i]) for i in batches]
        parts = [
            share * CRITERIA[net.loss](module(inputs), targets)
            for share, (inputs, targets) in zip(shares, pairs, strict=True)
        ]
        loss = torch.stack(parts).sum()
        grads = torch.autograd.grad(loss, weights)
        lr = lr_at(config, step)
        with torch.no_grad():
            if net.weight_decay > 0:
                torch._foreach_mul_(weights, 1 - lr * net.weight_decay)
            torch._foreach_add_(weights, grads, alpha=-lr)
        losses.append(loss.detach())
    bad = ~torch.isfinite(torch.stack(losses))
    if bad.any():
        raise Divergence(config, first + int(bad.int().argmax()))
    if not all(torch.isfinite(w).all() for w in weights):
        raise Divergence(config, first + k)
    named = dict([*module.named_parameters(), *module.named_buffers()])
    arrays = {name: named[name].detach().numpy().copy() for name in state.arrays}
    return State(arrays, first + k)


def _trained(config: SvagConfig, module: nn.Module) -> list[Tensor]:
    """The trained parameters; the others need no gradient any more."""
    names = set(trained_names(config, module))
    named = dict(module.named_parameters())
    for name, parameter in named.items():
        parameter.requires_grad_(name in names)
    return [parameter for name, parameter in named.items() if name in names]


def settled(
    config: SvagConfig, arrays: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """A run's arrays, with the statistics of batch norm over the whole training set.

    So what is measured depends on the weights alone, and not on the last batches.

    Args:
        config: the run.
        arrays: of its state.
    """
    module = network(config.net, arrays)
    norms = [layer for layer in module.modules() if isinstance(layer, NORMS)]
    for layer in norms:
        layer.reset_running_stats()
        layer.momentum = 1.0
    if norms:
        with torch.no_grad():
            module.train()(data(config.net).x)
    named = dict([*module.named_parameters(), *module.named_buffers()])
    return {name: named[name].detach().numpy().copy() for name in arrays}


def measure(config: SvagConfig, state: State) -> dict[str, float]:
    """The measures of a checkpoint.

    Returns:
        step, epoch, train_loss, train_accuracy, test_loss and test_accuracy as in
        `runs.nets.measures`, with curvature if it is asked for; weight_norm,
        the Euclidean norm of all trained weights together.
    """
    arrays = settled(config, state.arrays)
    module = network(config.net, arrays)
    named = dict(module.named_parameters())
    norm = _norm([named[name] for name in trained_names(config, module)])
    nowhere = {"reached_at": np.array(np.nan)}
    row = measures.row(config.net, State(arrays | nowhere, state.step))
    return {k: v for k, v in row.items() if not k.startswith("reached")} | {
        "weight_norm": float(norm)
    }


def _norm(weights: list[Tensor]) -> Float[Tensor, ""]:
    return torch.stack([w.detach().norm() for w in weights]).norm()
