"""The training loss for automatic differentiation."""

from typing import TYPE_CHECKING

from flatminima.models.losses import Logistic, Squared

if TYPE_CHECKING:
    import torch


def objective(
    loss: Squared | Logistic, f: "torch.Tensor", y: "torch.Tensor"
) -> "torch.Tensor":
    """L = (1/n) sum l(f_i, y_i), differentiable as often as f is.

    Args:
        loss: of one example.
        f: outputs, shape (n,).
        y: labels, shape (n,); -1 or 1 for the logistic loss.
    """
    import torch

    if isinstance(loss, Logistic):
        positive = 0.5 + y * (0.5 - loss.smoothing)
        return torch.nn.functional.binary_cross_entropy_with_logits(f, positive)
    return ((f - y) ** 2).mean()
