"""One wording for what is refused."""

from argparse import ArgumentTypeError
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


def count(text: str) -> int:
    """A type of a command line's argument: an integer of at least 1.

    Args:
        text: what was given.

    Raises:
        ArgumentTypeError: saying what is allowed; argparse names the argument.

    >>> count("3")
    3
    >>> count("0")
    Traceback (most recent call last):
    argparse.ArgumentTypeError: 0: must be an integer of at least 1
    """
    try:
        number = int(text)
        at_least("", number, 1)
    except ValueError:
        raise ArgumentTypeError(f"{text}: must be an integer of at least 1") from None
    return number
