"""Two parameters and a valley: the network u v x at x = y = 1, L = (u v - 1)^2."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from flatminima.sharpness.landscape import Landscape, landscape
from flatminima.studies.measures.page import Sizes, measured

SIZES = Sizes(
    eps=0.1, box=0.01, sigma=0.05, rho=0.05, tolerance=1e-3, pairs=2000, num_steps=60
)

SHOWN = (
    "trace",
    "ε-sharpness",
    "box sharpness",
    "PAC-Bayesian sharpness",
    "adaptive sharpness",
    "normalised sharpness",
    "minimum sharpness",
    "bits",
    "bits, relative",
)


class Product(nn.Module):
    """u v x."""

    def __init__(self, u: float, v: float) -> None:
        super().__init__()
        self.u = nn.Parameter(torch.tensor(u, dtype=torch.float64))
        self.v = nn.Parameter(torch.tensor(v, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.u * self.v * x


def at(u: float) -> Landscape:
    """The minimiser (u, 1/u)."""
    one = torch.ones(1, 1, dtype=torch.float64)
    return landscape(Product(u, 1 / u), one, one, "squared")


def along_valley(us: Sequence[float], seed: int = 0) -> pd.DataFrame:
    """Every measure at (u, 1/u), over its value at (1, 1): a row a u.

    Args:
        us: where.
        seed: of the starts of ascents.
    """
    base = measured(at(1.0), SIZES, seed, SHOWN)
    rows = [
        {name: e.value / base[name].value for name, e in found.items()}
        for found in (measured(at(u), SIZES, seed, SHOWN) for u in us)
    ]
    return pd.DataFrame(rows, index=pd.Index(np.array(us), name="u"))
