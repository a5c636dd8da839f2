"""Labels of sparse maps, and the rank at their flattest minimiser."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.data.streams import generator
from flatminima.flows.diagonal import Diagonal
from flatminima.flows.model import Theta
from flatminima.studies.manifold.runs import rank, spectrum
from flatminima.theory.certificates.basis_pursuit import basis_pursuit


def sparse_labels(
    seed: int, *, d: int, n: int, k: int
) -> tuple[Diagonal, Float[np.ndarray, " d"]]:
    """The talk's example: z = +-1, y = <z, w*> with k entries of w* that are not 0."""
    rng = generator(seed, "data")
    z = rng.choice([-1.0, 1.0], (n, d))
    truth = np.zeros(d)
    truth[rng.choice(d, k, replace=False)] = rng.standard_normal(k)
    return Diagonal(z, z @ truth), truth


def split_roots(beta: Float[np.ndarray, " d"]) -> Theta:
    """u and v with u^2 - v^2 = beta and u v = 0: least norm, and so least trace."""
    return np.concatenate([np.sqrt(np.maximum(beta, 0)), np.sqrt(np.maximum(-beta, 0))])


def ranks_of_sparse_labels(
    seeds: Iterable[int], *, d: int, n: int, k: int
) -> pd.DataFrame:
    """Rank at the truth and at the flattest minimiser, for labels of sparse maps.

    Returns:
        A row a seed: truth and flattest (ranks), recovered (max |beta - w*|), and
        generic (the rank at the flattest minimiser of random labels).
    """
    rows = []
    for seed in seeds:
        model, truth = sparse_labels(seed, d=d, n=n, k=k)
        flattest = _clean(basis_pursuit(model.z, model.y).beta)
        random = _random_labels(model.z, seed)
        other = _clean(basis_pursuit(random.z, random.y).beta)
        rows.append(
            {
                "seed": seed,
                "truth": rank(model, split_roots(truth)),
                "flattest": rank(model, split_roots(flattest)),
                "recovered": float(np.abs(flattest - truth).max()),
                "generic": rank(random, split_roots(other)),
            }
        )
    return pd.DataFrame(rows)


def flattest_spectra(
    seed: int, *, d: int, n: int, k: int
) -> dict[str, Float[np.ndarray, " n"]]:
    """The `spectrum` at the flattest interpolator of random and of sparse labels."""
    model, _ = sparse_labels(seed, d=d, n=n, k=k)
    random = _random_labels(model.z, seed)
    return {
        name: spectrum(each, split_roots(_clean(basis_pursuit(each.z, each.y).beta)))
        for name, each in (("random labels", random), ("sparse labels", model))
    }


def _random_labels(z: Float[np.ndarray, "n d"], seed: int) -> Diagonal:
    """Labels of a dense random map: they can be fitted where two rows are equal."""
    d = z.shape[1]
    dense = np.random.default_rng([seed, 5]).standard_normal(d) / d**0.5
    return Diagonal(z, z @ dense)


def _clean(beta: np.ndarray) -> np.ndarray:
    """Without the solver's rounding, which would count as weights."""
    return np.where(np.abs(beta) > 1e-9 * np.abs(beta).max(initial=0.0), beta, 0.0)
