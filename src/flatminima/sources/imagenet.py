"""SAM on ImageNet: the table that the SAM talk shows, and the paper's own.

P. Foret et al., "Sharpness-Aware Minimization for Efficiently Improving
Generalization", ICLR 2021, Table 2: error rates on held-out images in per cent, for
ResNets of three depths trained for three lengths, as mean and half-width of a 95 %
interval over five runs. The two tables were transcribed apart, so that a slip of the
talk would show in `differences`.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

Rule = Literal["SAM", "plain"]
Metric = Literal["top-1", "top-5"]
Cell = tuple[int, int, Rule]
"""Depth, epochs and rule of an entry."""

RUNS = 5
"""Independent runs behind every entry (section 3.1)."""

DEPTHS = (50, 101, 152)
EPOCHS = (100, 200, 400)

TALK = """
50  100 22.5 0.1   6.28 0.08 22.9 0.1  6.62 0.11
50  200 21.4 0.1   5.82 0.03 22.3 0.1  6.37 0.04
50  400 20.9 0.1   5.51 0.03 22.3 0.1  6.40 0.06
101 100 20.2 0.1   5.12 0.03 21.2 0.1  5.66 0.05
101 200 19.4 0.1   4.76 0.03 20.9 0.1  5.66 0.04
101 400 19.0 <0.01 4.65 0.05 22.3 0.1  6.41 0.06
152 100 19.2 <0.01 4.69 0.04 20.4 <0.0 5.39 0.06
152 200 18.5 0.1   4.37 0.03 20.3 0.2  5.39 0.07
152 400 18.4 <0.01 4.35 0.04 20.9 <0.0 5.84 0.07
"""
"""As the talk prints it: SAM's two errors, then those of standard training."""

PAPER = """
50  100 22.5 0.1   6.28 0.08 22.9 0.1  6.62 0.11
50  200 21.4 0.1   5.82 0.03 22.3 0.1  6.37 0.04
50  400 20.9 0.1   5.51 0.03 22.3 0.1  6.40 0.06
101 100 20.2 0.1   5.12 0.03 21.2 0.1  5.66 0.05
101 200 19.4 0.1   4.76 0.03 20.9 0.1  5.66 0.04
101 400 19.0 <0.01 4.65 0.05 22.3 0.1  6.41 0.06
152 100 19.2 <0.01 4.69 0.04 20.4 <0.0 5.39 0.06
152 200 18.5 0.1   4.37 0.03 20.3 0.2  5.39 0.07
152 400 18.4 <0.01 4.35 0.04 20.9 <0.0 5.84 0.07
"""
"""As the paper prints it, which is the same."""

COLUMNS: tuple[tuple[Rule, Metric], ...] = (
    *(("SAM", "top-1"), ("SAM", "top-5")),
    *(("plain", "top-1"), ("plain", "top-5")),
)


@dataclass(frozen=True)
class Entry:
    """One number of the table, as it is printed.

    Attributes:
        error: the mean error rate.
        within: the half-width beside it, which may begin with "<".
    """

    error: str
    within: str

    @property
    def value(self) -> float:
        """The mean, in per cent."""
        return float(self.error)

    @property
    def rounding(self) -> float:
        """By how much the printed mean may be off: half of its last digit."""
        return _half_digit(self.error)

    @property
    def possible(self) -> bool:
        """Whether the half-width can be one: none is below 0."""
        return not self.within.startswith("<") or float(self.within[1:]) > 0

    @property
    def at_most(self) -> float:
        """The largest half-width that is printed in this way.

        A printed "0.1" stands for up to .15, and "<0.01" for up to .01. No half-width
        is "<0.0"; it counts as the largest that is rounded to 0.0.
        """
        if not self.within.startswith("<"):
            return float(self.within) + _half_digit(self.within)
        bound = self.within[1:]
        return float(bound) or _half_digit(bound)


def _half_digit(printed: str) -> float:
    return 0.5 * 10.0 ** -len(printed.partition(".")[2])


def read(text: str) -> dict[tuple[Cell, Metric], Entry]:
    """The entries of a table that is written as `TALK` is.

    Raises:
        ValueError: naming the line, if it has not the ten columns.
    """
    entries: dict[tuple[Cell, Metric], Entry] = {}
    for line in text.strip().splitlines():
        words = line.split()
        if len(words) != 2 + 2 * len(COLUMNS):
            raise ValueError(f"line {line!r}: must have {2 + 2 * len(COLUMNS)} columns")
        depth, epochs = int(words[0]), int(words[1])
        pairs = zip(words[2::2], words[3::2], strict=True)
        for (rule, metric), pair in zip(COLUMNS, pairs, strict=True):
            entries[(depth, epochs, rule), metric] = Entry(*pair)
    return entries


@dataclass(frozen=True)
class Estimate:
    """A number of the table with an interval.

    Attributes:
        value: in percentage points.
        low, high: its ends, see `contrast`.
    """

    value: float
    low: float
    high: float

    @property
    def ends(self) -> tuple[float, float, float]:
        """As `decide.estimated` takes it."""
        return self.value, self.low, self.high


def contrast(
    weights: Mapping[Cell, float], metric: Metric = "top-1", text: str = TALK
) -> Estimate:
    """A weighted sum of entries, with an interval that errs on the wide side.

    Entries are of independent runs, so their half-widths add in squares, each taken as
    the largest that is printed so. What rounding hides adds up in the worst case:

        half-width = sqrt(sum (w h)²) + sum |w| r

    Args:
        weights: of entries.
        metric: which of the two error rates.
        text: a table as `TALK`.

    Returns:
        The sum and its ends, in percentage points.

    Raises:
        KeyError: if the table has no such entry.
    """
    entries = read(text)
    chosen = [(entries[cell, metric], weight) for cell, weight in weights.items()]
    value = sum(weight * entry.value for entry, weight in chosen)
    spread = math.hypot(*(weight * entry.at_most for entry, weight in chosen))
    half = spread + sum(abs(weight) * entry.rounding for entry, weight in chosen)
    return Estimate(value, value - half, value + half)


def gain(depth: int, epochs: int, plain_epochs: int | None = None) -> dict[Cell, float]:
    """Weights of SAM's gain: the error of standard training minus that of SAM.

    Args:
        depth: of both networks.
        epochs: of SAM.
        plain_epochs: of standard training, if it is to be longer.
    """
    other = epochs if plain_epochs is None else plain_epochs
    return {(depth, other, "plain"): 1.0, (depth, epochs, "SAM"): -1.0}


def minus(
    first: Mapping[Cell, float], second: Mapping[Cell, float]
) -> dict[Cell, float]:
    """Weights of the difference of two sums."""
    return mean([first, {cell: -weight for cell, weight in second.items()}], divide=1)


def mean(
    sums: Iterable[Mapping[Cell, float]], divide: int | None = None
) -> dict[Cell, float]:
    """Weights of the mean of some sums.

    Args:
        sums: weights of each.
        divide: by what, if not by how many they are.
    """
    sums = list(sums)
    total: dict[Cell, float] = {}
    for weights in sums:
        for cell, weight in weights.items():
            total[cell] = total.get(cell, 0.0) + weight / (divide or len(sums))
    return total


def least(
    sums: Iterable[Mapping[Cell, float]], metric: Metric = "top-1", text: str = TALK
) -> Estimate:
    """Of some sums the one whose interval begins lowest: what "all are above 0" needs.

    All are above 0, with the confidence of one, if that interval lies above 0 (the
    intersection-union test: R. L. Berger, Technometrics 24, 1982).
    """
    found = [contrast(weights, metric, text) for weights in sums]
    return min(found, key=lambda one: one.low)


def differences(one: str = TALK, other: str = PAPER) -> list[float]:
    """By how much two printed tables differ: one number a mean and a half-width."""
    first, second = read(one), read(other)
    return [
        abs(a - b)
        for key in first | second
        for a, b in (
            (first[key].value, second[key].value),
            (first[key].at_most, second[key].at_most),
        )
    ]


def printed(text: str = TALK) -> pd.DataFrame:
    """The table as it is printed, a row a depth and length, with what is impossible."""
    rows: dict[tuple[int, int], dict[str, str]] = {}
    for ((depth, epochs, rule), metric), entry in read(text).items():
        mark = "" if entry.possible else " (!)"
        row = rows.setdefault((depth, epochs), {})
        row[f"{rule}, {metric}"] = f"{entry.error} ± {entry.within}{mark}"
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(table.index, names=["ResNet", "epochs"])
    return table
