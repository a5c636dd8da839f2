"""How long a sweep takes on more machines than one has: a task farm, simulated.

One client hands tasks to equal workers and takes back the results, one after the
other. A worker spends a fixed time on every task besides its cells; the client
spends a fixed time on every result. Nothing else is modelled: no network that
saturates, no worker that dies.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from heapq import heapify, heappop, heappush
from itertools import product

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.checks import at_least


@dataclass(frozen=True)
class Farm:
    """Workers, their client, and what a task costs besides its cells.

    Attributes:
        workers: equal workers, one task at a time each.
        batch: cells that make up a task.
        task_overhead: seconds a worker is kept by a task besides its cells.
        client_per_task: seconds the client is kept by the result of a task.
        client_per_cell: the same for every cell in it.
        queued: tasks kept submitted for each worker. With 1, a worker waits until
            the client has dealt with its result; with 2, it goes on meanwhile.
    """

    workers: int
    batch: int = 1
    task_overhead: float = 0.0
    client_per_task: float = 0.0
    client_per_cell: float = 0.0
    queued: int = 1

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name in ("workers", "batch", "queued"):
                at_least(name, value, 1)
            elif not 0 <= value < math.inf:
                raise ValueError(f"{name} = {value!r}: must be finite and >= 0")


@dataclass(frozen=True)
class Outcome:
    """What a simulated sweep came to.

    Attributes:
        makespan: seconds from the start until the last result is dealt with.
        efficiency: share of the workers' time that went into cells; makespan of a
            perfect farm over this one's.
        worker_use: the same with the overhead of tasks counted in.
        client_use: share of the makespan in which the client was busy.
    """

    makespan: float
    efficiency: float
    worker_use: float
    client_use: float


def simulate(lengths: Float[np.ndarray, " cells"], farm: Farm) -> Outcome:
    """Run a sweep through a farm, event by event.

    Consecutive cells form a task. Tasks are taken in order by whichever worker is
    free first; results are dealt with in the order in which they come in. The first
    tasks are submitted at no cost.

    Args:
        lengths: seconds of every cell.
        farm: who computes them.

    Raises:
        ValueError: if there is no cell, or a length is not positive and finite.
    """
    lengths = np.asarray(lengths, dtype=float)
    if lengths.size == 0:
        raise ValueError("lengths = []: at least 1 cell is needed")
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise ValueError("lengths: must be positive and finite")
    starts = np.arange(0, lengths.size, farm.batch)
    sizes = np.diff(starts, append=lengths.size)
    occupied = np.add.reduceat(lengths, starts) + farm.task_overhead
    handling = farm.client_per_task + farm.client_per_cell * sizes
    makespan = _makespan(occupied.tolist(), handling.tolist(), farm)
    total = farm.workers * makespan
    return Outcome(
        makespan,
        float(lengths.sum() / total),
        float(occupied.sum() / total),
        float(handling.sum() / makespan),
    )


def _makespan(occupied: list[float], handling: list[float], farm: Farm) -> float:
    submitted = min(len(occupied), farm.workers * farm.queued)
    started = min(len(occupied), farm.workers)
    # A worker that becomes free takes the oldest submitted task. Both come in order
    # of time, so it starts at the later of the two: the client needs no events.
    ready = deque([0.0] * (submitted - started))
    running = [(occupied[task], task) for task in range(started)]
    heapify(running)
    client = 0.0
    while running:
        now, task = heappop(running)
        client = max(client, now) + handling[task]
        if submitted < len(occupied):
            ready.append(client)
            submitted += 1
        if ready:
            begin = max(now, ready.popleft())
            heappush(running, (begin + occupied[started], started))
            started += 1
    return client


def simulate_all(
    lengths: Float[np.ndarray, " cells"], farms: Iterable[Farm]
) -> pd.DataFrame:
    """One row a farm: its attributes, then those of its outcome."""
    return pd.DataFrame(
        [asdict(farm) | asdict(simulate(lengths, farm)) for farm in farms]
    )


def grid(farm: Farm, workers: Sequence[int], batches: Sequence[int]) -> list[Farm]:
    """The same farm with every number of workers and every batch.

    Raises:
        ValueError: if there is none of either.
    """
    for name, values in (("workers", workers), ("batches", batches)):
        if not values:
            raise ValueError(f"{name} = {values!r}: at least 1 is needed")
    rest = asdict(farm)
    return [
        Farm(**rest | {"workers": count, "batch": batch})
        for batch, count in product(batches, workers)
    ]


def most_workers(cell: float, farm: Farm) -> float:
    """Workers that one client can keep busy, whatever their number.

    A worker hands in a result every k t + o seconds and the client takes c + k e
    for it, so it can serve (k t + o) / (c + k e) workers; Amdahl's law with the
    client as the serial part.

    Args:
        cell: mean seconds of a cell, t.
        farm: batch k, task_overhead o, client_per_task c, client_per_cell e.
    """
    serial = farm.client_per_task + farm.batch * farm.client_per_cell
    period = farm.batch * cell + farm.task_overhead
    return period / serial if serial > 0 else math.inf


def smallest_batch(cell: float, farm: Farm, loss: float) -> int | None:
    """The least batch with which neither overhead nor the client holds workers up.

    With t, o, c, e as in `most_workers` and W workers, a batch k keeps the share of
    overhead, o / (k t + o), at most at `loss` from k >= o (1 - loss) / (loss t) on.
    The client keeps up, W (c + k e) <= k t + o, from k >= (W c - o) / (t - W e) on.

    Args:
        cell: mean seconds of a cell.
        farm: the workers and their overheads; its batch does not count.
        loss: share of the workers' time that may go into overhead.

    Returns:
        The batch, or None if the client cannot keep up with any.

    Raises:
        ValueError: unless cell > 0 and 0 < loss < 1.
    """
    if not 0 < cell < math.inf:
        raise ValueError(f"cell = {cell!r}: must be finite and > 0")
    if not 0 < loss < 1:
        raise ValueError(f"loss = {loss!r}: must be between 0 and 1")
    k = max(1, math.ceil(farm.task_overhead * (1 - loss) / (loss * cell)))
    behind = farm.workers * farm.client_per_task - farm.task_overhead
    spare = cell - farm.workers * farm.client_per_cell
    # both sides grow by their own slope with k: the client may be ahead at first,
    # and fall behind with larger batches only
    if k * spare >= behind:
        return k
    return math.ceil(behind / spare) if spare > 0 else None
