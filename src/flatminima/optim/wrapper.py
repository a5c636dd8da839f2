"""SAM in all its forms around any torch optimiser.

min_w (1/M) sum_j max_{|e|_p <= rho} L_j(w + e), over M micro-batches j. With M = 1 it
is the SAM of Foret et al. (2021, equations 1 and 2); more make m-SAM (their section
4.1; Andriushchenko & Flammarion 2022), each with an ascent of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from flatminima.checks import at_least
from flatminima.optim.sam import statistics_kept

Closure = Callable[[], Tensor]
"""Computes the mean loss of a (micro-)batch, without backward."""


@dataclass(frozen=True)
class Ascent:
    """How the inner maximum is approached.

    Attributes:
        rho: radius of the ball, at least 0.
        p: of its norm over all parameters together, at least 1; may be infinite.
        num_steps: steps of length rho / num_steps, each along the gradient where the
            last one ended.
        second_order: whether the update also has the derivative of the ascent itself,
            which equation 3 of Foret et al. drops; for p = 2 and one step.
    """

    rho: float = 0.05
    p: float = 2.0
    num_steps: int = 1
    second_order: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.rho < float("inf"):
            raise ValueError(f"rho = {self.rho}: must be finite and at least 0")
        if not self.p >= 1:
            raise ValueError(f"p = {self.p}: must be at least 1")
        at_least("num_steps", self.num_steps, 1)
        if self.second_order and (self.p, self.num_steps) != (2, 1):
            raise ValueError(
                f"second_order = True with p = {self.p}, num_steps = "
                f"{self.num_steps}: must have p = 2 and num_steps = 1"
            )


def direction(gradients: list[Tensor], p: float) -> list[Tensor]:
    """The e of |e|_p <= 1 with the largest sum of products with the gradients.

    sign(g) |g|^(q-1) / |g|_q^(q-1), 1/p + 1/q = 1 (Foret et al. 2021, equation 2). For
    p = 1 it is shared by the largest entries. It is 0 where all gradients are.

    Args:
        gradients: g, in any number of tensors.
        p: at least 1; may be infinite.
    """
    sizes = [g.abs() for g in gradients]
    largest = torch.stack([size.max() for size in sizes if size.numel()]).max()
    some = torch.where(largest > 0, largest, torch.ones_like(largest))
    if p == 1:
        top = [(size == largest).to(size) for size in sizes]
        count = torch.stack([part.sum() for part in top]).sum()
        return [g.sign() * part / count for g, part in zip(gradients, top, strict=True)]
    q = 1.0 if p == float("inf") else p / (p - 1)
    # relative to the largest, so that no power overflows
    powers = [(size / some) ** (q - 1) for size in sizes]
    total = torch.stack([(size / some).pow(q).sum() for size in sizes]).sum()
    length = torch.where(total > 0, total, torch.ones_like(total)) ** (1 - 1 / q)
    return [g.sign() * part / length for g, part in zip(gradients, powers, strict=True)]


class SharpnessAware:
    """An optimiser whose gradients are taken at the end of an ascent.

    The statistics of batch norm follow the first pass of every micro-batch, at the
    weights themselves. If anything raises, weights, statistics and the optimiser's
    state are what they were before the step, to the bit.

    Attributes:
        optimizer: takes the steps; its groups keep their own settings.
        module: whose parameters it has.
        ascent: how the inner maximum is approached.
        scaler: of the losses, for mixed precision; the closures do the autocasting.
        before_update: called when the gradients are final and unscaled, such as to
            clip them.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        module: nn.Module,
        ascent: Ascent | None = None,
        *,
        scaler: torch.amp.GradScaler | None = None,
        before_update: Callable[[], Any] | None = None,
    ):
        self.optimizer = optimizer
        self.module = module
        self.ascent = Ascent() if ascent is None else ascent
        self.scaler = scaler
        self.before_update = before_update

    @property
    def parameters(self) -> list[Tensor]:
        """All that the optimiser moves."""
        groups = self.optimizer.param_groups
        return [p for group in groups for p in group["params"] if p.requires_grad]

    def step(self, *closures: Closure) -> Tensor:
        """One update.

        Args:
            closures: one a micro-batch; all count the same.

        Returns:
            The mean loss before the update.

        Raises:
            ValueError: if there is no closure.
        """
        with self._restored_if_it_fails():
            loss = self.gradient(*closures)
            self._update()
        return loss

    def gradient(self, *closures: Closure, ascend_on: Closure | None = None) -> Tensor:
        """Leave an update's gradient in the parameters' `grad`, and do no update.

        Args:
            closures: one a micro-batch; all count the same.
            ascend_on: the loss that every ascent follows, where that is not the
                micro-batch's own.

        Returns:
            The mean loss where the ascents start.

        Raises:
            ValueError: if there is no closure.
        """
        if not closures:
            raise ValueError("closures = (): must be at least one")
        found = [self._gradient(own, ascend_on or own) for own in closures]
        if len(found) == 1:
            return found[0][0]
        gradients = zip(*(parts for _, parts in found), strict=True)
        for parameter, parts in zip(self.parameters, gradients, strict=True):
            there = [part for part in parts if part is not None]
            parameter.grad = sum(there) / len(closures) if there else None
        return torch.stack([loss for loss, _ in found]).mean()

    def _update(self) -> None:
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        if self.before_update is not None:
            self.before_update()
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()

    def _gradient(
        self, closure: Closure, ascend_on: Closure
    ) -> tuple[Tensor, list[Tensor | None]]:
        """The loss at w, and the gradient at the end of its ascent."""
        if self.ascent.rho == 0:
            loss = self._backward(closure)
            return loss, [p.grad for p in self.parameters]
        loss = self._backward(ascend_on)
        moved = [p for p in self.parameters if p.grad is not None]
        old = [p.detach().clone() for p in moved]
        try:
            with statistics_kept(self.module):
                for left in reversed(range(self.ascent.num_steps)):
                    self._ascend(moved)
                    self._backward(ascend_on if left else closure)
        finally:
            with torch.no_grad():
                for parameter, value in zip(moved, old, strict=True):
                    parameter.copy_(value)
        if self.ascent.second_order:
            with statistics_kept(self.module):
                self._correct(ascend_on, moved)
        return loss, [p.grad for p in self.parameters]

    def _backward(self, closure: Closure) -> Tensor:
        """Fresh gradients of a loss, scaled where there is a scaler."""
        for parameter in self.parameters:
            parameter.grad = None
        with torch.enable_grad():
            loss = closure()
        scaled = loss if self.scaler is None else self.scaler.scale(loss)
        scaled.backward()
        return loss.detach()

    def _ascend(self, moved: list[Tensor]) -> None:
        length = self.ascent.rho / self.ascent.num_steps
        with torch.no_grad():
            gradients = [p.grad for p in moved if p.grad is not None]
            steps = direction(gradients, self.ascent.p)
            for parameter, step in zip(moved, steps, strict=True):
                parameter.add_(step, alpha=length)

    def _correct(self, closure: Closure, moved: list[Tensor]) -> None:
        """Add that of e(w) = rho g / |g|: rho / |g| H (v - g (g v) / |g|^2)."""
        with torch.enable_grad():
            g = torch.autograd.grad(closure(), moved, create_graph=True)
        with torch.no_grad():
            square = torch.stack([(part**2).sum() for part in g]).sum()
            # where g = 0 there is no ascent, and all that follows is 0
            some = torch.where(square > 0, square, torch.ones_like(square))
            v = [p.grad for p in moved if p.grad is not None]
            inner = sum((a * b).sum() for a, b in zip(g, v, strict=True)) / some
            across = [b - a * inner for a, b in zip(g, v, strict=True)]
            factor = torch.where(square > 0, self.ascent.rho / some.sqrt(), square)
        product = torch.autograd.grad(g, moved, across)
        with torch.no_grad():
            for parameter, part in zip(moved, product, strict=True):
                assert parameter.grad is not None
                parameter.grad += factor * part

    @contextmanager
    def _restored_if_it_fails(self) -> Iterator[None]:
        """Weights, buffers and gradients as they were, where anything raises.

        The optimiser's own step comes last, and leaves its state alone until then.
        """
        kept = [*self.parameters, *self.module.buffers()]
        old = [tensor.detach().clone() for tensor in kept]
        gradients = [p.grad for p in self.parameters]
        try:
            yield
        except BaseException:
            with torch.no_grad():
                for tensor, value in zip(kept, old, strict=True):
                    tensor.copy_(value)
            for parameter, gradient in zip(self.parameters, gradients, strict=True):
                parameter.grad = gradient
            raise
