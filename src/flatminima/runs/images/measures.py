"""What a row of a run's history holds."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from flatminima.measures.complexity import path_norm
from flatminima.runs.images.config import ImageConfig
from flatminima.sharpness import sequence
from flatminima.sharpness.minimum import Shares, least_trace
from flatminima.sharpness.normalised import matrix_term
from flatminima.sharpness.rescaling import folded, layers

CHUNK = 2000
"""Images at a time."""

PROBE_SEEDS = 1_000_003
"""Set the probes apart from other draws of the same seed."""

SHARPNESS = (
    "minimum_sharpness",
    "trace",
    "folded_trace",
    "normalised_sharpness",
    "path_norm",
    "sam_sharpness",
)
"""Columns that are not measured at the start."""

SAM_BATCH = 128
SAM_RADIUS = 0.05
"""Examples and radius of the ascents of `sam_sharpness`."""


def loss_and_accuracy(net: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    """Mean cross entropy and accuracy, added up in float64."""
    loss, right = 0.0, 0
    with torch.no_grad():
        for inputs, labels in zip(x.split(CHUNK), y.split(CHUNK), strict=True):
            f = net(inputs)
            each = nn.functional.cross_entropy(f, labels, reduction="none")
            loss += float(each.double().sum())
            right += int((f.argmax(dim=1) == labels).sum())
    return loss / len(y), right / len(y)


def performance(
    net: nn.Module, train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]
) -> dict[str, float]:
    """Losses and accuracies of a network in evaluation mode."""
    losses = loss_and_accuracy(net, *train), loss_and_accuracy(net, *test)
    names = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
    return dict(zip(names, (*losses[0], *losses[1]), strict=True))


def sharpness(
    config: ImageConfig, net: nn.Sequential, x: Tensor, y: Tensor
) -> dict[str, float]:
    """The columns of `SHARPNESS`, in float64.

    Args:
        config: the run.
        net: in evaluation mode; it is copied.
        x, y: training images, of which the first `sharpness_n` count.

    Returns:
        minimum_sharpness, of the network with batch norm folded in; trace, that of
        the Gauss-Newton matrix over the network's own parameters, and folded_trace
        over those with batch norm folded in; normalised_sharpness (Tsuzuku et al.),
        of the folded network; path_norm, its square root taken over paths of the
        folded network; sam_sharpness, the mean over batches of `SAM_BATCH` of what one
        ascent of SAM of `SAM_RADIUS` adds to their loss. NaN where a number is not
        finite.
    """
    raw = copy.deepcopy(net).cpu().double().eval()
    plain = folded(raw)
    x, y = x[: config.sharpness_n].double(), y[: config.sharpness_n]
    drawn = {
        "probes": config.probes,
        "seed": PROBE_SEEDS + config.init_seed,
    }
    own = sequence.diagonal(raw.to(x.device), x, y, **drawn)
    rise = sharpness_of_batches(raw, x, y, min(SAM_BATCH, len(x)), [SAM_RADIUS], 1)[0]
    diagonal = {
        name: value.cpu()
        for name, value in sequence.diagonal(plain.to(x.device), x, y, **drawn).items()
    }
    plain = plain.cpu()
    squares = {name: p.detach().square() for name, p in plain.named_parameters()}
    traces = {name: float(value.sum()) for name, value in diagonal.items()}
    names = [name for name, part in plain.named_children() if part in layers(plain)]
    columns = dict.fromkeys(SHARPNESS, np.nan)
    if not np.isfinite(list(traces.values())).all():
        return columns
    shares = Shares(
        np.array([traces[f"{name}.weight"] for name in names]),
        np.array([traces[f"{name}.bias"] for name in names]),
    )
    columns["minimum_sharpness"] = least_trace(shares).value
    columns["trace"] = sum(float(value.sum()) for value in own.values())
    columns["folded_trace"] = sum(traces.values())
    columns["normalised_sharpness"] = sum(
        matrix_term(_matrix(diagonal[name]), _matrix(squares[name])) for name in squares
    )
    columns["path_norm"] = path_norm(plain, config.shape) ** 0.5
    columns["sam_sharpness"] = rise
    return columns


def normalised(values: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
    """Every entry of the first axis at length 1; those that are 0 stay so."""
    lengths = values.flatten(1).norm(dim=1).view(-1, *[1] * (values.dim() - 1))
    return values / torch.where(lengths > 0, lengths, torch.ones_like(lengths))


def sharpness_of_batches(
    net: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int[Tensor, " n"],
    m: int,
    radii: Sequence[float],
    steps: int,
) -> list[float]:
    """m-sharpness: the mean over batches of m of the largest rise of their loss.

    Each ascent has so many steps, of equal length and along the gradient where the one
    before ended, that add up to the radius. The largest rise is that over its steps.

    Args:
        net: in evaluation mode; its weights are moved and put back, to the bit.
        x, y: images and classes; a last batch that is not whole is left aside.
        m: examples of a batch, at most n.
        radii: of the balls over all weights.
        steps: of an ascent.

    Returns:
        One a radius.
    """
    weights = list(net.parameters())
    old = [p.detach().clone() for p in weights]
    rises = torch.zeros(len(radii), dtype=torch.float64, device=x.device)
    batches = [x[k : k + m] for k in range(0, len(x) - m + 1, m)]

    def loss_and_gradient(inputs: Tensor, labels: Tensor) -> tuple[Tensor, Any]:
        loss = nn.functional.cross_entropy(net(inputs), labels)
        return loss.detach(), torch.autograd.grad(loss, weights)

    try:
        for number, inputs in enumerate(batches):
            labels = y[number * m : (number + 1) * m]
            here, first = loss_and_gradient(inputs, labels)
            for place, radius in enumerate(radii):
                gradient, largest = first, torch.zeros_like(here)
                for _ in range(steps):
                    length = torch.stack([g.norm() for g in gradient]).norm()
                    factor = torch.where(length > 0, radius / steps / length, length)
                    with torch.no_grad():
                        for p, g in zip(weights, gradient, strict=True):
                            p.add_(g * factor)
                    loss, gradient = loss_and_gradient(inputs, labels)
                    largest = torch.maximum(largest, loss - here)
                rises[place] += largest.double()
                with torch.no_grad():
                    for p, value in zip(weights, old, strict=True):
                        p.copy_(value)
    finally:
        with torch.no_grad():
            for p, value in zip(weights, old, strict=True):
                p.copy_(value)
    return (rises / len(batches)).tolist()


def _matrix(values: Tensor) -> np.ndarray:
    """Rows of outputs, columns of inputs, kernels summed over; a bias is a column."""
    columns = values.shape[1] if values.dim() > 1 else 1
    return values.reshape(len(values), columns, -1).sum(dim=2).numpy()


def between(
    before: dict[str, float], after: dict[str, float], target: float
) -> dict[str, float]:
    """Measures at a target loss that two neighbouring looks enclose.

    Each is taken as a power of the loss: its logarithm is linear in that of the loss.
    What is not above 0 at both ends is taken as linear.

    Args:
        before: measures at the last look, train_loss above the target.
        after: at this one, train_loss at most the target.
        target: above 0.
    """
    high, low = before["train_loss"], after["train_loss"]
    share = np.log(high / target) / np.log(high / low)

    def at(a: float, b: float) -> float:
        if a > 0 and b > 0:
            return float(np.exp((1 - share) * np.log(a) + share * np.log(b)))
        return float((1 - share) * a + share * b)

    return {name: at(before[name], after[name]) for name in after}
