"""Minimum sharpness: the least trace over all layer rescalings of a net.

Rescaling layer l by alpha_l (`rescaling.rescale`, product 1) turns the trace of the
Hessian into

    T(alpha) = sum_l W_l / alpha_l^2 + sum_l B_l / (alpha_1 ... alpha_l)^2,

W_l and B_l the shares of weights and bias of layer l (Ibayashi, Hamaguchi & Imaizumi
2021). In u = log alpha it is a sum of exponentials of linear functions: convex, so
Newton's method finds the least value.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from flatminima.sharpness import gauss_newton_trace
from flatminima.sharpness.estimate import Estimate
from flatminima.sharpness.landscape import Criterion, landscape
from flatminima.sharpness.newton import minimise
from flatminima.sharpness.rescaling import folded, layers


@dataclass(frozen=True)
class Shares:
    """Shares of Tr Hess L of the layers' weights and biases.

    Attributes:
        weights: W_l, shape (depth,).
        biases: B_l, shape (depth,); 0 where a layer has none.
    """

    weights: Float[np.ndarray, " depth"]
    biases: Float[np.ndarray, " depth"]

    @property
    def exponents(self) -> Float[np.ndarray, "terms depth_less_1"]:
        """A of T = sum_k c_k exp(-2 (A u)_k), with u_D = -(u_1 + ... + u_{D-1})."""
        depth = len(self.weights)
        first = np.vstack([np.eye(depth - 1), -np.ones(depth - 1)])
        products = np.vstack([np.tri(depth - 1), np.zeros(depth - 1)])
        return np.vstack([first, products])

    def at(self, alphas: Float[np.ndarray, " depth"]) -> float:
        """T(alpha), for alphas of product 1."""
        alphas = np.asarray(alphas, float)
        products = np.cumprod(alphas)
        return float(np.sum(self.weights / alphas**2 + self.biases / products**2))


@dataclass(frozen=True)
class MinimumSharpness:
    """The least trace and where it is.

    Attributes:
        value: min T.
        alphas: where, shape (depth,), with product 1.
        shares: of layers at alpha = 1.
        iterations: Newton steps; they need no pass over the data.
        decrement: about the relative distance to the infimum.
    """

    value: float
    alphas: Float[np.ndarray, " depth"]
    shares: Shares
    iterations: int
    decrement: float

    def __float__(self) -> float:
        return self.value


def least_trace(shares: Shares) -> MinimumSharpness:
    """min T(alpha) by damped Newton in log alpha.

    Without biases it is depth (prod_l W_l)^(1/depth), by the inequality of means. It is
    0, and reached only at infinity, where a W_l is 0 and no bias stands against it.

    Args:
        shares: W_l and B_l, at least 0.

    Raises:
        ValueError: if a share is negative or not finite.
    """
    coefficients = np.concatenate([shares.weights, shares.biases])
    if not (np.isfinite(coefficients) & (coefficients >= 0)).all():
        raise ValueError(f"shares = {coefficients}: must be finite and at least 0")
    matrix = -2 * shares.exponents

    def oracle(u: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        terms = coefficients * np.exp(matrix @ u)
        return terms.sum(), terms @ matrix, (matrix.T * terms) @ matrix

    best = minimise(oracle, np.zeros(matrix.shape[1]))
    alphas = np.exp(np.append(best.u, -best.u.sum()))
    return MinimumSharpness(best.value, alphas, shares, best.iterations, best.decrement)


def shares(module: nn.Module, x: Tensor, y: Tensor, loss: str | Criterion) -> Shares:
    """W_l and B_l of a sequential net, batch norm folded into its layers first.

    The Gauss-Newton trace. For the nets taken here it is the Hessian's own: the outputs
    are linear in every single weight wherever they are differentiable.

    Args:
        module: as `rescaling.folded` takes it.
        x, y, loss: as `landscape` takes them.

    Raises:
        ValueError: if the net is not sequential or a map in it not homogeneous.
    """
    net = folded(module)
    at = landscape(net, x, y, loss)
    found = gauss_newton_trace.exact(at).layers
    names = [name for name, part in net.named_children() if part in layers(net)]
    biases = [found.get(f"{name}.bias", Estimate(0.0)) for name in names]
    return Shares(
        np.array([found[f"{name}.weight"].value for name in names]),
        np.array([bias.value for bias in biases]),
    )


def minimum_sharpness(
    module: nn.Module, x: Tensor, y: Tensor, loss: str | Criterion
) -> MinimumSharpness:
    """Least Tr Hess L over all alpha-rescalings of a sequential net.

    Invariant under them by definition, and under scales that batch norm hides.

    Args:
        module: linear and convolutional layers, batch norm after them, and positively
            homogeneous maps between, in a sequence.
        x, y, loss: as `landscape` takes them.

    Raises:
        ValueError: if the module is no such net.
    """
    return least_trace(shares(module, x, y, loss))
