"""The figures of Wen, Li & Ma 2023: runs of this build beside committed ones.

A page runs every figure for a share of the source's epochs. Behind these short runs it
shows the committed runs of the same setting, which are longer, and claims are decided
by the longer of the two.
"""

import html
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from flatminima import claims
from flatminima.config import Config
from flatminima.plots import ARCHITECTURES
from flatminima.recipes import EARLY, FIGURES, figure, figures
from flatminima.report import FIGURE_MIME, Verdict
from flatminima.results import Committed
from flatminima.summaries import at_step
from flatminima.sweep import sweep

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
    seeds: int,
    **changes: Any,
) -> dict[str, FigureRuns]:
    """Run some figures for a share of their epochs and find the committed runs.

    Args:
        names: keys of `recipes.FIGURES`.
        paper: committed runs, as from `results.committed`.
        share: of the source's epochs.
        seeds: number of seeds; the runs are noted as ones to be committed.
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
    for row, table in zip(paper.rows, paper.tables, strict=True):
        same_engine = row["module"] == config.engine
        if same_engine and _regardless_of_length(row["config"]) == wanted:
            found[row["config"]["num_steps"]].append((row, table))
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
    whole = epoch * (config.n // config.batch_size)
    return max(1, round(runs.share(table) * whole))


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
        mean, low, high = claims.mean_interval(there, runs.metric)
        ratio = (there["retracted_trace"] / there["bound"]).median()
        epoch = end * config.batch_size / config.n
        error = there["output_error"].median()
        rows.append((lr, rho, epoch, mean, low, high, error, ratio))
    label = "test R²" if runs.metric == "test_r2" else "test accuracy"
    columns = ["η", "ρ", "until epoch", label, "low", "high", "output error"]
    index = pd.RangeIndex(1, len(rows) + 1, name="phase")
    return pd.DataFrame(rows, index, [*columns, "trace / bound"])


@dataclass(frozen=True)
class Outcome:
    """A row of the table of figures.

    Attributes:
        figure: its name in the paper.
        chapter: where it is.
        claim: id of the claim that decides it.
        setting: architecture and training rule.
        reported: the paper's outcome.
        metric: what `value`, the mean over seeds, with interval `low` to `high`, is of.
        trace: median over seeds at the end: after retraction if any seed comes near
            interpolation, else of the iterate.
        bound: median of the certified bound that it is compared with: at
            interpolation, else at the iterate's own outputs. None if none is known.
        ratio: median of trace over bound.
        retracted: seeds that these are taken over; 0 if it is the iterates.
        scale: share of the source's updates, and whether the runs are committed.
        n: seeds.
        verdict: of the claim.
    """

    figure: str
    chapter: str
    claim: str
    setting: str
    reported: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    trace: float | None
    bound: float | None
    ratio: float | None
    retracted: int
    scale: str
    n: int
    verdict: str


@dataclass(frozen=True)
class OutcomeTable:
    """Figures that a chapter shows together, as a table; the scorecard takes it."""

    rows: list[Outcome]

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {
            FIGURE_MIME: [asdict(row) for row in self.rows],
            "text/html": self._repr_html_(),
            "text/plain": repr(self),
        }

    def _repr_html_(self) -> str:
        heads = ["figure", "setting", "the paper", "ours [interval]", "verdict"]
        heads += ["final trace / certified bound", "runs"]
        head = "".join(f"<th>{name}</th>" for name in heads)
        body = ""
        for row in self.rows:
            cells = [html.escape(cell) for cell in _cells(row)]
            kind = row.verdict.replace(" ", "-")
            cells[4] = f'<span class="verdict verdict-{kind}">{cells[4]}</span>'
            body += "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
        return (
            f'<table class="verdicts figures"><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table>"
        )

    def __repr__(self) -> str:
        return "\n".join(" | ".join(_cells(row)) for row in self.rows)


def outcomes(shown: dict[str, FigureRuns], verdicts: Sequence[Verdict]) -> OutcomeTable:
    """The table of some figures, each with the verdict on its claim.

    Args:
        shown: figures by name.
        verdicts: among them one with id "fig-<name>" for every figure.

    Raises:
        KeyError: if a figure has no verdict.
    """
    by_id = {verdict.id: verdict for verdict in verdicts}
    return OutcomeTable([_outcome(by_id[f"fig-{n}"], s) for n, s in shown.items()])


def _outcome(verdict: Verdict, shown: FigureRuns) -> Outcome:
    table = shown.table
    mean, low, high = claims.mean_interval(table, shown.metric)
    flat = claims.per_seed(table, "retracted_trace").dropna()
    if len(flat):
        bound = claims.per_seed(table, "bound")[flat.index]
    else:
        flat = claims.per_seed(table, "trace").dropna()
        bound = claims.per_seed(table, "bound_outputs")[flat.index]
    retracted = int(claims.per_seed(table, "retracted_trace").notna().sum())
    return Outcome(
        figure=shown.name,
        chapter=verdict.chapter,
        claim=verdict.id,
        setting=shown.setting,
        reported=str(verdict.reported),
        metric="R²" if shown.metric == "test_r2" else "test accuracy",
        value=_finite(mean),
        low=_finite(low),
        high=_finite(high),
        trace=_finite(flat.median()),
        bound=_finite(bound.median()),
        ratio=_finite((flat / bound).median()),
        retracted=retracted,
        scale=scale(shown),
        n=int(table["last"].sum()),
        verdict=verdict.verdict,
    )


def weights_outcome(
    name: str, verdict: Verdict, shown: FigureRuns, table: pd.DataFrame, metric: str
) -> Outcome:
    """The row of a figure that shows weights.

    Args:
        name: of the figure.
        verdict: on its claim.
        shown: the runs whose weights they are.
        table: as from `figure_weights.ends`.
        metric: column of the table.
    """
    mean, low, high = claims.mean_interval(table, metric)
    return Outcome(
        figure=name,
        chapter=verdict.chapter,
        claim=verdict.id,
        setting=f"{shown.setting}, weights",
        reported=str(verdict.reported),
        metric=metric,
        value=_finite(mean),
        low=_finite(low),
        high=_finite(high),
        trace=None,
        bound=None,
        ratio=None,
        retracted=0,
        scale=scale(shown),
        n=len(table),
        verdict=verdict.verdict,
    )


def scale(shown: FigureRuns) -> str:
    """Where the runs that decide a figure come from, and how long they are."""
    origin = "committed" if shown.committed else "this build"
    config, source = shown.config, FIGURES[shown.name].fields
    size = (config.d, config.n, config.width)
    if size != (source.get("d", 30), 100, 500):
        return f"{origin}, another size"
    share = shown.share(shown.table)
    if share >= 1:
        return f"{origin}, all of the updates"
    reduced = "reduced: " if shown.committed else ""
    return f"{origin}, {reduced}{share:.2g} of the updates"


def _cells(row: Outcome) -> list[str]:
    value = f"{row.metric} {_number(row.value)} [{_number(row.low)}, "
    value += f"{_number(row.high)}]"
    runs = f"{row.scale}, n = {row.n}"
    return [
        *(row.figure, row.setting, row.reported, value, row.verdict),
        *(_against_bound(row), runs),
    ]


def _against_bound(row: Outcome) -> str:
    if row.bound is None:
        return _number(row.trace)
    where = "" if row.retracted else " (at its own outputs)"
    return f"{_number(row.trace)} / {_number(row.bound)}{where} = {_number(row.ratio)}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
