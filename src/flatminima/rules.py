"""The claims of the sources and their rules, as `studies/*/claims.yml` hold them."""

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

Kind = Literal[
    "share",
    "beats",
    "associated",
    "attains",
    "exact",
    "flattest",
    "crosses",
    "settles",
    "estimated",
    "not testable",
]


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
        tolerance: for `exact`, the largest error allowed.
        along: for `crosses` and `settles`, the column that varies.
        logarithmic: for these, whether positions are its decimal logarithms.
        min_seeds: seeds that decide it, in place of the number for all claims; 0 to
            keep that.
        reason: for `not testable`, why.
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
    reason: str = ""


class Thresholds(BaseModel):
    """The numbers behind every rule, from `claims.yml`.

    Attributes:
        level: confidence level of all intervals.
        high: a share is high if its interval lies at or above this.
        almost: it is almost high if its interval lies at or above this.
        low: it is low if its interval lies at or below this.
        bound_ratio: median ratio of trace to bound up to which a bound counts as
            attained.
        interpolates: mean squared distance of the raw outputs to their targets that
            every seed must reach for that; for the squared loss, the training loss.
        min_seeds: seeds below which nothing that varies over seeds is decided.
        max_diverged: share of diverged seeds above which nothing is decided.
        resamples: bootstrap resamples.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: float
    high: float
    almost: float
    low: float
    bound_ratio: float
    interpolates: float
    min_seeds: int
    max_diverged: float
    resamples: int


class Claim(BaseModel):
    """A sentence of a source, or of ours, that data can decide.

    Attributes:
        id: unique name.
        chapter: where it is decided: the folder of its file, `-` for `_`.
        source: document and figure, theorem or page.
        origin: "source" or "ours".
        statement: the sentence.
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
    rule: Rule
    reported: str | float | None = None
    note: str = ""


@cache
def load() -> tuple[Thresholds, dict[str, Claim]]:
    """Thresholds of `claims.yml`, and the claims of all studies by id.

    Raises:
        ValueError: if a file does not fit `Thresholds` and `Claim`, or two claims have
            one id.
    """
    text = files("flatminima").joinpath("claims.yml").read_text(encoding="utf-8")
    thresholds = Thresholds(**yaml.safe_load(text)["thresholds"])
    return thresholds, read_claims(files("flatminima.studies"))


def read_claims(studies: Traversable) -> dict[str, Claim]:
    """The claims of all folders of a folder, by id.

    Args:
        studies: holds `<chapter>/claims.yml`, in the name of a folder `_` for `-`.

    Raises:
        ValueError: if an entry is no claim, or its id is that of another; names the
            files.
    """
    claims: dict[str, Claim] = {}
    home: dict[str, str] = {}
    for folder in sorted(studies.iterdir(), key=lambda folder: folder.name):
        file = folder / "claims.yml"
        if not file.is_file():
            continue
        where = f"{studies.name}/{folder.name}/claims.yml"
        for entry in yaml.safe_load(file.read_text(encoding="utf-8")):
            try:
                claim = Claim(**entry, chapter=folder.name.replace("_", "-"))
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"{where}: claim {entry.get('id')}: {error}"
                ) from error
            if claim.id in claims:
                raise ValueError(
                    f"{where}: claim {claim.id} is also in {home[claim.id]}"
                )
            claims[claim.id], home[claim.id] = claim, where
    return claims


def describe(rule: Rule, t: Thresholds) -> str:
    """The rule in words, for the scorecard."""
    percent = f"{t.level:.0%}"
    if rule.kind == "share":
        words = (
            f"low >= {t.high} holds, low >= {t.almost} partly, high <= {t.low} fails"
            if rule.says
            else f"high <= {t.low} holds, low >= {t.low} fails"
        )
        return (
            f"mean {rule.metric} over seeds at the last checkpoint, {percent} "
            f"interval: {words}, otherwise undecided"
        )
    if rule.kind == "beats":
        order = "second minus first" if rule.lower_is_better else "first minus second"
        return (
            f"mean difference of {rule.metric} ({order}, paired by seeds), {percent} "
            "interval: above 0 holds, below 0 fails, otherwise undecided"
        )
    if rule.kind == "associated":
        return (
            f"mean over seeds of {rule.metric}, {percent} interval: above 0 holds, "
            "below 0 fails, otherwise undecided"
        )
    if rule.kind == "attains":
        above = "fails" if rule.tight else "undecided"
        return (
            "mean squared distance of the raw outputs to their targets <= "
            f"{t.interpolates} for every seed and median trace after retraction over "
            f"bound <= {t.bound_ratio}: holds, otherwise {above}"
        )
    if rule.kind == "estimated":
        return (
            f"{rule.metric}, {percent} bootstrap interval over seeds: above 0 holds, "
            "below 0 fails, otherwise undecided"
        )
    if rule.kind == "exact":
        return f"worst {rule.metric} over instances <= {rule.tolerance:g}"
    if rule.kind == "flattest":
        return (
            f"a construction with trace over bound - 1 <= {rule.tolerance:g} and "
            f"accuracy <= {t.low} refutes it; otherwise undecided"
        )
    if rule.kind in ("crosses", "settles"):
        name = f"log10({rule.along})" if rule.logarithmic else rule.along
        where = f"{name} at which mean {rule.metric} first falls below {t.low}"
        if rule.kind == "crosses":
            return (
                f"{where}, {percent} interval over seeds: inside the grid holds, "
                "no crossing at one end of it fails, otherwise undecided"
            )
        return (
            f"shift, between the last two training lengths, of the {where}, paired "
            f"by seeds, {percent} interval: within one grid step either way holds, "
            "beyond it fails, otherwise undecided"
        )
    return "none"
