"""Networks of four units that are right on all of P_xor.

Source: Wen, Li & Ma 2023, eq. (5), Propositions 3.2 and 5.2, and section 3 for
the network without bias.
"""

import numpy as np
from jaxtyping import Float

from flatminima.theory.constructions.memorising_networks import check_activation
from flatminima.theory.constructions.widen import widen

SIGNS = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
"""The quadrants of (x[1], x[2]), one unit each; the labels are their products."""


def generalising_bias(
    d: int, *, width: int = 4, r: float | None = None
) -> tuple[Float[np.ndarray, "inputs width"], Float[np.ndarray, " width"]]:
    """A 2-MLP-Bias that is exact on P_xor and attains the certified bound.

    Rows r (+-1, +-1, 0, ...), bias -r, v = product of the signs / r: the unit of
    the right quadrant outputs r, the others are inactive. The trace
    2 (r^2 + (d + 1) / r^2) is least, 4 sqrt(d + 1), at r = (d + 1)^(1/4). (The
    source's eq. (5) prints (d^2 + 1)^(1/4).)

    Args:
        d: input dimension, at least 2.
        width: at least 4; further units have zero weights. As the source embeds
            the solution in width n, it needs n >= 4.
        r: scale of the first layer; by default the balanced one.

    Raises:
        ValueError: naming the argument that is out of range.
    """
    check_dimension(d)
    r = (d + 1) ** 0.25 if r is None else r
    check_positive("r", r)
    return widen(_quadrants(d, r), SIGNS.prod(axis=1) / r, width)


def generalising_sim_ln(
    d: int, eps: float, *, width: int = 4, activation: float | None = None
) -> tuple[Float[np.ndarray, "inputs width"], Float[np.ndarray, " width"]]:
    """A 2-MLP-Sim-LN that is exact on P_xor and attains the certified bound.

    The geometry of `generalising_bias` with v = product of the signs: one active
    unit above eps, so the trace is 2 at every scale of the first layer.

    Args:
        d: input dimension, at least 2.
        eps: floor of the norm in Sim-LN.
        width: at least 4; further units have zero weights.
        activation: output of the active unit, above eps; by default the larger
            of 1 and 2 eps.

    Raises:
        ValueError: naming the argument that is out of range.
    """
    check_dimension(d)
    activation = check_activation(eps, activation)
    return widen(_quadrants(d, activation), SIGNS.prod(axis=1), width)


def exact_fit_no_bias(
    d: int, tilt: float, *, width: int = 4, scale: float | None = None
) -> tuple[Float[np.ndarray, "d width"], Float[np.ndarray, " width"]]:
    """A 2-MLP-No-Bias that is exact on P_xor.

    Rows s (+-(1 + tilt), +-(1 - tilt), 0, ...), v = product of the signs times
    c / s, c = 1 / (2 - 2 tilt). On every point one unit of the right sign
    outputs 2 s and one of the wrong sign 2 s tilt, so f = +-(2 - 2 tilt) c. The
    trace 2 (4 s^2 (1 + tilt^2) + 2 d c^2 / s^2) is least over s at

        4 sqrt(2 d (1 + tilt^2)) / (1 - tilt),

    which tends to 4 sqrt(2 d) as tilt -> 0. At tilt = 0 the wrong unit sits on
    its kink, where automatic differentiation leaves it out of the trace.

    Args:
        d: input dimension, at least 2.
        tilt: 0 <= tilt < 1.
        width: at least 4; further units have zero weights.
        scale: s; by default the one of least trace.

    Raises:
        ValueError: naming the argument that is out of range.
    """
    check_dimension(d)
    if not 0 <= tilt < 1:
        raise ValueError(f"tilt = {tilt}: allowed are 0 <= tilt < 1")
    c = 1 / (2 - 2 * tilt)
    if scale is None:
        scale = (c**2 * d / (2 * (1 + tilt**2))) ** 0.25
    check_positive("scale", scale)
    w = np.zeros((d, 4))
    w[:2] = scale * (SIGNS * [1 + tilt, 1 - tilt]).T
    return widen(w, SIGNS.prod(axis=1) * c / scale, width)


def check_dimension(d: int) -> None:
    """Refuse a dimension in which P_xor does not exist.

    Raises:
        ValueError: if d < 2.
    """
    if d < 2:
        raise ValueError(f"d = {d}: P_xor needs d >= 2")


def check_positive(name: str, value: float) -> None:
    """Refuse a scale that is not positive and finite.

    Raises:
        ValueError: naming the argument and its value.
    """
    if not 0 < value < np.inf:
        raise ValueError(f"{name} = {value}: allowed are finite values above 0")


def _quadrants(d: int, height: float) -> np.ndarray:
    """First layer, bias last, whose unit outputs `height` on its own quadrant."""
    w = np.zeros((d + 1, 4))
    w[:2] = height * SIGNS.T
    w[-1] = -height
    return w
