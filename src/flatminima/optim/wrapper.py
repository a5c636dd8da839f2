"""SAM in many forms around any torch optimiser.

min_w (1/M) sum_j max_{|e|_p <= rho} L_j(w + e), over M micro-batches j. With M = 1 it
is the SAM of Foret et al. (2021, equations 1 and 2); more make m-SAM (their section
4.1; Andriushchenko & Flammarion 2022), each with an ascent of its own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from flatminima.checks import at_least
from flatminima.optim.sam import check_radius, statistics_kept

Closure = Callable[[], Tensor]
"""Computes the mean loss of a (micro-)batch, a tensor (), without backward."""


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

    Raises:
        ValueError: if one of them is out of its range.
    """

    rho: float = 0.05
    p: float = 2.0
    num_steps: int = 1
    second_order: bool = False

    def __post_init__(self) -> None:
        check_radius(self.rho)
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
    if not any(g.numel() for g in gradients):
        return gradients
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

    The statistics of batch norm, and all other buffers, follow the first pass of every
    micro-batch, at the weights themselves. A gradient that a pass does not give counts
    as zero in the ascent.

    If anything raises before the optimiser's own step, weights, buffers, the
    optimiser's state and the scaler's are what they were before, to the bit. If that
    step raises itself, weights and buffers are, but its state may have moved.

    It is no `torch.optim.Optimizer`: schedulers of the learning rate take `optimizer`.

    Attributes:
        optimizer: takes the steps, from gradients alone; its groups keep their own
            settings, but share one radius.
        module: that has all its parameters. Those that it has beside them stay where
            they are, and so do their gradients.
        ascent: how the inner maximum is approached.
        scaler: of the losses, for mixed precision; the closures do the autocasting.
        before_update: called when the gradients are final and unscaled, such as to
            clip them.

    Raises:
        ValueError: if an argument is not of its type, the optimiser is LBFGS, which
            asks for a closure itself, has a parameter that the module lacks, or has a
            group with a `rho` of its own.
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
        _check_types(optimizer, module, ascent)
        _check_groups(optimizer.param_groups, optimizer.defaults)
        known = {id(p) for p in module.parameters()}
        for i, group in enumerate(optimizer.param_groups):
            for j, p in enumerate(group["params"]):
                if id(p) not in known:
                    raise ValueError(
                        f"optimizer.param_groups[{i}]['params'][{j}] = a tensor "
                        f"{tuple(p.shape)}: must be a parameter of module"
                    )
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

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The optimiser's own."""
        return self.optimizer.param_groups

    def zero_grad(self, set_to_none: bool = True) -> None:
        """The optimiser's own; a step needs none."""
        self.optimizer.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """The optimiser's own; the module and the scaler have theirs."""
        return self.optimizer.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what `state_dict` gave.

        Raises:
            ValueError: if a group has a `rho` of its own, or the optimiser refuses.
        """
        _check_groups(state["param_groups"], self.optimizer.defaults)
        self.optimizer.load_state_dict(dict(state))

    def step(self, *closures: Closure) -> Tensor:
        """One update.

        Args:
            closures: one a micro-batch; all count the same.

        Returns:
            The mean loss before the update.

        Raises:
            ValueError: if there is no closure, or one returns anything but a tensor ()
                that requires grad, or calls backward itself, or if a gradient to
                ascend along is sparse.
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
            ValueError: if there is no closure, or one returns anything but a tensor ()
                that requires grad, or calls backward itself, or if a gradient to
                ascend along is sparse.
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
        try:
            if self.scaler is not None:
                self.scaler.unscale_(self.optimizer)
            if self.before_update is not None:
                self.before_update()
            if self.scaler is None:
                self.optimizer.step()
            else:
                self.scaler.step(self.optimizer)
        except BaseException:
            if self.scaler is not None:
                # it would refuse to unscale again; the scale stays what it is
                self.scaler.update(self.scaler.get_scale())
            raise
        if self.scaler is not None:
            self.scaler.update()

    def _gradient(
        self, closure: Closure, ascend_on: Closure
    ) -> tuple[Tensor, list[Tensor | None]]:
        """The loss at w, and the gradient at the end of its ascent."""
        if self.ascent.rho == 0:
            loss = self._backward(closure)
            return loss, [p.grad for p in self.parameters]
        loss = self._backward(ascend_on)
        used = [p for p in self.parameters if p.grad is not None]
        old = [p.detach().clone() for p in self.parameters]
        try:
            with statistics_kept(self.module):
                for left in reversed(range(self.ascent.num_steps)):
                    self._ascend()
                    self._backward(ascend_on if left else closure)
        finally:
            with torch.no_grad():
                for parameter, value in zip(self.parameters, old, strict=True):
                    parameter.copy_(value)
        if self.ascent.second_order:
            with statistics_kept(self.module):
                self._correct(ascend_on, used)
        return loss, [p.grad for p in self.parameters]

    def _backward(self, closure: Closure) -> Tensor:
        """Fresh gradients of a loss, scaled where there is a scaler."""
        for parameter in self.parameters:
            parameter.grad = None
        loss = _loss(closure)
        for parameter in self.parameters:
            if parameter.grad is not None:
                raise ValueError(
                    f"closure has filled the gradient of {self._name(parameter)}: must "
                    "return the loss without a call of backward"
                )
        scaled = loss if self.scaler is None else self.scaler.scale(loss)
        scaled.backward(inputs=self.parameters)
        return loss.detach()

    def _name(self, parameter: Tensor) -> str:
        named = self.module.named_parameters()
        return next(name for name, p in named if p is parameter)

    def _ascend(self) -> None:
        length = self.ascent.rho / self.ascent.num_steps
        there = [(p, p.grad) for p in self.parameters if p.grad is not None]
        for parameter, gradient in there:
            if gradient.layout != torch.strided:
                raise ValueError(
                    f"gradient of {self._name(parameter)} = a tensor of layout "
                    f"{gradient.layout}: must be dense"
                )
        with torch.no_grad():
            steps = direction([gradient for _, gradient in there], self.ascent.p)
            for (parameter, _), step in zip(there, steps, strict=True):
                parameter.add_(step, alpha=length)

    def _correct(self, closure: Closure, used: list[Tensor]) -> None:
        """Add that of e(w) = rho g / |g|: rho / |g| H (v - g (g v) / |g|^2)."""
        if not used:
            return
        with torch.enable_grad():
            g = torch.autograd.grad(
                _loss(closure), used, create_graph=True, materialize_grads=True
            )
        with torch.no_grad():
            square = torch.stack([(part**2).sum() for part in g]).sum()
            # where g = 0 there is no ascent, and all that follows is 0
            some = torch.where(square > 0, square, torch.ones_like(square))
            v = [torch.zeros_like(p) if p.grad is None else p.grad for p in used]
            inner = sum((a * b).sum() for a, b in zip(g, v, strict=True)) / some
            across = [b - a * inner for a, b in zip(g, v, strict=True)]
            factor = torch.where(square > 0, self.ascent.rho / some.sqrt(), square)
        # a gradient without a graph is constant, and adds nothing
        curved = [pair for pair in zip(g, across, strict=True) if pair[0].requires_grad]
        if not curved:
            return
        outputs, along = zip(*curved, strict=True)
        product = torch.autograd.grad(outputs, used, along, materialize_grads=True)
        with torch.no_grad():
            for parameter, own, part in zip(used, v, product, strict=True):
                parameter.grad = own.add_(factor * part)

    @contextmanager
    def _restored_if_it_fails(self) -> Iterator[None]:
        """Weights, buffers and gradients as they were, where anything raises.

        The optimiser's own step comes last, and leaves its state alone until then.
        """
        buffers = [
            (part, name, buffer)
            for part in self.module.modules()
            for name, buffer in part.named_buffers(recurse=False)
        ]
        kept = [*self.parameters, *(buffer for _, _, buffer in buffers)]
        old = [tensor.detach().clone() for tensor in kept]
        gradients = [p.grad for p in self.parameters]
        try:
            yield
        except BaseException:
            with torch.no_grad():
                for tensor, value in zip(kept, old, strict=True):
                    tensor.copy_(value)
            for part, name, buffer in buffers:
                setattr(part, name, buffer)
            for parameter, gradient in zip(self.parameters, gradients, strict=True):
                parameter.grad = gradient
            raise


def _loss(closure: Closure) -> Tensor:
    with torch.enable_grad():
        loss = closure()
    if not isinstance(loss, Tensor):
        raise ValueError(
            f"closure() = {loss!r}: must be a tensor () that requires grad"
        )
    if loss.dim() or not loss.requires_grad:
        raise ValueError(
            f"closure() = a tensor {tuple(loss.shape)} with requires_grad = "
            f"{loss.requires_grad}: must be a tensor () that requires grad"
        )
    return loss


def _check_types(optimizer: Any, module: Any, ascent: Any) -> None:
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise ValueError(f"optimizer = {optimizer!r}: must be a torch.optim.Optimizer")
    if isinstance(optimizer, torch.optim.LBFGS):
        raise ValueError(
            "optimizer = LBFGS: must be one that steps by gradients alone, and asks "
            "for no closure"
        )
    if not isinstance(module, nn.Module):
        raise ValueError(f"module = {module!r}: must be a torch.nn.Module")
    if not (ascent is None or isinstance(ascent, Ascent)):
        raise ValueError(f"ascent = {ascent!r}: must be an Ascent or None")


def _check_groups(
    groups: Sequence[Mapping[str, Any]], defaults: Mapping[str, Any]
) -> None:
    """Refuse a radius of a group's own, which is not the setting of Adadelta."""
    for i, group in enumerate(groups):
        if "rho" in group and "rho" not in defaults:
            raise ValueError(
                f"optimizer.param_groups[{i}]['rho'] = {group['rho']}: must be left "
                "out, since all groups share the rho of ascent"
            )
