"""What the functions of this room refuse, in one wording."""

import math


def above_zero(name: str, value: float) -> None:
    """Refuse what is not a finite number above 0.

    Raises:
        ValueError: naming the argument, its value and what is allowed.

    >>> above_zero("lr", -1.0)
    Traceback (most recent call last):
    ValueError: lr = -1.0: must be finite and above 0
    """
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} = {value!r}: must be finite and above 0")


def momentum_within(name: str, value: float) -> None:
    """Refuse a momentum outside [0, 1).

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    if not 0 <= value < 1:
        raise ValueError(f"{name} = {value!r}: must be at least 0 and below 1")


def batch_within(batch: int, n: int) -> None:
    """Refuse a batch size that is no integer from 1 to n.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    if isinstance(batch, bool) or batch != int(batch) or not 1 <= batch <= n:
        raise ValueError(f"batch = {batch!r}: must be an integer from 1 to {n}")
