"""The provable case on the sphere: its sizes, and what is compared there."""

from collections.abc import Iterable

from flatminima.data.teachers import draw
from flatminima.runs.cells.config import Arm, CellConfig
from flatminima.theory.certificates.activation_cones import max_cones

SPHERE = "sphere"
"""What `data.teachers` calls it."""

FLATTEST, LARGE, TINY = "flattest, certified", "GD, large start", "GD, tiny start"
METHODS = (FLATTEST, LARGE, TINY)

DS = (2, 3, 4, 5)
NS = (4, 8, 12, 16, 20, 24)
WIDTH = 100
STEPS = 20_000

MOST_CONES = 2500
"""Activation cones up to which a size is solved."""

CHEAP_N = 12
"""Sizes that a build solves again have at most so many examples."""


def cell(n: int, d: int, seed: int, steps: int = STEPS) -> CellConfig:
    """The certified flattest network and gradient descent, at one size.

    Args:
        n, d: examples and inputs.
        seed: of data and start.
        steps: of gradient descent.
    """
    arms = (
        Arm(name=FLATTEST, certified=True),
        Arm(name=LARGE, batch="full", kick=1.0, start=2.0, num_steps=steps),
        Arm(name=TINY, batch="full", kick=1.0, start=0.01, num_steps=steps),
    )
    return CellConfig(
        architecture="no_bias",
        width=WIDTH,
        data=SPHERE,
        n=n,
        d=d,
        arms=arms,
        data_seed=seed,
        init_seed=seed,
    )


def cells(
    sizes: Iterable[tuple[int, int]], seed: int, steps: int = STEPS
) -> list[CellConfig]:
    """The cells under a seed, but for those with nothing to learn.

    Where both units of the teacher are silent on all examples, all labels are 0, and
    the flattest network has no unit.

    Args:
        sizes: n and d of each.
        seed, steps: as in `cell`.
    """
    return [
        cell(n, d, seed, steps)
        for n, d in sizes
        if draw(SPHERE, n, d, seed, noisy=False, test_points=2)[0].y.any()
    ]


def sizes() -> list[tuple[int, int]]:
    """The (n, d) that are solved: those of few enough activation cones."""
    return [(n, d) for d in DS for n in NS if max_cones(n, d) <= MOST_CONES]


def live_sizes(scale: str) -> list[tuple[int, int]]:
    """The sizes that a build solves: all, or those with few examples.

    Args:
        scale: "whole", "slice" or "least".
    """
    if scale == "whole":
        return sizes()
    few = [(n, d) for n, d in sizes() if n <= CHEAP_N]
    return few if scale == "slice" else few[:1]
