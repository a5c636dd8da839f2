"""The least trace of an interpolating 2-MLP-Sim-BN on the whole cube.

At interpolation the trace is at least its part of gamma and v, 2 sum_j (v_j^2 +
gamma_j^2) >= 4 sum_j |v_j gamma_j| over live units. Their outputs h_j / sigma_j, with
sigma_j = ||h_j|| / sqrt(n), have to add up to y. So for any nu

    nu . y = sqrt(n) sum_j v_j gamma_j nu . h_j / ||h_j||
          <= sqrt(n) pi sum_j |v_j gamma_j|

if |nu . h| <= pi ||h|| for all units h = relu(X w), and the trace is at least
4 nu . y / (sqrt(n) pi). The engine finds pi cone by cone, as in the certificates of
plain ReLU networks, where h costs more than its norm. Here nu = y.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.checks import at_least
from flatminima.data.xor import hypercube, xor_labels
from flatminima.models import sim_bn
from flatminima.theory.certificates.activation_cones import activation_cones
from flatminima.theory.certificates.cone_prices import open_market, search

LARGEST_D = 4
"""Dimension of the cube up to which cones are enumerated here."""


def highest_price(
    inputs: Float[np.ndarray, "n r"], nu: Float[np.ndarray, " n"]
) -> float:
    """A number that |nu . relu(X w)| / ||relu(X w)|| exceeds for no w.

    Args:
        inputs: rows x'.
        nu: prices of the examples, not all 0.

    Raises:
        ValueError, ArithmeticError: as `activation_cones`.
    """
    market = open_market(activation_cones(inputs), inputs)
    by_norm = replace(market, cost=np.ones(len(market.cost)))
    payment = market.active @ (nu[:, None] * inputs)
    # any unit sets a price that need not be looked for below
    units = np.maximum(market.cones.points[market.live] @ inputs.T, 0.0)
    met = np.max(np.abs(units @ nu) / np.linalg.norm(units, axis=1))
    return search(by_norm, payment, float(met), enough=len(market.live)).highest


def certified(dims: Sequence[int]) -> pd.DataFrame:
    """Lower bounds on the trace of every interpolating Sim-BN on the cube of xor.

    Args:
        dims: dimensions d of the cube, 2 to `LARGEST_D`.

    Returns:
        A row a dimension: `cones`, how many were priced, and `lower bound`.

    Raises:
        ValueError: if a dimension is out of range.
    """
    rows = {}
    for d in dims:
        at_least("d", d, 2)
        if d > LARGEST_D:
            raise ValueError(f"d = {d}: cones are enumerated for d <= {LARGEST_D}")
        x = hypercube(d)
        y, inputs = xor_labels(x), sim_bn.inputs(sim_bn.Model(), x)
        cones = len(activation_cones(inputs).points)
        lower = 4 * float(y @ y) / (len(y) ** 0.5 * highest_price(inputs, y))
        rows[d] = {"cones": cones, "lower bound": lower}
    return pd.DataFrame.from_dict(rows, "index").rename_axis("d")
