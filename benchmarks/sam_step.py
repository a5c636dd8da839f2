"""One step of 1-SAM with batch size 1, as in the source's figures.

The peer computes the same run, which is checked. Two limits stand beside it. One is
what the bandwidth of the memory allows if all weights are read and written once a step;
kernels that take several steps a pass, or leave out inactive units, may beat it. The
other is the time that the step's arithmetic, counted on paper, takes at the rate of a
product of large matrices, measured in the same minute. The count leaves out reductions
and the second layer, so no kernel reaches it.
"""

import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import peer
from benchmarks.limits import peak, seconds_a_pass
from benchmarks.work import work
from flatminima.plots.style import ARCHITECTURES
from flatminima.runs.mlp.config import Architecture, Config
from flatminima.runs.mlp.problem import initial_state
from flatminima.runs.mlp.train import advance
from flatminima.sources.wen_li_ma import figure

FIGURES: dict[Architecture, str] = {
    "bias": "4b",
    "no_bias": "1b",
    "sim_ln": "6a",
    "softplus": "5b",
    "sim_bn": "2a",
    "deep": "11b",
}
"""The source's run of 1-SAM for each; its first phase is timed."""

CHECK_STEPS = 200
# pytorch-optimizer takes the norm of the gradient in float32, whatever the dtype.
AGREE = 1e-5


def setting(architecture: Architecture, dtype: str) -> Config:
    """The source's run of 1-SAM of an architecture."""
    return figure(FIGURES[architecture], dtype=dtype)


def machine() -> str:
    """Model of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def check_same_run(config: Config) -> None:
    """Refuse to compare two programs that compute different things.

    Raises:
        AssertionError: if the parameters differ after 200 steps in float64.
    """
    config = config.model_copy(update={"dtype": "float64"})
    start = initial_state(config)
    state = advance(start, config, CHECK_STEPS)
    loop = peer.Loop(config, start)
    loop.run(CHECK_STEPS)
    for ours, theirs in zip(state.params, loop.net.get(), strict=True):
        difference = np.linalg.norm(ours - theirs) / np.linalg.norm(ours)
        if not difference < AGREE:
            raise AssertionError(f"the two runs differ by {difference:.1e}: {config}")


def microseconds(run: Callable[[int], object], num_steps: int, repeats: int) -> float:
    """Best CPU time of a step over several runs, after one that does not count.

    All that is timed has one thread, so that on a quiet machine this is the wall's
    time; on a busy one it leaves out the waiting for a core.
    """
    run(max(1, num_steps // 10))
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        run(num_steps)
        best = min(best, time.process_time() - start)
    return float(best / num_steps * 1e6)


def row(config: Config, num_steps: int, peer_steps: int, repeats: int) -> dict:
    """Measure one architecture in one precision.

    Args:
        config: the run; its batch is one and rho is positive.
        num_steps: our steps a repeat.
        peer_steps: the peer's.
        repeats: the best of so many counts, for us and the peer, and of three times as
            many for the limits.

    Returns:
        `ours` and `peer` in microseconds and their `ratio`; `limit` and `arithmetic`,
        the two limits in microseconds, each with our time over it; what `arithmetic`
        follows from, the step's `products` (multiplications with additions) and the
        machine's `peak` (1e9 of them a second).
    """
    check_same_run(config)
    start = initial_state(config)
    ours = microseconds(lambda k: advance(start, config, k), num_steps, repeats)
    theirs = microseconds(peer.Loop(config, start).run, peer_steps, repeats)
    size = sum(p.size for p in start.params)
    limit = 1e6 * seconds_a_pass(size, config.dtype, num_steps // 10, 3 * repeats)
    products = work(config, start)["products"]
    rate = peak(config.dtype, 3 * repeats)
    arithmetic = products / rate / 1e3
    return {
        "name": f"1-SAM step, {ARCHITECTURES[config.architecture][0]}",
        "unit": "microseconds",
        "ours": ours,
        "peer": theirs,
        "peer_name": peer.NAME,
        "ratio": theirs / ours,
        "limit": limit,
        "limit_ratio": ours / limit,
        "products": products,
        "peak": rate,
        "arithmetic": arithmetic,
        "arithmetic_ratio": ours / arithmetic,
        "dtype": config.dtype,
        "machine": machine(),
    }
