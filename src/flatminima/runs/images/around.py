"""What lies around the end of a run: near its weights, and near its test images."""

from collections.abc import Iterable
from itertools import product

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from flatminima.runs.images.config import ImageConfig
from flatminima.runs.images.measures import (
    loss_and_accuracy,
    normalised,
    sharpness_of_batches,
)
from flatminima.sharpness.landscape import landscape
from flatminima.sharpness.products import Products
from flatminima.sharpness.spectrum import largest

SIZES = (16, 128)
"""Examples of a batch of m-sharpness, beside all that sharpness is measured over."""

RADII = (0.01, 0.03, 0.1, 0.3)
"""Of balls over all weights together."""

STEPS = 5
"""Of an ascent."""

BATCHES = 16
"""Over which m-sharpness is a mean at most."""

DRAWS = 20
"""Random directions over which a rise is a mean."""

LENGTHS = (0.25, 0.5, 1.0, 2.0)
"""Of what is added to an image, in standardised pixels."""

TEST_IMAGES = 1000
"""Of which the accuracy under perturbations is measured, the first ones."""

TOLERANCE = 1e-4
"""Relative, of the eigenvalue."""

SEED = 2_000_003
"""Sets random directions apart from other draws of the same seed."""

COLUMNS = (
    "largest_eigenvalue",
    *(f"rise_{m}_{radius}" for m, radius in product((*SIZES, "all"), RADII)),
    *(f"random_{radius}" for radius in RADII),
    *(
        f"{kind}_{length}"
        for kind, length in product(("adversarial", "noisy"), LENGTHS)
    ),
)
"""Of the last row of a run; see `columns`."""


def columns(
    config: ImageConfig,
    net: nn.Module,
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
) -> dict[str, float]:
    """The columns of `COLUMNS`, all in evaluation mode.

    Args:
        config: the run.
        net: its weights are moved and put back.
        train: images and classes, of which the first `sharpness_n` count.
        test: images and classes, of which the first `TEST_IMAGES` count.

    Returns:
        largest_eigenvalue, of the Hessian, in float64. rise_m_r: m-sharpness at radius
        r, over the first `BATCHES` batches of m; m = all for all images at once.
        random_r: the mean rise of the loss at distance r. adversarial_l: the accuracy
        on test images that are moved by l along an ascent of the loss. noisy_l: that
        on images moved as far in a random direction.
    """
    training = net.training
    net.eval()
    x, y = train[0][: config.sharpness_n], train[1][: config.sharpness_n]
    draws = torch.Generator(x.device).manual_seed(SEED + config.init_seed)
    found = {"largest_eigenvalue": largest_eigenvalue(net, x, y)}
    for name, m in (*((m, m) for m in SIZES), ("all", len(x))):
        size = min(m, len(x))
        part = slice(BATCHES * size)
        rises = sharpness_of_batches(net, x[part], y[part], size, RADII, STEPS)
        found |= {
            f"rise_{name}_{r}": rise for r, rise in zip(RADII, rises, strict=True)
        }
    found |= random_rises(net, x, y, draws)
    held_out = test[0][:TEST_IMAGES], test[1][:TEST_IMAGES]
    for length in LENGTHS:
        found |= accuracies(net, *held_out, length, draws)
    net.train(training)
    return {name: found[name] for name in COLUMNS}


def largest_eigenvalue(
    net: nn.Module, x: Float[Tensor, "n c h w"], y: Int[Tensor, " n"]
) -> float:
    """lambda_max of the Hessian of the mean loss, by Lanczos in float64."""
    at = landscape(net, x.double(), y, "cross_entropy")
    theta = at.theta.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(at.loss(theta), theta, create_graph=True)

    def rows(vectors: Tensor) -> Tensor:
        found = [
            torch.autograd.grad(gradient, theta, v.to(x.device), retain_graph=True)[0]
            for v in vectors
        ]
        return torch.stack(found).cpu()

    return float(largest(Products(at.size, rows), tolerance=TOLERANCE))


def random_rises(
    net: nn.Module, x: Tensor, y: Tensor, draws: torch.Generator
) -> dict[str, float]:
    """Mean of L(w + r e) - L(w) over directions e, uniform on the sphere."""
    weights = list(net.parameters())
    old = [p.detach().clone() for p in weights]
    here = loss_and_accuracy(net, x, y)[0]
    rises = dict.fromkeys(RADII, 0.0)
    for _ in range(DRAWS):
        parts = [
            torch.empty(p.shape, device=p.device).normal_(generator=draws)
            for p in weights
        ]
        length = torch.stack([part.norm() for part in parts]).norm()
        for radius in RADII:
            _move(weights, old, parts, radius / length)
            rises[radius] += (loss_and_accuracy(net, x, y)[0] - here) / DRAWS
    _move(weights, old, old, torch.zeros(()))
    return {f"random_{radius}": rise for radius, rise in rises.items()}


def _move(
    weights: Iterable[Tensor],
    old: Iterable[Tensor],
    parts: Iterable[Tensor],
    factor: Tensor,
) -> None:
    with torch.no_grad():
        for p, value, part in zip(weights, old, parts, strict=True):
            p.copy_(value + part * factor.to(value.device))


def accuracies(
    net: nn.Module, x: Tensor, y: Tensor, length: float, draws: torch.Generator
) -> dict[str, float]:
    """Accuracy on images that are moved so far, by an ascent and at random."""
    noise = torch.empty(x.shape, device=x.device).normal_(generator=draws)
    moved = {
        "adversarial": ascended_images(net, x, y, length),
        "noisy": x + length * normalised(noise),
    }
    return {
        f"{kind}_{length}": loss_and_accuracy(net, there, y)[1]
        for kind, there in moved.items()
    }


def ascended_images(
    net: nn.Module, x: Float[Tensor, "n c h w"], y: Int[Tensor, " n"], length: float
) -> Float[Tensor, "n c h w"]:
    """Images after `STEPS` steps up their own loss, that stay within a distance.

    Projected ascent (Madry et al. 2018) in the Euclidean norm: steps of 2 length /
    `STEPS` along the gradient, each followed by the projection on the ball.

    Args:
        net: in evaluation mode.
        x, y: images and classes.
        length: radius of the ball around every image.
    """
    shift = torch.zeros_like(x)
    for _ in range(STEPS):
        moved = (x + shift).requires_grad_()
        # a sum, so that every image has the gradient of its own loss
        loss = nn.functional.cross_entropy(net(moved), y, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, moved)
        shift = shift + 2 * length / STEPS * normalised(gradient)
        far = shift.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        shift = shift * (length / far.clamp_min(length))
    return x + shift
