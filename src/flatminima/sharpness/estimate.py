"""A measured number and how well it is known."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error.

    Attributes:
        value: the number.
        standard_error: standard deviation of the estimator at this value, itself
            estimated from its own draws; 0 for what is computed exactly, up to
            rounding.
        draws: random draws behind it, such as probes; 0 for what is exact.
    """

    value: float
    standard_error: float = 0.0
    draws: int = 0

    def __float__(self) -> float:
        return self.value
