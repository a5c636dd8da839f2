"""One probe of the trace, and its gradient: Hutchinson's estimator as a penalty.

For independent signs z, (1/n) ||J z||^2 has the mean (1/n) ||J||_F^2, the trace of the
Hessian at interpolation (M. F. Hutchinson, Communications in Statistics 18, 1989). Its
gradient at fixed z is (2/n) sum_i (J z)_i Hess f_i z.
"""

import numpy as np

from flatminima.flows.kinked import Kinked
from flatminima.flows.model import Smooth, Theta
from flatminima.flows.two_layer import TwoLayer


def probe(model: Smooth, theta: Theta, z: Theta) -> float:
    """(1/n) ||J z||^2.

    Args:
        model: the model.
        theta: where.
        z: as theta.
    """
    return float(np.mean(model.tangent(theta).push(z) ** 2))


def probe_gradient(model: Smooth, theta: Theta, z: Theta) -> Theta:
    """Its gradient, z held.

    sum_i c_i Hess f_i z is half the difference of J^T c at theta + z and theta - z.
    That is exact for models that are cubic in theta, such as those of `flows`; a ReLU
    network keeps its activation pattern, as automatic differentiation does.

    Args:
        model: a model that is a polynomial of degree at most three, or a ReLU network.
        theta: where.
        z: as theta.

    Raises:
        ValueError: for a two-layer network of another activation.
    """
    at = model.tangent(theta)
    c = at.push(z)
    if isinstance(model, TwoLayer):
        return 2 / len(c) * _bent(model, theta, z, c)
    ahead, behind = (
        model.tangent(theta + sign * z).pull_back(c)[0] for sign in (1, -1)
    )
    return (ahead - behind) / len(c)


def _bent(model: TwoLayer, theta: Theta, z: Theta, c: np.ndarray) -> Theta:
    """sum_i c_i Hess f_i z of a ReLU network between kinks."""
    if not isinstance(model, Kinked) and model.activation != "relu":
        raise ValueError(f"activation = {model.activation!r}: must be 'relu'")
    zw, zv = model.split(z)
    on = (model.x @ model.split(theta)[0].T > 0) * c[:, None]
    by_w = (on * zv).T @ model.x
    by_v = np.sum(on * (model.x @ zw.T), axis=0)
    return np.concatenate([by_w.ravel(), by_v])
