"""The slice that every build repeats: ends whose weights are at hand, and lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.runs.images.config import ImageConfig
from flatminima.runs.kind import Run
from flatminima.studies.switching import path
from flatminima.studies.switching.runs import TO_SAM, labelled, switched
from flatminima.sweeps.sweep import fetch, sweep_quietly

ERM, LATE, SAM, OTHER = "ERM", "late switch", "SAM", "another start"
"""Of the last only the initial weights and the order of the images differ from ERM."""

OTHER_START = 500_000
"""Added to the seed of the weights for another start."""

LOOKS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20)
"""Updates after the end of ERM at which the way on is looked at."""

FIRST = 10
"""Of these updates those that a law of growth is fitted to."""

TENTH = 0.1


@dataclass(frozen=True)
class Slice:
    """The live runs of one seed.

    Attributes:
        configs: by name: `ERM`, `LATE`, `SAM` and `OTHER`.
        runs: their ends.
    """

    configs: Mapping[str, ImageConfig]
    runs: Mapping[str, Run]

    def line(self, name: str, points: int, *, refreshed: bool = True) -> path.Line:
        """Straight from the end of ERM to that of another run; see `path.line`."""
        first, second = self.runs[ERM].arrays, self.runs[name].arrays
        return path.line(
            self.configs[ERM], first, second, points=points, refreshed=refreshed
        )

    def onwards(self, name: str) -> pd.DataFrame:
        """From the end of ERM on by the rule of ERM or SAM; see `path.onwards`."""
        return path.onwards(self.configs[name], self.runs[ERM].arrays, LOOKS)


def trained(
    seeds: Sequence[int], late: float, **fields: Any
) -> tuple[pd.DataFrame, list[Slice]]:
    """Train the runs of the slice.

    Args:
        seeds: each draws images, weights and the order of the images.
        late: share of training after which the late switch uses SAM.
        **fields: of `ImageConfig`; `rho` is that of SAM.

    Returns:
        The rows of all runs but those from other starts, labelled, and the ends of
        every seed.
    """
    fields = {"measured": "nothing", **fields}
    shares = {ERM: 1.0, LATE: late, SAM: 0.0}
    bases = {name: switched(TO_SAM, t, **fields) for name, t in shares.items()}
    rows = sweep_quietly(bases.values(), seeds)
    pairs = [(seed, seed + OTHER_START) for seed in seeds]
    sweep_quietly([bases[ERM]], pairs)
    slices = []
    for seed, pair in zip(seeds, pairs, strict=True):
        configs = {name: base.with_seeds(seed, seed) for name, base in bases.items()}
        configs[OTHER] = bases[ERM].with_seeds(*pair)
        slices.append(Slice(configs, {name: fetch(c) for name, c in configs.items()}))
    return labelled(rows), slices


def barriers(lines: Sequence[path.Line]) -> Float[np.ndarray, " seeds"]:
    """The barrier of every seed; NaN where a run diverged."""
    return np.array([each.barrier for each in lines])


def without_barrier(
    lines: Sequence[path.Line], control: Sequence[path.Line]
) -> Float[np.ndarray, " seeds"]:
    """Above 0 where a line's barrier is below a tenth of that between two starts."""
    return _finite(TENTH * barriers(control) - barriers(lines))


def gained(lines: Sequence[path.Line]) -> Float[np.ndarray, " seeds"]:
    """Test error where lines begin minus where they end, by seed."""
    ends = [each.error[0] - each.error[-1] for each in lines]
    kept = [np.isfinite(each.loss).all() for each in lines]
    return np.array(ends)[np.array(kept, bool)]


def rises(
    ways: Sequence[pd.DataFrame], controls: Sequence[pd.DataFrame]
) -> Float[np.ndarray, " seeds"]:
    """Logarithm of the highest loss after the end of ERM, one rule over another."""
    highest = [
        [each["loss"].iloc[1:].max(skipna=False) for each in rule]
        for rule in (ways, controls)
    ]
    over, under = np.log(np.array(highest, float))
    return _finite(over - under)


def exponential(ways: Sequence[pd.DataFrame]) -> Float[np.ndarray, " seeds"]:
    """Above 0 where a distance grows exponentially rather than as a power.

    Both laws are straight lines for the logarithm of the distance, against the number
    of updates and against its logarithm. The number is the logarithm of the ratio of
    their squared errors, of the power over the exponential.
    """
    found = []
    for each in ways:
        early = each[each["update"].between(1, FIRST)]
        distance = np.log(early["distance"].to_numpy(float))
        if not np.isfinite(distance).all():
            continue
        update = early["update"].to_numpy(float)
        errors = [_misfit(x, distance) for x in (np.log(update), update)]
        if min(errors) > 0:
            found.append(np.log(errors[0] / errors[1]))
    return np.array(found)


def _misfit(x: np.ndarray, y: np.ndarray) -> float:
    """Squared error of the straight line that fits best."""
    design = np.column_stack([np.ones_like(x), x])
    best = np.linalg.lstsq(design, y, rcond=None)[0]
    return float(np.sum((design @ best - y) ** 2))


def _finite(values: Float[np.ndarray, " seeds"]) -> Float[np.ndarray, " seeds"]:
    return values[np.isfinite(values)]
