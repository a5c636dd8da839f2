"""Description length: the bits that the weights take at a tolerated rise of the loss.

Flat minima need fewer digits (Hochreiter & Schmidhuber 1997). Weight i alone may be off
by delta_i = sqrt(2 tolerance / h_i) before the quadratic model of the loss, with h_i =
d2L / d theta_i2, has risen by the tolerance. Told within a range of width R_i it takes

    b_i = max(0, log2(R_i / delta_i)) = max(0, 1/2 log2(h_i R_i^2 / (2 tolerance)))

bits, and the network sum_i b_i. Hochreiter & Schmidhuber's penalty B(w, X) has the same
1/2 log of squared sensitivities, a term for all weights being off at once, and no floor
at 0. Their sensitivities are those of the outputs, so the h_i that is closest to theirs
is the diagonal of the Gauss-Newton matrix.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def description_length(
    diagonal: Float[Tensor, " D"],
    tolerance: float,
    widths: Float[Tensor, " D"] | float = 1.0,
) -> float:
    """sum_i max(0, 1/2 log2(h_i R_i^2 / (2 tolerance))), in bits.

    Args:
        diagonal: h_i, such as `diagonal.gauss_newton_diagonal(at)`; entries that are
            not positive take no bits.
        tolerance: rise of the loss, above 0.
        widths: R_i. With one number for all it counts absolute digits, and changes
            as a net is rescaled; with |theta_i| it counts digits relative to the
            weight, and does not.

    Raises:
        ValueError: if the tolerance is not above 0 or a width is negative.
    """
    if not tolerance > 0:
        raise ValueError(f"tolerance = {tolerance}: must be above 0")
    widths = torch.as_tensor(widths, dtype=diagonal.dtype)
    if bool((widths < 0).any()):
        raise ValueError("widths: must be at least 0")
    ratio = diagonal.clamp(min=0) * widths**2 / (2 * tolerance)
    return float((torch.log2(ratio.clamp(min=1.0)) / 2).sum())
