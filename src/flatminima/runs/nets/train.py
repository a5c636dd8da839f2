"""The engine of torch networks; see `runs.kind.Engine`.

A network's parameters are views of one vector, and so are their gradients: an update
is a few operations on vectors, whatever the depth.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from flatminima.models.nets.parts import Dropout
from flatminima.optim.sam import ascended, statistics_kept
from flatminima.runs import loop
from flatminima.runs.kind import Divergence, Run, State
from flatminima.runs.nets import measures
from flatminima.runs.nets.config import NetConfig
from flatminima.runs.nets.order import batches, is_check, mask_seeds
from flatminima.runs.nets.problem import CRITERIA, data, initial_arrays, network

Config = NetConfig
"""What `results` builds a config by."""

SECONDS_PER_CALL = 0.2
SECONDS_PER_STEP = 1.5e-4
SECONDS_PER_PRODUCT = 2e-10

BETAS = (0.9, 0.999)
EPS = 1e-8

measure = measures.row


def modules(config: NetConfig) -> tuple[str, ...]:
    """The modules that a run of this config reaches everything else from."""
    own = (__name__, config.data_module.__name__, config.net_module.__name__)
    curvature = (measures.CURVATURE,) if config.sharpness else ()
    predictors = (measures.PREDICTORS,) if config.predictors else ()
    return (*own, *curvature, *predictors)


def checkpoints(config: NetConfig) -> np.ndarray:
    """Steps at which the run is measured, if it does not stop before."""
    return loop.spaced(config.num_steps, config.num_checkpoints, config.measure_at)


def start(config: NetConfig) -> State:
    """The state before the first step.

    Its arrays are the weights and buffers by name, then what the optimiser keeps, a
    vector over all weights, and `reached_at`, the step at which the target was
    reached, NaN before.
    """
    arrays = initial_arrays(config)
    size = sum(p.numel() for p in network(config, arrays).parameters())
    kept = {"sgd": ("momentum",) if config.momentum > 0 else (), "adam": ADAM}
    for name in kept[config.optimiser]:
        arrays[name] = np.zeros(size, config.dtype)
    return State(arrays | {"reached_at": np.array(np.nan)})


ADAM = ("first_moment", "second_moment")


@cache
def steps_per_call(config: NetConfig) -> int:
    """Steps that `advance` should take at most, to return within about 0.3 s."""
    parameters = network(config, initial_arrays(config)).parameters()
    products = config.net_module.REUSE * sum(p.numel() for p in parameters)
    passes = 3 * config.batch_size * (2 if config.rho > 0 else 1)
    if config.target_loss > 0:
        passes += min(4 * config.batch_size, config.n)
    step = SECONDS_PER_STEP + SECONDS_PER_PRODUCT * passes * products
    return max(1, int(SECONDS_PER_CALL / step))


def flattened(module: nn.Module) -> tuple[Float[Tensor, " D"], Float[Tensor, " D"]]:
    """Make a module's parameters and gradients views of two vectors.

    Returns:
        The parameters and their gradient, which backward passes add to.
    """
    parameters = list(module.parameters())
    theta = torch.cat([p.detach().reshape(-1) for p in parameters])
    theta.grad = torch.zeros_like(theta)
    sizes = [p.numel() for p in parameters]
    parts = zip(theta.split(sizes), theta.grad.split(sizes), strict=True)
    for parameter, (value, grad) in zip(parameters, parts, strict=True):
        parameter.data = value.view(parameter.shape)
        parameter.grad = grad.view(parameter.shape)
    return theta, theta.grad


def updater(
    config: NetConfig, theta: Tensor, grad: Tensor, kept: Mapping[str, Tensor]
) -> Callable[[int], Any]:
    """The optimiser's update, given how many updates are done; as in torch.optim."""
    lr, decay, momentum = config.lr, config.weight_decay, config.momentum

    def sgd(step: int) -> None:
        if decay > 0:
            grad.add_(theta, alpha=decay)
        if momentum > 0:
            velocity = kept["momentum"].mul_(momentum).add_(grad)
            theta.add_(velocity, alpha=-lr)
        else:
            theta.add_(grad, alpha=-lr)

    def adam(step: int) -> None:
        if decay > 0:
            grad.add_(theta, alpha=decay)
        (one, two), first, second = BETAS, *(kept[name] for name in ADAM)
        first.lerp_(grad, 1 - one)
        second.mul_(two).addcmul_(grad, grad, value=1 - two)
        bias = 1 - one ** (step + 1), (1 - two ** (step + 1)) ** 0.5
        theta.addcdiv_(
            first, second.sqrt().div_(bias[1]).add_(EPS), value=-lr / bias[0]
        )

    return {"sgd": sgd, "adam": adam}[config.optimiser]


@contextmanager
def one_thread() -> Iterator[None]:
    """More threads would add in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def advance(state: State, config: NetConfig, k: int) -> State:
    """The state k updates later, or fewer: where the target is reached. Pure.

    Args:
        state: where to start.
        config: the run.
        k: number of updates, at least 1.

    Raises:
        Divergence: if the loss or a weight is no longer finite.
    """
    with one_thread():
        return _advance(state, config, k)


def _advance(state: State, config: NetConfig, k: int) -> State:
    first, losses = state.step, []
    descent = _Descent(config, state, k)
    for step in range(first, first + k):
        losses.append(descent.update(step))
        done = step + 1
        if config.target_loss > 0 and is_check(config, done) and descent.at_target():
            descent.tensors["reached_at"].fill_(done)
            break
    bad = ~torch.isfinite(torch.stack(losses))
    if bad.any():
        raise Divergence(config, first + int(bad.int().argmax()))
    if not torch.isfinite(descent.theta).all():
        raise Divergence(config, done)
    tensors = descent.tensors
    arrays = {name: tensors[name].detach().numpy().copy() for name in state.arrays}
    return State(arrays, done)


class _Descent:
    """A network in training: the tensors of a state, changed in place by updates."""

    def __init__(self, config: NetConfig, state: State, k: int):
        """Take up a state, and look up what the next k updates draw."""
        dtype, problem = getattr(torch, config.dtype), data(config)
        self.config, self.first = config, state.step
        self.x, self.y = problem.x.to(dtype), problem.y
        if self.y.is_floating_point():
            self.y = self.y.to(dtype)
        self.criterion = CRITERIA[config.loss]
        self.module = network(config, state.arrays, config.dtype).train()
        self.theta, self.grad = flattened(self.module)
        named = [*self.module.named_parameters(), *self.module.named_buffers()]
        self.tensors: dict[str, Tensor] = dict(named)
        for name in state.arrays.keys() - self.tensors.keys():
            self.tensors[name] = torch.tensor(state.arrays[name])
        self.move = updater(config, self.theta, self.grad, self.tensors)
        self.order: tuple[Tensor, ...] = ()
        if config.batch != "full":
            order = batches(config, self.first, self.first + k)
            self.order = torch.from_numpy(order).unbind()
        self.masks = torch.Generator()
        self.seeds: list[int] = []
        if config.dropout > 0:
            self.seeds = mask_seeds(config, self.first, self.first + k).tolist()
        for layer in self.module.modules():
            if isinstance(layer, Dropout):
                layer.generator = self.masks

    def update(self, step: int) -> Float[Tensor, ""]:
        """One update; returns the loss of its batch before it."""
        i, inputs, targets = step - self.first, self.x, self.y
        if self.order:
            inputs = inputs.index_select(0, self.order[i])
            targets = targets.index_select(0, self.order[i])
        loss = self.backward(i, inputs, targets)
        if self.config.rho > 0:
            with ascended([self.theta], self.config.rho), statistics_kept(self.module):
                self.backward(i, inputs, targets)
        with torch.no_grad():
            self.move(step)
        return loss

    def backward(self, i: int, inputs: Tensor, targets: Tensor) -> Float[Tensor, ""]:
        """The loss of a batch, its gradient in place of the last one.

        Both passes of an update of SAM draw the same masks.
        """
        if self.seeds:
            self.masks.manual_seed(self.seeds[i])
        self.grad.zero_()
        loss = self.criterion(self.module(inputs), targets)
        loss.backward()
        return loss.detach()

    def at_target(self) -> bool:
        """Whether the loss over the training set is at most the target."""
        self.module.eval()
        with torch.no_grad():
            loss = self.criterion(self.module(self.x), self.y)
        self.module.train()
        return bool(loss <= self.config.target_loss)


def proceed(config: NetConfig, run: Run | None, pause: Callable[[], bool]) -> Run:
    """As `loop.proceed`, but a run may stop between checkpoints, at its target."""
    rows: list[dict[Any, Any]] = []
    if run is None:
        state = start(config)
    else:
        state, rows = State(run.arrays, run.step), run.history.to_dict("records")
    longest = steps_per_call(config)
    for target in checkpoints(config)[len(rows) :].tolist():
        while state.step < target and not reached(state):
            if pause():
                history = pd.DataFrame(rows)
                return Run(history, state.arrays, state.step, finished=False)
            try:
                state = advance(state, config, min(longest, target - state.step))
            except Divergence as divergence:
                nothing = {name: a * np.nan for name, a in state.arrays.items()}
                step = divergence.step
                return Run(pd.DataFrame(rows), nothing, step, diverged_at=step)
        rows.append(measure(config, state))
        if reached(state):
            break
    if config.predictors:
        predictors = importlib.import_module(measures.PREDICTORS)
        rows[-1] |= predictors.columns(config, state)
    return Run(pd.DataFrame(rows), state.arrays, state.step)


def reached(state: State) -> bool:
    """Whether the target loss has been reached."""
    return not np.isnan(state.arrays["reached_at"])
