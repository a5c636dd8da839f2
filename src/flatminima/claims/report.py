"""Decided claims, as chapters show them and the scorecard collects them."""

import html
import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from flatminima.claims.agreement import agreement
from flatminima.claims.model import RuleFixed
from flatminima.claims.multiplicity import p_value
from flatminima.claims.quantities import counted, effect_in_words, source_in_words
from flatminima.claims.register import load
from flatminima.claims.rounding import NONE
from flatminima.statistics.thresholds import Thresholds
from flatminima.sweeps.table import ALL_DIVERGED, NOT_HELD_OUT, NOT_NEAR

MIME = "application/vnd.flatminima.claim+json"

FIGURE_MIME = "application/vnd.flatminima.figure+json"
"""Rows of the table of figures, which the scorecard takes from the chapters."""

WORDS_MIME = "application/vnd.flatminima.words+json"
"""Effects and sources in words, which the scorecard's page takes from the chapters."""

Word = Literal["holds", "partly", "fails", "undecided", "not testable"]

WHY_UNDECIDED = re.compile(
    rf"\d+ of \d+ runs diverged|{ALL_DIVERGED}|{NOT_HELD_OUT}|{NOT_NEAR}"
)
"""What in the note of a verdict says that the runs could not decide it."""

GROUPS = re.compile(r"(\d+) of (\d+) seeds generalise")
"""What in the note of a verdict says that its number is the share of such seeds."""

FEW_SEEDS = re.compile(r"(\d+) (?:seed|place)s?; a verdict needs (\d+)")


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
    rule_fixed: RuleFixed

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return Report([self])._repr_mimebundle_()


@dataclass(frozen=True)
class Report:
    """Verdicts that a chapter shows together, as a table."""

    verdicts: list[Verdict]

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {
            MIME: [asdict(verdict) for verdict in self.verdicts],
            WORDS_MIME: [in_words(verdict) for verdict in self.verdicts],
            "text/html": self._repr_html_(),
            "text/plain": repr(self),
        }

    def _repr_html_(self) -> str:
        rows = [(v, in_words(v)) for v in self.verdicts]
        shown = [
            key
            for key in ("measured", "over")
            if any(words[key] not in ("", NONE) for _, words in rows)
        ]
        head = "".join(f"<th>{key}</th>" for key in shown)
        body = "".join(
            f"<tr><td>{html.escape(v.statement)}{_note(v)}</td>"
            f'<td><span class="verdict verdict-{v.verdict.replace(" ", "-")}">'
            f"{v.verdict}</span></td>"
            + "".join(
                f'<td class="{key}">{_unbroken(words[key])}</td>' for key in shown
            )
            + "</tr>"
            for v, words in rows
        )
        return (
            f'<table class="verdicts"><thead><tr><th>claim</th><th>verdict</th>{head}'
            f"</tr></thead><tbody>{body}</tbody></table>"
        )

    def __repr__(self) -> str:
        return "\n".join(map(_line, self.verdicts))


@dataclass(frozen=True)
class Shortfall:
    """Claims of a source with which the verdicts do not agree."""

    verdicts: list[Verdict]

    def _repr_html_(self) -> str:
        if not self.verdicts:
            return (
                "<p>Under these parameters every verdict on a claim of the source "
                "agrees with it.</p>"
            )
        items = "".join(
            f"<li><strong>{v.verdict}</strong>: {html.escape(v.statement)}"
            f" ({html.escape(source_in_words(v.source))})</li>"
            for v in self.verdicts
        )
        return f"<ul>{items}</ul>"

    def __repr__(self) -> str:
        lines = [
            f"{v.verdict}: {v.statement} ({source_in_words(v.source)})"
            for v in self.verdicts
        ]
        return "\n".join(lines) or "Every verdict agrees with the source."


def shortfall(*reports: Report | Verdict) -> Shortfall:
    """The claims of a source, among those reported, with which verdicts do not agree.

    A statement that the source itself denies agrees where it fails, see `agreement`.

    Args:
        reports: every report that the page shows.
    """
    return Shortfall(
        [
            verdict
            for report in reports
            for verdict in (report.verdicts if isinstance(report, Report) else [report])
            if verdict.origin == "source" and agreement(asdict(verdict)) != "agrees"
        ]
    )


def in_words(v: Verdict) -> dict[str, Any]:
    """What a page says of a verdict, beside what the verdict says itself.

    And `p`, how far its interval is from its threshold, as `multiplicity.p_value`.
    """
    thresholds, claims = load()
    rule = claims[v.id].rule
    groups = seeds_that_generalise(v)
    return {
        "id": v.id,
        "measured": effect_in_words(
            rule,
            v.effect,
            v.low,
            v.high,
            thresholds,
            of_seeds=groups is not None,
        ),
        "over": counted(rule, v.n),
        "source": source_in_words(v.source),
        "p": p_value(rule, v, thresholds, groups),
    }


def _unbroken(text: str) -> str:
    """HTML of a text whose intervals stay in one line."""
    return re.sub(r"(\[[^],]*), ", r"\1,&nbsp;", html.escape(text))


def _note(v: Verdict) -> str:
    return f'<div class="note">{html.escape(v.note)}</div>' if v.note else ""


def _line(v: Verdict) -> str:
    words = in_words(v)
    facts = [words[key] for key in ("measured", "over") if words[key] not in ("", NONE)]
    measured = f" ({', '.join(facts)})" if facts else ""
    return f"{v.verdict}: {v.statement}{measured} {v.note}".rstrip()


def few_seeds_note(seeds: int, needed: int, counts: str = "seeds") -> str:
    """The note of a verdict that too few seeds, or what counts, leave undecided."""
    noun = counts.removesuffix("s") if seeds == 1 else counts
    return f"{seeds} {noun}; a verdict needs {needed}"


def groups_note(values: Float[np.ndarray, " seeds"], thresholds: Thresholds) -> str:
    """The note of a verdict on seeds that fall into two groups: it lists them all."""
    count = int(np.sum(values >= thresholds.high))
    listed = ", ".join(f"{value:.3f}" for value in sorted(values, reverse=True))
    return (
        f"the seeds fall into two groups, so their share decides: {count} of "
        f"{len(values)} seeds generalise, with at least {thresholds.high:g}; by seed "
        f"{listed}"
    )


def seeds_that_generalise(verdict: Verdict) -> tuple[int, int] | None:
    """Seeds that generalise and all seeds, where their share is what decides."""
    found = GROUPS.search(verdict.note)
    return (int(found[1]), int(found[2])) if found else None


def why_undecided(verdict: Verdict) -> list[str]:
    """Why runs left a verdict undecided, other than by their number; often nothing."""
    if verdict.verdict != "undecided":
        return []
    return list(dict.fromkeys(WHY_UNDECIDED.findall(verdict.note)))


def few_seeds(verdict: Verdict) -> tuple[int, int] | None:
    """Seeds and seeds needed of a verdict that too few leave undecided, else None."""
    found = FEW_SEEDS.search(verdict.note)
    if found is None or verdict.verdict != "undecided":
        return None
    return int(found[1]), int(found[2])
