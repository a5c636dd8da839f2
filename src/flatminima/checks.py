"""One wording for what is refused."""

from numbers import Integral
from typing import Any


def at_least(name: str, value: Any, low: int) -> None:
    """Refuse a value that is no integer of at least a bound.

    Booleans are refused, and so are floats that are whole.

    Args:
        name: of the argument, as its caller knows it.
        value: what was given.
        low: the smallest integer that is allowed.

    Raises:
        ValueError: naming the argument, its value and what is allowed.

    >>> at_least("seeds", 3, 1)
    >>> at_least("seeds", 0, 1)
    Traceback (most recent call last):
    ValueError: seeds = 0: must be an integer of at least 1
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not (whole and value >= low):
        raise ValueError(f"{name} = {value!r}: must be an integer of at least {low}")
