"""Certificates of many training sets, as tables for the chapters."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.checks import at_least
from flatminima.data.xor import check_xor_size, sample_xor
from flatminima.models.base import load
from flatminima.models.relu import relu_lower_bound
from flatminima.theory.certificates.activation_cones import activation_cones
from flatminima.theory.certificates.certificate import certify
from flatminima.theory.certificates.certificate_search import search_certificate

LARGEST_D = 6
"""Dimension up to which cones are enumerated here."""


def first_layer_inputs(
    architecture: str, x: Float[np.ndarray, "n d"]
) -> Float[np.ndarray, "n r"]:
    """x' of an architecture: (x, 1) for "bias", x for "no_bias".

    Raises:
        ValueError: for other architectures, whose trace is not that of a plain ReLU
            network.
    """
    if architecture not in ("bias", "no_bias"):
        raise ValueError(
            f"architecture = {architecture!r}: allowed are 'bias' and 'no_bias'"
        )
    module = load(architecture)
    return module.inputs(module.Model(), x)


def certificates(
    architecture: str,
    sizes: Sequence[tuple[int, int]],
    draws: int,
    *,
    pointwise: bool = True,
    first_seed: int = 0,
) -> pd.DataFrame:
    """The least trace on xor by enumeration of all cones, one row a training set.

    Args:
        architecture: "bias" or "no_bias".
        sizes: pairs (d, n), d at most `LARGEST_D`.
        draws: training sets of every size.
        pointwise: as in `certificate.certify`.
        first_seed: of the training sets.

    Returns:
        Columns architecture, d, n, seed, cones (0 where the pointwise bound was
        enough), pointwise (that bound), dual (rigorous lower bound), primal (trace
        of an interpolating network away from kinks), value (the optimum between
        them, up to the solver's accuracy) and gap (primal / dual - 1).

    Raises:
        ValueError: if a size, the architecture or the number of draws is out of
            range.
    """
    at_least("draws", draws, 1)
    for d, n in sizes:
        check_small(d, n)
    rows = []
    for d, n in sizes:
        for seed in range(first_seed, first_seed + draws):
            train = sample_xor(n, d, seed)
            x = first_layer_inputs(architecture, train.x)
            found = certify(x, train.y, pointwise=pointwise)
            rows.append(
                {
                    "architecture": architecture,
                    "d": d,
                    "n": n,
                    "seed": seed,
                    "cones": found.num_cones,
                    "pointwise": relu_lower_bound(np.sum(x**2, axis=1), train.y, 2.0),
                    "dual": found.lower,
                    "primal": found.trace,
                    "value": found.value,
                    "gap": found.trace / found.lower - 1,
                }
            )
    return pd.DataFrame(rows)


def searches(
    sizes: Sequence[tuple[int, int]],
    starts: Sequence[int],
    *,
    seed: int = 0,
    tolerance: float = 0.01,
) -> pd.DataFrame:
    """Searched certificates without bias, where there are too many cones.

    Several searches of one training set test each other: the trace of a network that
    one of them finds refutes a higher "dual" of another.

    Args:
        sizes: pairs (d, n).
        starts: random starts of a round, one search for each.
        seed: of the training sets.
        tolerance: as in `search_certificate`.

    Returns:
        One row a search: d, n, starts, bound (4 sqrt(d), rigorous), dual (no bound
        if the search missed a cone), primal (trace of a network), least (smallest
        primal of that training set) and refuted (dual is above least).

    Raises:
        ValueError: as `sample_xor` and `search_certificate`.
    """
    for d, n in sizes:
        check_xor_size(n, d)
    rows = []
    for d, n in sizes:
        train = sample_xor(n, d, seed)
        for count in starts:
            found = search_certificate(
                train.x, train.y, starts=count, tolerance=tolerance
            )
            rows.append(
                {
                    "d": d,
                    "n": n,
                    "starts": count,
                    "bound": found.lower,
                    "dual": found.uncertified_lower,
                    "primal": found.trace,
                }
            )
    table = pd.DataFrame(rows)
    least = table.groupby(["d", "n"])["primal"].transform("min")
    return table.assign(least=least, refuted=table["dual"] > least)


def cone_growth(d: int, sizes: Sequence[int], *, seed: int = 0) -> pd.DataFrame:
    """How many activation cones n points have, with and without a bias.

    In general position there are 2 sum_{k < r} C(n - 1, k) in r dimensions (Cover
    1965), of the order n^(r - 1). Without a bias r = d, with one r = d + 1. They are
    counted here, cone by cone.

    Args:
        d: input dimension, at least 1.
        sizes: numbers n of normally distributed points, increasing.
        seed: of the points.

    Returns:
        A row an n: `without bias` and `with bias`, and behind each `power`, the slope
        of its logarithm against that of n since the row above.

    Raises:
        ValueError: if a size does not exceed the one before, or as `activation_cones`.
    """
    at_least("d", d, 1)
    if not sizes or min(sizes) < 1 or np.any(np.diff(sizes) < 1):
        raise ValueError(f"sizes = {sizes}: allowed are increasing numbers above 0")
    points = np.random.default_rng(seed).normal(size=(max(sizes), d))
    table = pd.DataFrame(index=pd.Index(sizes, name="n"))
    for architecture, name in (("no_bias", "without bias"), ("bias", "with bias")):
        x = first_layer_inputs(architecture, points)
        counts = [len(activation_cones(x[:n]).points) for n in sizes]
        table[name] = counts
        steps = np.diff(np.log(counts)) / np.diff(np.log(sizes))
        table[f"power {name}"] = [np.nan, *steps]
    return table


def check_small(d: int, n: int) -> None:
    """Refuse a size of xor that does not exist or has too many cones.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    check_xor_size(n, d)
    if d > LARGEST_D:
        raise ValueError(f"d = {d}: cones are enumerated for d <= {LARGEST_D}")
