"""The sharpness up to which descent with momentum is linearly stable.

Near a minimum with Hessian H the gradient is H z, z = theta - theta*, up to second
order. In the eigenbasis of H each coordinate of z moves by itself, by a recursion of
one or two terms, and stays bounded if no root of its characteristic polynomial lies
outside the unit circle. As lr lambda grows the first root to leave does so at -1.
Cohen et al. (2021), appendix B, call the sharpness where it does the maximum stable
sharpness.
"""

import numpy as np

from flatminima.theory.stability.checks import above_zero, momentum_within

METHODS = ("gradient descent", "heavy ball", "nesterov")


def edge(method: str, momentum: float = 0.0) -> float:
    """The largest lr lambda that is linearly stable.

    2 for gradient descent; 2 + 2 beta for the heavy ball, z' = z + v',
    v' = beta v - lr H z; (2 + 2 beta) / (1 + 2 beta) for Nesterov's method, which takes
    the gradient at z + beta v.

    Args:
        method: one of `METHODS`.
        momentum: beta, at least 0 and below 1; 0 for gradient descent.

    Returns:
        The threshold on the product of learning rate and eigenvalue.

    Raises:
        ValueError: if the method is unknown or the momentum is out of range.

    >>> edge("gradient descent"), edge("heavy ball", 0.5), edge("nesterov", 0.5)
    (2.0, 3.0, 1.5)
    """
    _check(method, momentum)
    if method == "nesterov":
        return (2 + 2 * momentum) / (1 + 2 * momentum)
    return 2 + 2 * momentum


def growth(method: str, step: float, momentum: float = 0.0) -> float:
    """Modulus of the largest root: by what a coordinate grows an update, at last.

    The characteristic polynomials are x - (1 - s) for gradient descent,
    x^2 - (1 + beta - s) x + beta for the heavy ball, and
    x^2 - (1 + beta) (1 - s) x + beta (1 - s) for Nesterov's method, s = lr lambda.

    Args:
        method, momentum: as for `edge`.
        step: s, the learning rate times the eigenvalue.

    >>> growth("gradient descent", 2.5)
    1.5
    """
    _check(method, momentum)
    if method == "gradient descent":
        return abs(1 - step)
    if method == "heavy ball":
        polynomial = [1.0, -(1 + momentum - step), momentum]
    else:
        polynomial = [1.0, -(1 + momentum) * (1 - step), momentum * (1 - step)]
    return float(np.abs(np.roots(polynomial)).max())


def stable_sharpness(
    lr: float, method: str = "gradient descent", momentum: float = 0.0
) -> float:
    """The largest stable eigenvalue of the Hessian: `edge` / lr.

    Args:
        lr: learning rate, above 0.
        method, momentum: as for `edge`.

    Raises:
        ValueError: as for `edge`, and if the learning rate is not above 0.

    >>> stable_sharpness(0.1)
    20.0
    """
    above_zero("lr", lr)
    return edge(method, momentum) / lr


def kink_threshold(left: float, right: float) -> float:
    """The learning rate up to which gradient descent is drawn to a kink of curvature.

    The loss is right z^2 / 2 for z > 0 and left z^2 / 2 for z < 0: differentiable at
    its minimum, but not twice. Two updates that each change the sign of z multiply it
    by (1 - lr right) (1 - lr left), which is 1 at lr = 1 / left + 1 / right. This is at
    least 2 / max(left, right), where a loss that is twice differentiable would let go.

    Args:
        left, right: curvatures of the sides, above 0.

    Raises:
        ValueError: if one of them is not.

    >>> kink_threshold(1.0, 4.0)
    1.25
    """
    above_zero("left", left)
    above_zero("right", right)
    return 1 / left + 1 / right


def _check(method: str, momentum: float) -> None:
    if method not in METHODS:
        raise ValueError(f"method = {method!r}: must be one of {', '.join(METHODS)}")
    momentum_within("momentum", momentum)
    if method == "gradient descent" and momentum:
        raise ValueError(
            f"momentum = {momentum!r}: must be 0, because gradient descent has none"
        )
