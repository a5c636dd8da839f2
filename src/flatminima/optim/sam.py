"""Sharpness-aware minimisation around any torch optimiser (Foret et al. 2021)."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def check_radius(rho: float) -> None:
    """Refuse what is no radius.

    Raises:
        ValueError: if it is not finite and at least 0.
    """
    if not 0 <= rho < float("inf"):
        raise ValueError(f"rho = {rho}: must be finite and at least 0")


@contextmanager
def ascended(parameters: Iterable[Tensor], rho: float) -> Iterator[None]:
    """Parameters moved to w + rho g / |g|, g their gradients as they are on entry.

    |g| is the norm over all of them together; where it is 0 nothing moves. On exit,
    by an exception too, every parameter is what it was, to the bit.

    Args:
        parameters: tensors with a `grad`; those without are left alone.
        rho: length of the step, finite and at least 0.

    Raises:
        ValueError: if rho is none.
    """
    check_radius(rho)
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
    """Passes, of which a module keeps nothing for later.

    Batch norm normalises by the batch, and takes no notice of it. All other modules
    pass on copies of their buffers, such as the statistics of instance norm and the
    vectors of spectral norm. On exit, by an exception too, they have their own again.
    """
    tracking: list[nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d] = []
    others: list[tuple[nn.Module, str, Tensor]] = []
    for part in module.modules():
        if isinstance(part, NORMS) and part.track_running_stats:
            tracking.append(part)
        else:
            own = part.named_buffers(recurse=False)
            others += [(part, name, buffer) for name, buffer in own]
    copies = {buffer: buffer.clone() for _, _, buffer in others}
    try:
        for norm in tracking:
            norm.track_running_stats = False
        for part, name, buffer in others:
            setattr(part, name, copies[buffer])
        yield
    finally:
        for norm in tracking:
            norm.track_running_stats = True
        for part, name, buffer in others:
            setattr(part, name, buffer)


def sam_step(
    optimizer: torch.optim.Optimizer,
    module: nn.Module,
    closure: Callable[[], Tensor],
    rho: float,
) -> Tensor:
    """One step of SAM: the optimiser's own step, by the gradient at w + rho g / |g|.

    The statistics of batch norm, and all other buffers, follow the first pass only. If
    a pass raises, weights and the optimiser's state are what they were, and the second
    pass leaves no trace in the buffers.

    Args:
        optimizer: over parameters of the module; takes the step.
        module: whose buffers are kept from the second pass.
        closure: computes the loss of a batch, without backward.
        rho: radius, finite and at least 0.

    Returns:
        The loss before the step.

    Raises:
        ValueError: if rho is none.
    """
    check_radius(rho)
    optimizer.zero_grad()
    loss = closure()
    loss.backward()
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    with ascended(parameters, rho), statistics_kept(module):
        optimizer.zero_grad()
        closure().backward()
    optimizer.step()
    return loss.detach()
