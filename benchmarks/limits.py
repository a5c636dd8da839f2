"""What this machine allows: its memory, and its arithmetic."""

import time

import numba
import numpy as np

from flatminima.runs.mlp.train import padded_copy


@numba.njit
def scale(a, factors):
    """Read and write all of `a` once for each factor."""
    for factor in factors:
        for i in range(a.size):
            a[i] *= factor


def seconds_a_pass(size: int, dtype: str, passes: int, repeats: int) -> float:
    """Least time in which `size` numbers can be read and written back in place.

    Args:
        size: how many numbers; they stay in the same level of cache as a run's.
        dtype: their precision.
        passes: passes timed together.
        repeats: times that this is tried; the best counts.
    """
    a = padded_copy(np.ones(size, dtype))[:size]
    factors = np.ones(passes, dtype)
    scale(a, factors[:1])
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        scale(a, factors)
        best = min(best, time.perf_counter() - start)
    return float(best / passes)


def peak(dtype: str, repeats: int = 50) -> float:
    """Multiplications with additions a second, by BLAS on 512 x 512 (1e9/s).

    Args:
        dtype: precision.
        repeats: products that are timed; the best counts.
    """
    a, b = np.ones((2, 512, 512), dtype)
    out = a @ b
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        np.matmul(a, b, out=out)
        best = min(best, time.process_time() - start)
    return 512**3 / best / 1e9
