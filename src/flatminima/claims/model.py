"""The claims of the sources and their rules, as a study's `claims.yml` holds them."""

import math
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flatminima.claims.quantities import quantity

Kind = Literal[
    "share",
    "beats",
    "equals",
    "associated",
    "attains",
    "exact",
    "flattest",
    "crosses",
    "settles",
    "estimated",
    "not testable",
]


RuleFixed = Literal["before", "after pilot", "after data"]
"""When a rule was fixed: before any of its runs, after pilot runs that are no part of
the evidence, or after the data that decide it had been seen."""


class Rule(BaseModel):
    """How a claim is decided.

    Attributes:
        kind: the function of this module that decides it.
        metric: column of a sweep's table, or what the evidence measures.
        says: for `share`, whether the claim says that the share is high (True)
            or low (False).
        lower_is_better: for `beats`, whether the smaller value wins.
        tight: for `attains`, whether the bound is known to be attained; if not,
            staying above it decides nothing.
        tolerance: for `exact`, the largest error allowed; for `equals`, the largest
            difference that does not matter.
        along: for `crosses` and `settles`, the column that varies.
        logarithmic: for these, whether positions are its decimal logarithms.
        min_seeds: seeds that decide it, in place of the number for all claims; 0 to
            keep that. The claim's note has to say why.
        counts: what `n` counts, in the plural.
        within: for `associated` and `estimated`, the least and the largest value that
            the effect can have, as -1 and 1 of a rank correlation. Few seeds give an
            interval that is wider; it is cut there, which costs no coverage.
        reason: for `not testable`, why.
        words: what pages call the number that decides, where
            `quantities.QUANTITIES` has no words for the metric, or others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    metric: str = "test_accuracy"
    says: bool = True
    lower_is_better: bool = False
    tight: bool = True
    tolerance: float = 0.0
    along: str = ""
    logarithmic: bool = False
    min_seeds: Annotated[int, Field(ge=0)] = 0
    counts: Literal["seeds", "places"] = "seeds"
    within: tuple[float, float] = (-math.inf, math.inf)
    reason: str = ""
    words: str = ""

    @model_validator(mode="after")
    def _has_words(self) -> Self:
        quantity(self)
        return self

    @model_validator(mode="after")
    def _can_be_equal(self) -> Self:
        if self.kind == "equals" and not 0 < self.tolerance < math.inf:
            raise ValueError(
                f"tolerance = {self.tolerance}: of kind 'equals' must be above 0 and "
                "finite, since no data show two means to be the same number"
            )
        return self


class Claim(BaseModel):
    """A sentence of a source, or of ours, that data can decide.

    Attributes:
        id: unique name.
        chapter: where it is decided: the folder of its file, `-` for `_`.
        source: document and figure, theorem or page.
        origin: "source" or "ours".
        statement: the sentence.
        rule_fixed: when its rule was, as `RuleFixed` says.
        rule: how it is decided.
        reported: the source's own number or word, if it gives one.
        note: anything a reader of the scorecard should know.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    chapter: str
    source: str
    origin: Literal["source", "ours"]
    statement: str
    rule_fixed: RuleFixed
    rule: Rule
    reported: str | float | None = None
    note: str = ""

    @model_validator(mode="after")
    def _says_why_few_seeds(self) -> Self:
        if self.rule.min_seeds and "seeds" not in self.note:
            raise ValueError(
                f"min_seeds = {self.rule.min_seeds}: the note has to say why so few "
                f"seeds decide, and is {self.note!r}"
            )
        return self
