"""Numbers on a page, with as many digits as they deserve."""

import math
import re
from collections.abc import Sequence

DECIMALS = 6
"""Most decimals of a number on a page, and most significant digits of a lone one."""

POINT = 1e-9
"""Relative half-width at which an interval is a point, but for rounding errors."""

NONE = "–"
"""Stands where a verdict has no number."""


def numbers(
    value: float,
    low: float | None,
    high: float | None,
    marks: Sequence[float] = (),
    *,
    lone: bool = False,
) -> str:
    """A number and its interval, with as many digits as they deserve.

    The width of the interval sets the decimals. Further ones are added as long as a
    number would be shown on one of the marks, or beyond it, where it is not.

    Args:
        value: the number.
        low, high: ends of its interval; None where they are infinite, and both None
            where there is no interval.
        marks: numbers that matter, such as thresholds.
        lone: whether each number is rounded by itself to significant digits.

    >>> numbers(0.7912, 0.7431, 0.8296)
    '.79 [.74, .83]'
    >>> numbers(0.97, 0.9496, 0.99, [0.95])
    '.9700 [.9496, .9900]'
    >>> numbers(1.9e-14, None, None)
    '2e−14'
    """
    known = [x for x in (value, low, high) if x is not None]
    if lone or len(known) == 1:
        texts = [NONE if x is None else _short(x, marks) for x in (value, low, high)]
    else:
        places = _places(value, low, high)
        while places < DECIMALS and _misled(known, places, marks):
            places += 1
        texts = [
            NONE if x is None else _plain(f"{x:.{places}f}") for x in (value, low, high)
        ]
    if low is None and high is None:
        return texts[0]
    ends = ("…" if text == NONE else text for text in texts[1:])
    return f"{texts[0]} [{', '.join(ends)}]"


def _places(value: float, low: float | None, high: float | None) -> int:
    """Decimals at which the interval's half-width has a digit, and the number three."""
    least = 2 - max(0, math.floor(math.log10(abs(value)))) if value else 2
    if low is not None and high is not None:
        half = (high - low) / 2
        if half > POINT * max(abs(low), abs(high)):
            least = max(least, -math.floor(math.log10(half)))
    return min(max(0, least), DECIMALS)


def _misled(values: Sequence[float], places: int, marks: Sequence[float]) -> bool:
    return any(
        _side(round(value, places), mark) != _side(value, mark)
        for value in values
        for mark in marks
    )


def _side(value: float, mark: float) -> int:
    return (value > mark) - (value < mark)


def _short(value: float, marks: Sequence[float]) -> str:
    """Three significant digits; one of a tiny number, and more beside a mark."""
    digits = 3 if 1e-3 <= abs(value) < 1e4 else 1
    text = f"{value:.{digits}g}"
    while digits < DECIMALS and any(
        _side(float(text), mark) != _side(value, mark) for mark in marks
    ):
        digits += 1
        text = f"{value:.{digits}g}"
    return _plain(re.sub(r"e\+?(-?)0*(\d)", r"e\1\2", text))


def _plain(text: str) -> str:
    """A number without the zero before its point, and with a true minus sign."""
    if float(text) == 0:
        return "0"
    return re.sub(r"^(-?)0\.", r"\1.", text).replace("-", "−")
