"""The gradient of the trace of a deep ReLU MLP, in closed form.

Within a linear region T = (1/n) sum_i c sum_l ||h_{l-1}||^2 ||g_l||^2, where h is
filled from the inputs up and g = df/dz from the output down (`sharpness.deep`). Its
derivative runs both sweeps backwards: through g from the first layer up, then through
h from the last layer down. It sees no jump of the trace at a kink.
"""

import numpy as np

from flatminima.sharpness.deep import Gradients
from flatminima.sharpness.gauss_newton import Parameters


def trace_gradient(
    params: Parameters, at: Gradients, curvature: float = 2.0
) -> Parameters:
    """The gradient of Tr Hess L in (w, middle, v), for a loss of constant curvature.

    Args:
        params: (w, middle, v).
        at: the network there, from `deep.per_example_gradients`.
        curvature: second derivative of the loss in f; 2 for the squared loss without
            1/2.

    Returns:
        Arrays of the shapes of the parameters.
    """
    w, middle, v = params
    weights = [w, *middle, v[:, None]]
    depth = len(weights)
    rate = 2 * curvature / len(at.f)
    below = [np.einsum("ij,ij->i", h, h)[:, None] for h in at.entering[:depth]]
    above = [np.einsum("ij,ij->i", g, g)[:, None] for g in at.leaving]
    on = [h > 0 for h in at.entering[1:]]
    slopes = [np.zeros_like(each) for each in weights]
    # d T / d g_l, from the first layer up; g_l = (g_{l+1} W_{l+1}^T) 1[h_l > 0]
    pulled = below[0] * at.leaving[0]
    for layer in range(1, depth):
        pulled = pulled * on[layer - 1]
        slopes[layer] += pulled.T @ at.leaving[layer]
        pulled = pulled @ weights[layer] + below[layer] * at.leaving[layer]
    # d T / d h_l, from the last layer down; h_l = (h_{l-1} W_l) 1[h_l > 0]
    pushed = above[depth - 1] * at.entering[depth - 1]
    for layer in range(depth - 2, -1, -1):
        pushed = pushed * on[layer]
        slopes[layer] += at.entering[layer].T @ pushed
        pushed = pushed @ weights[layer].T + above[layer] * at.entering[layer]
    first, *square, last = [rate * each for each in slopes]
    return first, np.array(square).reshape(middle.shape), last[:, 0]
