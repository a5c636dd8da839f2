"""Tables of what a sweep costs, beside what it may cost."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from flatminima.studies.scale.costs import (
    GROWS_WITH,
    Costs,
    client_seconds,
    farm,
    line,
    of_factor,
)
from flatminima.studies.scale.task_farm import smallest_batch

OVERHEAD_BARS = {"threads": 0.005, "processes": 0.005, "dask": 0.020}
"""Seconds that a sweep may add to a cell."""

SPEED_UP_BAR = 1.8
"""What two workers should at least be worth."""

TASKS_A_WORKER = 10
"""With so many, workers idle for about a tenth of the time at the end, at most."""


def growth(costs: Costs) -> pd.DataFrame:
    """How a cell's seconds grow: a straight line for each factor.

    Returns:
        The fixed part in seconds, the slope in microseconds for one update, unit
        or dimension more, and the largest relative error of the line.
    """
    rows = {}
    for factor, batch in GROWS_WITH:
        part = of_factor(costs, factor, batch)
        fixed, slope = line(part[factor].to_numpy(), part["seconds"].to_numpy())
        error = (fixed + slope * part[factor]) / part["seconds"] - 1
        rows[factor, batch] = {
            "fixed, s": fixed,
            "each more, µs": 1e6 * slope,
            "worst error": error.abs().max(),
        }
    return pd.DataFrame(rows).T.rename_axis(["factor", "batch"])


def overheads(costs: Costs) -> pd.DataFrame:
    """Overhead of a cell beside its bar, in milliseconds, one row a place."""
    rows = costs.overhead
    bars = rows["place"].map(OVERHEAD_BARS)
    return pd.DataFrame(
        {
            "place": rows["place"],
            "workers": rows["workers"],
            "overhead, ms": 1e3 * rows["overhead"],
            "bar, ms": 1e3 * bars,
            "bar met": np.where(rows["overhead"] <= bars, "yes", "no"),
        }
    ).set_index(["place", "workers"])


def speed_ups(costs: Costs) -> pd.DataFrame:
    """What more workers are worth, for each kind of cell and each place.

    Returns:
        Seconds of the sweep with one worker and with more, their ratio and
        whether that meets the bar.
    """
    rows = costs.sweeps[costs.sweeps["kind"] != "growing"]
    seconds = rows.pivot(index=["kind", "place"], columns="workers", values="seconds")
    seconds = seconds.sort_index(ascending=[False, True])
    ratio = seconds[1] / seconds[max(seconds.columns)]
    table = seconds.rename(columns=lambda workers: f"{workers} workers, s")
    table = table.rename(columns={"1 workers, s": "1 worker, s"})
    table["speed-up"] = ratio
    table["bar"] = SPEED_UP_BAR
    table["bar met"] = np.where(ratio >= SPEED_UP_BAR, "yes", "no")
    return table.rename_axis(columns=None)


def better_place(costs: Costs) -> pd.DataFrame:
    """Which place on one machine is faster with all its workers, by kind of cell.

    Returns:
        The faster of threads and processes, its seconds, and how many times as
        long the other took.
    """
    rows = costs.sweeps[costs.sweeps["kind"] != "growing"]
    rows = rows[rows["workers"] == rows["workers"].max()]
    seconds = rows.pivot(index="kind", columns="place", values="seconds")
    local = seconds.sort_index(ascending=False)[["threads", "processes"]]
    return pd.DataFrame(
        {
            "faster": local.idxmin(axis=1),
            "seconds": local.min(axis=1),
            "the other, times": local.max(axis=1) / local.min(axis=1),
        }
    )


def client_table(costs: Costs) -> pd.DataFrame:
    """What the client does for a result, in milliseconds, one row a place.

    Returns:
        What is paid once a task and once a cell, as in `client_seconds`, their sum
        and the results a second that it allows.
    """
    rows = {}
    for place in costs.overhead["place"].unique():
        per_task, per_cell = client_seconds(costs, place)
        rows[place] = {
            "a task, ms": 1e3 * per_task,
            "a cell, ms": 1e3 * per_cell,
            "whole, ms": 1e3 * (per_task + per_cell),
            "results a second": 1 / (per_task + per_cell),
        }
    return pd.DataFrame(rows).T.rename_axis("place")


def batch_table(
    costs: Costs,
    place: str,
    cells: int,
    mean: float,
    workers: Sequence[int],
    loss: float,
) -> pd.DataFrame:
    """When to batch, one row for each number of workers.

    Returns:
        The smallest batch with which overhead takes at most a share `loss` and the
        client keeps up ("none" if there is none), and the largest that leaves
        `TASKS_A_WORKER` tasks for each worker.
    """
    rows = {}
    for count in workers:
        smallest = smallest_batch(
            mean, replace(farm(costs, place), workers=count), loss
        )
        rows[count] = {
            "smallest batch": "none" if smallest is None else str(smallest),
            "largest batch": max(1, cells // (TASKS_A_WORKER * count)),
        }
    return pd.DataFrame(rows).T.rename_axis("workers")
