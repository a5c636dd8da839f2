"""Sharpness-aware minimisation around any torch optimiser (Foret et al. 2021)."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@contextmanager
def ascended(parameters: Iterable[Tensor], rho: float) -> Iterator[None]:
    """Parameters moved to w + rho g / |g|, g their gradients as they are on entry.

    |g| is the norm over all of them together; where it is 0 nothing moves. On exit,
    by an exception too, every parameter is what it was, to the bit.

    Args:
        parameters: tensors with a `grad`; those without are left alone.
        rho: length of the step, at least 0.
    """
    moved = [(p, p.grad) for p in parameters if p.grad is not None]
    before = [p.detach().clone() for p, _ in moved]
    try:
        with torch.no_grad():
            norms = [grad.norm() for _, grad in moved] or [torch.zeros(())]
            norm = torch.stack(norms).norm()
            scale = torch.where(norm > 0, rho / norm, norm)
            for p, grad in moved:
                p.add_(grad * scale)
        yield
    finally:
        with torch.no_grad():
            for (p, _), old in zip(moved, before, strict=True):
                p.copy_(old)


@contextmanager
def statistics_kept(module: nn.Module) -> Iterator[None]:
    """Batch norm normalises by the batch, and takes no notice of it for later."""
    tracking = [
        m for m in module.modules() if isinstance(m, NORMS) and m.track_running_stats
    ]
    try:
        for norm in tracking:
            norm.track_running_stats = False
        yield
    finally:
        for norm in tracking:
            norm.track_running_stats = True


def sam_step(
    optimizer: torch.optim.Optimizer,
    module: nn.Module,
    closure: Callable[[], Tensor],
    rho: float,
) -> Tensor:
    """One step of SAM: the optimiser's own step, by the gradient at w + rho g / |g|.

    The statistics of batch norm follow the first pass only. If a pass raises, weights,
    statistics of the second pass and the optimiser's state are what they were.

    Args:
        optimizer: over parameters of the module; takes the step.
        module: whose batch norm is kept from the second pass.
        closure: computes the loss of a batch, without backward.
        rho: radius.

    Returns:
        The loss before the step.
    """
    optimizer.zero_grad()
    loss = closure()
    loss.backward()
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    with ascended(parameters, rho), statistics_kept(module):
        optimizer.zero_grad()
        closure().backward()
    optimizer.step()
    return loss.detach()
