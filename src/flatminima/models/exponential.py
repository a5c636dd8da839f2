"""e^x and log(1 + a) as arithmetic, so that loops over them are vectorised.

`np.exp` and `np.log1p` compile to one call a number. These are sums, products, a
division and a shift, which run a vector at a time, in the precision of the argument.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

IN_ORDER = {"contract"}
"""Sums keep their order: reordered, the two parts of ln 2 would become one."""


class Precision(NamedTuple):
    """Constants of a floating-point format.

    The polynomials interpolate in Chebyshev points, highest power first. What they
    change is below a fifth of the rounding of the result.

    Attributes:
        real, integer: its scalar type, and the integers of that size.
        mantissa, bias: number of bits of the fraction; exponent field of 2^0.
        ln2_high, ln2_low: ln 2 in two parts; k ln2_high is exact.
        exp: of (e^r - 1 - r) / r^2 on |r| <= ln(2) / 2.
        atanh: of 2 (atanh(s) - s) / s^3 in s^2 on s^2 <= 1/9.
    """

    real: type
    integer: type
    mantissa: int
    bias: int
    ln2_high: float
    ln2_low: float
    exp: tuple[float, ...]
    atanh: tuple[float, ...]


PRECISIONS = {
    32: Precision(
        real=np.float32,
        integer=np.int32,
        mantissa=23,
        bias=127,
        ln2_high=0.693145751953125,
        ln2_low=1.4286068e-06,
        exp=(0.0013926176, 0.008363173, 0.041666556, 0.16666578, 0.5),
        atanh=(0.2322433, 0.21706575, 0.28592357, 0.39999706, 0.6666667),
    ),
    64: Precision(
        real=np.float64,
        integer=np.int64,
        mantissa=52,
        bias=1023,
        ln2_high=0.693147180559663,
        ln2_low=2.8235290563031577e-13,
        exp=(
            2.5100375832561234e-08,
            2.7620075879983367e-07,
            2.7557268480310024e-06,
            2.4801521322368692e-05,
            0.00019841269863040545,
            0.0013888888917196719,
            0.008333333333330065,
            0.041666666666624164,
            0.16666666666666669,
            0.5000000000000001,
        ),
        atanh=(
            0.1616404561194353,
            0.08800738486144674,
            0.12001072809590713,
            0.13314144209654935,
            0.15385570064958623,
            0.18181789436132859,
            0.22222222717427864,
            0.2857142856710876,
            0.40000000000014585,
            0.6666666666666666,
        ),
    ),
}


@register_jitable(fastmath=IN_ORDER, error_model="numpy")
def polynomial(x, coefficients):
    """sum_j c_j x^j, the coefficients given from the highest power down."""
    total = coefficients[0]
    for c in coefficients[1:]:
        total = total * x + c
    return total


def _exp_of(precision: Precision) -> Callable[[Any], Any]:
    real, integer = precision.real, precision.integer
    mantissa, bias = precision.mantissa, precision.bias
    high, low = real(precision.ln2_high), real(precision.ln2_low)
    coefficients = tuple(real(c) for c in precision.exp)
    zero, one = real(0), real(1)
    log2_e = real(1 / np.log(2))
    lowest = real(-bias * np.log(2))

    def exp(x):
        t = lowest if x < lowest else x
        # NaN stays in t, but has no integer
        k = np.rint((t if t >= lowest else zero) * log2_e)
        r = (t - k * high) - k * low
        fraction = one + (r + r * r * polynomial(r, coefficients))
        # at k = -bias these are the bits of 0
        power = integer((integer(np.int32(k)) + bias) << mantissa).view(real)
        return fraction * power

    return exp


def _log1p_of(precision: Precision) -> Callable[[Any], Any]:
    two = precision.real(2)
    coefficients = tuple(precision.real(c) for c in precision.atanh)

    def log1p(a):
        s = a / (two + a)
        # 2 s = a - s a; of the two, the right side feels the rounding of s less
        return a - s * (a - s * s * polynomial(s * s, coefficients))

    return log1p


_exp = {bits: _exp_of(precision) for bits, precision in PRECISIONS.items()}
_log1p = {bits: _log1p_of(precision) for bits, precision in PRECISIONS.items()}


def exp_negative(x):
    """e^x for x <= 0, within 2 ulp.

    x = k ln 2 + r with |r| <= ln(2) / 2, so e^x = 2^k e^r. 2^k is written into the
    exponent's bits, and e^r is a polynomial. Results that round below the smallest
    normal number are 0.

    Args:
        x: numpy's float32 or float64; -inf gives 0 and NaN gives NaN.
    """
    return _exp[8 * x.itemsize](x)


def log1p_unit(a):
    """log(1 + a) for 0 <= a <= 1, within 2 ulp.

    It is 2 atanh(s) = 2 s + s^3 (2/3 + 2/5 s^2 + ...) with s = a / (2 + a) <= 1/3.

    Args:
        a: numpy's float32 or float64; NaN gives NaN.
    """
    return _log1p[8 * a.itemsize](a)


@overload(exp_negative, jit_options={"fastmath": IN_ORDER, "error_model": "numpy"})
def _specialise_exp(x):
    return _exp[x.bitwidth] if isinstance(x, types.Float) else None


@overload(log1p_unit, jit_options={"fastmath": IN_ORDER, "error_model": "numpy"})
def _specialise_log1p(a):
    return _log1p[a.bitwidth] if isinstance(a, types.Float) else None
