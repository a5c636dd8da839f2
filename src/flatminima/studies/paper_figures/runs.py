"""The figures of Wen, Li & Ma 2023: runs of this build beside committed ones.

A page runs every figure for a share of the source's epochs. Behind these short runs it
shows the committed runs of the same setting, which are longer, and claims are decided
by the longer of the two.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from flatminima.plots.style import ARCHITECTURES
from flatminima.results.reading import Committed
from flatminima.runs.mlp.config import Config
from flatminima.sources.wen_li_ma import EARLY, FIGURES, figure, figures
from flatminima.statistics.intervals import mean_interval
from flatminima.sweeps.sweep import sweep
from flatminima.sweeps.table import Seeds, at_step, median

LENGTH = ("num_steps", "measure_at", "num_checkpoints", "data_seed", "init_seed")
"""Fields in which a short run differs from the committed one behind it."""


@dataclass(frozen=True)
class FigureRuns:
    """The runs behind one figure.

    Attributes:
        name: key of `recipes.FIGURES`.
        config: of the runs of this build, but for their seeds.
        quick: their table, as from `sweep`.
        paper: table of the committed runs of the same setting; empty if there are none.
    """

    name: str
    config: Config
    quick: pd.DataFrame
    paper: pd.DataFrame

    @property
    def committed(self) -> bool:
        """Whether the committed runs are longer than those of this build."""
        if self.paper.empty:
            return False
        return bool(self.paper["num_steps"].max() > self.config.num_steps)

    @property
    def table(self) -> pd.DataFrame:
        """The longer of the two tables: what claims are decided by."""
        return self.paper if self.committed else self.quick

    @property
    def metric(self) -> str:
        """What says whether it generalises: R^2 for labels that are no classes."""
        return "test_r2" if self.config.data == "ball" else "test_accuracy"

    @property
    def setting(self) -> str:
        """Architecture and training rule, in words."""
        return f"{ARCHITECTURES[self.config.architecture][0]}, {self.config.rule}"

    def share(self, table: pd.DataFrame) -> float:
        """Share of the source's updates that the runs of a table were given."""
        whole = figure(self.name, n=self.config.n).num_steps
        return float(table["num_steps"].iloc[0]) / whole


def run(
    names: Sequence[str],
    paper: Committed,
    *,
    share: float,
    seeds: Seeds,
    **changes: Any,
) -> dict[str, FigureRuns]:
    """Run some figures for a share of their epochs and find the committed runs.

    Args:
        names: keys of `recipes.FIGURES`.
        paper: committed runs, as from `results.committed`.
        share: of the source's epochs.
        seeds: as in `over_seeds`; the runs are noted as ones to be committed.
        changes: as in `recipes.figures`.

    Raises:
        ValueError: if there is no such figure, or if a value is out of range.
    """
    return {
        name: FigureRuns(
            name,
            config,
            sweep([config], seeds, commit=True),
            committed_runs(paper, config),
        )
        for name, config in figures(names, share=share, **changes).items()
    }


def committed_runs(paper: Committed, config: Config) -> pd.DataFrame:
    """The longest committed runs that differ from a config in length alone.

    Args:
        paper: committed runs.
        config: a run; its seeds, length and checkpoints do not matter.

    Returns:
        Their table over all seeds; empty if there are none.
    """
    tables = [table for _, table in longest(paper, config)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def longest(
    paper: Committed, config: Config
) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """Row and table of every committed run of `committed_runs`, apart.

    Args:
        paper, config: as there.
    """
    wanted = _regardless_of_length(config.model_dump(mode="json"))
    found = defaultdict(list)
    for row, fields, table in zip(paper.rows, paper.fields, paper.tables, strict=True):
        if row["module"] == config.engine and _regardless_of_length(fields) == wanted:
            found[fields["num_steps"]].append((row, table))
    return found[max(found)] if found else []


def _regardless_of_length(fields: dict[str, Any]) -> dict[str, Any]:
    """A config's fields without those that say how long it is."""
    kept = {name: value for name, value in fields.items() if name not in LENGTH}
    kept["phases"] = [(phase["lr"], phase["rho"]) for phase in fields["phases"]]
    return kept


def early_step(runs: FigureRuns) -> int:
    """Updates after which a figure is measured early, in its longer runs.

    Raises:
        ValueError: if the figure has no such time; see `recipes.EARLY`.
    """
    if not EARLY[runs.name]:
        raise ValueError(f"name = {runs.name!r}: no early time to measure it at")
    table, config = runs.table, runs.config
    epoch = min(EARLY[runs.name])
    wanted = runs.share(table) * epoch * (config.n // config.batch_size)
    if runs.committed:
        return max(1, round(wanted))
    # phases are rounded to updates, so their share is not quite what was asked for
    return min(config.measure_at, key=lambda step: abs(step - wanted))


def phase_table(runs: FigureRuns) -> pd.DataFrame:
    """The longer runs of a figure at the end of each of its phases.

    Returns:
        A row a phase: its learning rate and radius, the epoch at its end, the mean of
        what says whether the network generalises with its interval over seeds, the
        median output error (mean squared distance of the outputs to their targets) and
        the median trace after retraction over its bound, where seeds were retracted.
    """
    table, name = runs.table, runs.name
    config = figure(name, epochs_factor=runs.share(table), n=runs.config.n)
    ends = [*(phase.start for phase in config.phases), config.num_steps]
    rows = []
    for (lr, rho, _), end in zip(FIGURES[name].phases, ends, strict=True):
        there = at_step(table, end)
        mean, low, high = mean_interval(there, runs.metric)
        ratio = median(there["retracted_trace"] / there["bound"])
        epoch = end * config.batch_size / config.n
        error = median(there["output_error"])
        rows.append((lr, rho, epoch, mean, low, high, error, ratio))
    label = "test R²" if runs.metric == "test_r2" else "test accuracy"
    columns = ["η", "ρ", "until epoch", label, "low", "high", "output error"]
    index = pd.RangeIndex(1, len(rows) + 1, name="phase")
    return pd.DataFrame(rows, index, [*columns, "trace / bound"])
