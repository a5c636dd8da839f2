"""What a sweep costs, as `python -m benchmarks scale` has measured it.

Times differ from machine to machine, so pages show the committed measurements with
their origin instead of measuring on every build.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.optimize import nnls

from flatminima.checks import at_least
from flatminima.identity import source_digest
from flatminima.results.kept import kept
from flatminima.studies.scale.task_farm import Farm

FILE = kept("benchmarks/results") / "scale.json"

ENGINE = (
    "flatminima.sweeps.sweep",
    "flatminima.runs.mlp.train",
    "flatminima.models.bias",
    "flatminima.kernels.serial",
    "flatminima.kernels.full_batch",
)
"""Modules that the measured sweeps run through, and with them their imports."""

QUEUED = {"threads": 1, "processes": 1, "dask": 2}
"""Tasks that a sweep keeps submitted for each worker."""

GROWS_WITH = (
    ("num_steps", "one"),
    ("num_steps", "full"),
    ("width", "one"),
    ("d", "one"),
)
"""What the cost of a cell is measured against: a field of the config, at a batch."""


@dataclass(frozen=True)
class Costs:
    """The measurements of one machine; seconds throughout.

    Attributes:
        provenance: see `provenance.provenance`; besides, cores, load (averages
            over 1, 5 and 15 minutes, before and after), repeats, libraries and
            engine.
        cells: one row a timed cell: factor, batch, num_steps, width, d, seconds.
        spread: one row a cell of a small scenario: rule, seconds.
        start_up: place, workers, seconds until every worker has run a cell.
        client: of the client for a result: seconds, and without_sync the same
            without waiting for the disk.
        memory: of a cell that measures, where freed memory is kept and where it is
            returned.
        overhead: one row for each place and number of workers: cells, alone,
            between, overhead, client_cpu, client_wait.
        interrupts: one row a place: seconds from Ctrl-C until a sweep has ended;
            none in a file from before they were measured.
        sweeps: one row a timed sweep: kind, place, workers, cells, num_steps,
            num_checkpoints, seconds.
    """

    provenance: dict[str, Any]
    cells: pd.DataFrame
    spread: pd.DataFrame
    start_up: pd.DataFrame
    client: dict[str, float]
    memory: dict[str, float]
    overhead: pd.DataFrame
    interrupts: pd.DataFrame
    sweeps: pd.DataFrame

    @property
    def origin(self) -> str:
        """Machine, date and engine in one line, with a word if the engine is older."""
        about = self.provenance
        line = (
            f"measured on {about['device']['name']}, {about['cores']} cores, "
            f"{about['date'][:10]}, engine {about['engine'][:8]}"
        )
        return line if about["engine"] == engine() else f"{line} (older engine)"


def engine() -> str:
    """Digest of the engine that would be measured now."""
    return source_digest(*ENGINE)


def read(file: Path = FILE) -> Costs:
    """Read the measurements.

    Raises:
        FileNotFoundError: if there are none, with the command that makes them.
    """
    if not file.is_file():
        raise FileNotFoundError(
            f"no measurements at {file}: `make scale`, in a checkout of the "
            "repository, makes them"
        )
    found = json.loads(file.read_text("utf8"))
    frames = ("cells", "spread", "start_up", "overhead", "sweeps")
    return Costs(
        provenance=found["provenance"],
        client=found["client"],
        memory=found.get("memory", {}),
        interrupts=pd.DataFrame(found.get("interrupts", [])),
        **{name: pd.DataFrame(found[name]) for name in frames},
    )


def line(
    x: Float[np.ndarray, " points"], seconds: Float[np.ndarray, " points"]
) -> tuple[float, float]:
    """Least squares of the relative errors of seconds = fixed + slope x, both >= 0.

    Returns:
        fixed, slope.
    """
    columns = np.stack([np.ones(len(x)), np.asarray(x, float)], axis=1)
    scale = columns.max(axis=0)
    relative = columns / scale / np.asarray(seconds, float)[:, None]
    fixed, slope = nnls(relative, np.ones(len(x)))[0] / scale
    return float(fixed), float(slope)


def of_factor(costs: Costs, factor: str, batch: str) -> pd.DataFrame:
    """The cells that were timed against one field of the config, ascending."""
    rows = costs.cells[costs.cells["factor"] == factor]
    return rows[rows["batch"] == batch].sort_values(factor)


def client_seconds(costs: Costs, place: str) -> tuple[float, float]:
    """Seconds of the client for a task and for a cell.

    What a result costs without its disk and its way there is paid for every cell.
    The rest is paid once a task, if a task's cells come back together and are
    stored together. With threads nothing has to travel. Elsewhere the client's
    processor time tells what the way costs; it holds the scheduler's, if that is
    on the same machine.

    Returns:
        per_task, per_cell.

    Raises:
        ValueError: if the place was not measured.
    """
    rows = _measured_at(costs, place)
    per_cell = costs.client["without_sync"]
    whole = costs.client["seconds"]
    if place != "threads":
        whole = max(whole, float((rows["client_cpu"] + rows["client_wait"]).min()))
    return max(0.0, whole - per_cell), per_cell


def farm(costs: Costs, place: str) -> Farm:
    """One worker with the overheads that were measured at a place.

    Where the worker waits for the client, what a sweep adds to a cell holds the
    client's share, which is taken off.

    Raises:
        ValueError: if the place was not measured.
    """
    per_task, per_cell = client_seconds(costs, place)
    rows = _measured_at(costs, place)
    one = rows[rows["workers"] == 1].iloc[0]
    overhead = one["overhead"]
    if QUEUED[place] == 1:
        overhead -= per_task + per_cell
    return Farm(
        1,
        task_overhead=max(0.0, float(overhead)),
        client_per_task=per_task,
        client_per_cell=per_cell,
        queued=QUEUED[place],
    )


def lengths(costs: Costs, cells: int, mean: float) -> Float[np.ndarray, " cells"]:
    """Lengths of a larger sweep's cells, spread as the measured ones.

    Every measured length is used equally often, as far as the count allows, in a
    random order that is always the same; then all are scaled.

    Args:
        costs: the measurements.
        cells: how many.
        mean: their mean, in seconds.

    Raises:
        ValueError: unless cells >= 1 and mean > 0.
    """
    at_least("cells", cells, 1)
    if not 0 < mean < np.inf:
        raise ValueError(f"mean = {mean!r}: must be finite and > 0")
    measured = np.resize(costs.spread["seconds"].to_numpy(), cells)
    drawn = np.random.default_rng(0).permutation(measured)
    return drawn * (mean / drawn.mean())


def _measured_at(costs: Costs, place: str) -> pd.DataFrame:
    rows = costs.overhead[costs.overhead["place"] == place]
    if rows.empty:
        known = ", ".join(costs.overhead["place"].unique())
        raise ValueError(f"place = {place!r}: measured are {known}")
    return rows
