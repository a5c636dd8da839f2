"""Decided claims, as chapters show them and the scorecard collects them."""

import html
import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

MIME = "application/vnd.flatminima.claim+json"

FIGURE_MIME = "application/vnd.flatminima.figure+json"
"""Rows of the table of figures, which the scorecard takes from the chapters."""

Word = Literal["holds", "partly", "fails", "undecided", "not testable"]

FEW_SEEDS = re.compile(r"(\d+) seeds; a verdict needs (\d+)")


@dataclass(frozen=True)
class Verdict:
    """A decided claim, as one row of the scorecard."""

    id: str
    chapter: str
    source: str
    origin: str
    statement: str
    rule: str
    verdict: Word
    effect: float | None
    low: float | None
    high: float | None
    n: int
    scale: str
    reported: str | float | None
    note: str

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return Report([self])._repr_mimebundle_()


@dataclass(frozen=True)
class Report:
    """Verdicts that a chapter shows together, as a table."""

    verdicts: list[Verdict]

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {
            MIME: [asdict(verdict) for verdict in self.verdicts],
            "text/html": self._repr_html_(),
            "text/plain": repr(self),
        }

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(v.statement)}</td>"
            f'<td><span class="verdict verdict-{v.verdict.replace(" ", "-")}">'
            f"{v.verdict}</span></td>"
            f"<td>{_numbers(v)}</td><td>{v.n}</td>"
            f"<td>{html.escape(v.note)}</td></tr>"
            for v in self.verdicts
        )
        return (
            '<table class="verdicts"><thead><tr><th>claim</th><th>verdict</th>'
            "<th>effect [interval]</th><th>n</th><th>note</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )

    def __repr__(self) -> str:
        return "\n".join(
            f"{v.verdict}: {v.statement} ({_numbers(v)}, n = {v.n}) {v.note}".rstrip()
            for v in self.verdicts
        )


@dataclass(frozen=True)
class Shortfall:
    """Claims of a source that did not come out as the source has them."""

    verdicts: list[Verdict]

    def _repr_html_(self) -> str:
        if not self.verdicts:
            return (
                "<p>Every claim of the source that this chapter decides holds under "
                "these parameters.</p>"
            )
        items = "".join(
            f"<li><strong>{v.verdict}</strong>: {html.escape(v.statement)}"
            f" ({html.escape(v.source)})</li>"
            for v in self.verdicts
        )
        return f"<ul>{items}</ul>"

    def __repr__(self) -> str:
        lines = [f"{v.verdict}: {v.statement} ({v.source})" for v in self.verdicts]
        return "\n".join(lines) or "Every claim of the source holds."


def shortfall(*reports: Report) -> Shortfall:
    """The claims of a source, among those reported, that do not hold."""
    return Shortfall(
        [
            verdict
            for report in reports
            for verdict in report.verdicts
            if verdict.origin == "source" and verdict.verdict != "holds"
        ]
    )


def few_seeds_note(seeds: int, needed: int) -> str:
    """The note of a verdict that too few seeds leave undecided."""
    return f"{seeds} seeds; a verdict needs {needed}"


def few_seeds(verdict: Verdict) -> tuple[int, int] | None:
    """Seeds and seeds needed of a verdict that too few leave undecided, else None."""
    found = FEW_SEEDS.search(verdict.note)
    if found is None or verdict.verdict != "undecided":
        return None
    return int(found[1]), int(found[2])


def _numbers(v: Verdict) -> str:
    if v.effect is None:
        return "–"
    if v.low is None or v.high is None:
        return f"{v.effect:.3g}"
    return f"{v.effect:.3f} [{v.low:.3f}, {v.high:.3f}]"
