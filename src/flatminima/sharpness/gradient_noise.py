"""How large the gradient of a micro-batch is, by its number of examples.

Of m examples that are drawn from n without replacement, the mean gradient g_m has

    E |g_m|^2 = |g|^2 + (n - m) / (m (n - 1)) V,    V = (1/n) sum_i |g_i - g|^2,

g being that of all n, as every mean of a simple random sample (Cochran, Sampling
Techniques, 1977, chapter 2). To first order SAM's ascent by rho raises the loss of a
micro-batch by rho |g_m|, so the noise V / m is part of what m-SAM makes small: the
variance term of Luo et al. (2025, arXiv 2509.18001).
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from flatminima.checks import at_least
from flatminima.sharpness import per_example
from flatminima.sharpness.landscape import Landscape


@dataclass(frozen=True)
class GradientNoise:
    """The gradients of single examples, in two numbers.

    Attributes:
        n: number of examples, at least 2.
        mean_square: |g|^2, of the gradient of all.
        variance: V, the mean of |g_i - g|^2.
    """

    n: int
    mean_square: float
    variance: float

    def square(self, m: int) -> float:
        """E |g_m|^2 of m examples, drawn without replacement.

        Args:
            m: 1 to n.

        Raises:
            ValueError: if m is out of range.

        >>> noise = GradientNoise(n=3, mean_square=1.0, variance=6.0)
        >>> noise.square(1), noise.square(2), noise.square(3)
        (7.0, 2.5, 1.0)
        """
        at_least("m", m, 1)
        if m > self.n:
            raise ValueError(f"m = {m}: must be at most n = {self.n}")
        left = (self.n - m) / (m * (self.n - 1))
        return self.mean_square + left * self.variance

    def share(self, m: int) -> float:
        """The part of E |g_m|^2 that is variance; NaN where all gradients are 0."""
        whole = self.square(m)
        return 1 - self.mean_square / whole if whole > 0 else np.nan


def gradient_noise(gradients: Float[np.ndarray, "n D"]) -> GradientNoise:
    """The two numbers of some gradients.

    Args:
        gradients: one example a row.

    Raises:
        ValueError: if there are fewer than two.
    """
    at_least("n", len(gradients), 2)
    mean = gradients.mean(axis=0)
    spread = float(((gradients - mean) ** 2).sum(axis=1).mean())
    return GradientNoise(len(gradients), float((mean**2).sum()), spread)


def of_landscape(at: Landscape) -> GradientNoise:
    """Of the losses of single examples, at a point, in float64.

    Args:
        at: the landscape, at theta.

    Raises:
        ValueError: if an output depends on other examples than its own.
    """
    f = at.outputs().detach().requires_grad_()
    (slopes,) = torch.autograd.grad(at.criterion(f, at.y).sum(), f)
    found = per_example.gradients(at, slopes[:, None])[:, 0]
    return gradient_noise(found.detach().numpy())
