"""Which measures of sharpness a rescaling of layers changes."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch

from flatminima.sharpness.average import average_sharpness
from flatminima.sharpness.ball import sam_sharpness
from flatminima.sharpness.coordinates import elementwise
from flatminima.sharpness.description import description_length
from flatminima.sharpness.diagonal import gauss_newton_diagonal
from flatminima.sharpness.landscape import Landscape
from flatminima.sharpness.minimum import minimum_sharpness
from flatminima.sharpness.normalised import normalised_sharpness
from flatminima.sharpness.products import hessian
from flatminima.sharpness.spectrum import largest
from flatminima.studies.rescaling import curves
from flatminima.studies.rescaling.runs import Trained, ends

RADIUS = 0.05
SIGMA = 0.02
TOLERANCE = 1e-3


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _bits(at: Landscape, *, relative: bool) -> float:
    widths = at.theta.abs() if relative else 1.0
    return description_length(gauss_newton_diagonal(at), TOLERANCE, widths)


MEASURES: dict[str, Callable[[Landscape], float]] = {
    "trace": lambda at: float(gauss_newton_diagonal(at).sum()),
    "largest eigenvalue": lambda at: largest(hessian(at)).value,
    "SAM's rise": lambda at: sam_sharpness(at, RADIUS).value,
    "average rise": lambda at: average_sharpness(at, SIGMA, _generator()).value,
    "description length, absolute": lambda at: _bits(at, relative=False),
    "SAM's rise, adaptive": lambda at: sam_sharpness(elementwise(at), RADIUS).value,
    "average rise, adaptive": lambda at: (
        average_sharpness(elementwise(at), SIGMA, _generator()).value
    ),
    "description length, relative": lambda at: _bits(at, relative=True),
    "normalised sharpness": normalised_sharpness,
}
"""By name. With one generator a call, the noise is the same before and after."""


def before_and_after(trained: Sequence[Trained], factor: float) -> pd.DataFrame:
    """Every measure of one net as it was and with its ends rescaled.

    Args:
        trained: plain nets, of which the first is taken; none gives no row.
        factor: of the first layer; the last is divided by it.

    Returns:
        A row a measure: its value before and after, and after over before.
    """
    rows = {}
    for each in trained[:1]:
        net = curves.moved(each, ends(factor, each.config.depth))
        measures = {
            **{
                name: (m(each.at(each.folded)), m(each.at(net)))
                for name, m in MEASURES.items()
            },
            "minimum sharpness": tuple(
                minimum_sharpness(n, each.x, each.y, each.config.loss).value
                for n in (each.folded, net)
            ),
        }
        for name, (old, new) in measures.items():
            ratio = new / old if old else np.nan
            rows[name] = {"as it was": old, "rescaled": new, "ratio": ratio}
    columns = ["as it was", "rescaled", "ratio"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)
