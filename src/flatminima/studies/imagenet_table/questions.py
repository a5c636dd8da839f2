"""What is asked of a table of errors by depth, length and rule, whoever made it.

A question is a list of sums of entries. The talk's table and that of this book's runs
are asked the same ones, of their own depths and lengths.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from flatminima.sources.imagenet import Cell, Rule, gain, minus

Sums = list[dict[Cell, float]]
"""Weights of entries, one dictionary a sum."""


@dataclass(frozen=True)
class Questions:
    """The questions to one table.

    Attributes:
        depths: of its networks, from shallow to deep; two at least.
        epochs: lengths of training, each twice the one before; two at least.
    """

    depths: Sequence[int]
    epochs: Sequence[int]

    def rise(self, depth: int, rule: Rule) -> dict[Cell, float]:
        """The error at the last length minus that at the one before."""
        before, last = self.epochs[-2:]
        return {(depth, last, rule): 1.0, (depth, before, rule): -1.0}

    @property
    def better(self) -> Sums:
        """SAM's gain, in every cell."""
        return [gain(depth, epochs) for depth in self.depths for epochs in self.epochs]

    @property
    def grows(self) -> Sums:
        """By how much the gain grows from the first length to the last, by depth."""
        first, last = self.epochs[0], self.epochs[-1]
        return [minus(gain(d, last), gain(d, first)) for d in self.depths]

    @property
    def worse(self) -> Sums:
        """By how much the last doubling worsens standard training, by depth."""
        return [self.rise(depth, "plain") for depth in self.depths]

    @property
    def steeper(self) -> Sums:
        """By how much that is more than for the next shallower network."""
        rises = self.worse
        return [minus(b, a) for a, b in pairwise(rises)]

    @property
    def falls(self) -> Sums:
        """By how much the last doubling improves SAM, by depth."""
        rises = [self.rise(depth, "SAM") for depth in self.depths]
        return [{cell: -w for cell, w in rise.items()} for rise in rises]

    @property
    def deeper(self) -> Sums:
        """The gain of the deepest network minus that of the shallowest, by length."""
        least, most = self.depths[0], self.depths[-1]
        return [minus(gain(most, e), gain(least, e)) for e in self.epochs]

    @property
    def equal_cost(self) -> Sums:
        """The gain over standard training of twice the length, in every cell.

        An update of SAM takes two gradients.
        """
        return [gain(d, e, 2 * e) for d in self.depths for e in self.epochs[:-1]]
