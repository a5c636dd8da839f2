"""What every figure of the paper came to."""

import html
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from flatminima.claims.quantities import QUANTITIES, SEEDS
from flatminima.claims.register import load
from flatminima.claims.report import FIGURE_MIME, Verdict, seeds_that_generalise
from flatminima.claims.rounding import NONE, numbers
from flatminima.sources.wen_li_ma import FIGURES
from flatminima.statistics.intervals import mean_interval
from flatminima.studies.paper_figures.runs import FigureRuns
from flatminima.sweeps.table import median, per_seed


@dataclass(frozen=True)
class Outcome:
    """A row of the table of figures.

    Attributes:
        figure: its name in the paper.
        chapter: where it is.
        claim: id of the claim that decides it.
        setting: architecture and training rule.
        reported: the paper's outcome.
        metric: what `value`, the mean over seeds, with interval `low` to `high`, is of;
            or the share of seeds that generalise, where this decides the claim.
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
            FIGURE_MIME: [
                asdict(row) | {"measured": _measured(row)} for row in self.rows
            ],
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
    value, low, high = mean_interval(table, shown.metric)
    metric = QUANTITIES[shown.metric].name
    if seeds_that_generalise(verdict):
        value, low, high = _numbers(verdict)
        metric = SEEDS.name
    flat = per_seed(table, "retracted_trace").dropna()
    if len(flat):
        bound = per_seed(table, "bound")[flat.index]
    else:
        flat = per_seed(table, "trace").dropna()
        bound = per_seed(table, "bound_outputs")[flat.index]
    retracted = int(per_seed(table, "retracted_trace").notna().sum())
    return Outcome(
        figure=shown.name,
        chapter=verdict.chapter,
        claim=verdict.id,
        setting=shown.setting,
        reported=str(verdict.reported),
        metric=metric,
        value=_finite(value),
        low=_finite(low),
        high=_finite(high),
        trace=_finite(median(flat)),
        bound=_finite(median(bound)),
        ratio=_finite(median(flat / bound)),
        retracted=retracted,
        scale=scale(shown),
        n=int(table["last"].sum()),
        verdict=verdict.verdict,
    )


def _numbers(verdict: Verdict) -> tuple[float, float, float]:
    """Effect and interval of a verdict, NaN for what it lacks."""
    value, low, high = (
        np.nan if end is None else end
        for end in (verdict.effect, verdict.low, verdict.high)
    )
    return value, low, high


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
    mean, low, high = mean_interval(table, metric)
    return Outcome(
        figure=name,
        chapter=verdict.chapter,
        claim=verdict.id,
        setting=f"{shown.setting}, weights",
        reported=str(verdict.reported),
        metric=QUANTITIES[metric].name,
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
    runs = f"{row.scale}, n = {row.n}"
    return [
        *(row.figure, row.setting, row.reported, _measured(row), row.verdict),
        *(_against_bound(row), runs),
    ]


def _measured(row: Outcome) -> str:
    """The outcome with its name, as verdicts show it."""
    if row.value is None:
        return f"{row.metric} {NONE}"
    t, _ = load()
    marks = [t.low, t.almost, t.high]
    return f"{row.metric} {numbers(row.value, row.low, row.high, marks)}"


def _against_bound(row: Outcome) -> str:
    if row.bound is None:
        return _number(row.trace)
    where = "" if row.retracted else " (at its own outputs)"
    return f"{_number(row.trace)} / {_number(row.bound)}{where} = {_number(row.ratio)}"


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.4g}"


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
