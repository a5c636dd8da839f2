"""The two limits of a roofline: bytes and multiplications a second of one core."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from benchmarks.limits import peak, seconds_a_pass
from benchmarks.sam_step import machine
from flatminima.studies.speed.tables import engine
from flatminima.sweeps.provenance import provenance

DTYPES = ("float64", "float32")

LEVELS = {"L1": 16, "L2": 256, "L3": 4096, "memory": 131_072}
"""KiB of an array that stays in a level of today's usual caches."""


def bandwidth(dtype: str) -> dict[str, float]:
    """Bytes read and written a second, in place, by level (GB/s)."""
    itemsize = np.dtype(dtype).itemsize
    speeds = {}
    for level, kib in LEVELS.items():
        size = kib * 1024 // itemsize
        passes = max(1, 2**19 // size)
        seconds = seconds_a_pass(size, dtype, passes, repeats=30)
        speeds[level] = 2 * size * itemsize / seconds / 1e9
    return speeds


def about(architectures: Iterable[str]) -> dict[str, Any]:
    """What stands beside a race: machine, date, engine and the limits.

    Args:
        architectures: those that were timed.
    """
    return {
        "machine": machine(),
        "date": provenance(0.0, 1)["date"],
        "engine": engine(architectures),
        "peak_1e9_products_a_second": {dtype: peak(dtype) for dtype in DTYPES},
        "gigabytes_a_second": {dtype: bandwidth(dtype) for dtype in DTYPES},
        "level_kib": LEVELS,
    }
