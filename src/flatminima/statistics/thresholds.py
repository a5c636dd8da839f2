"""The numbers behind every rule."""

from functools import cache
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict


class Thresholds(BaseModel):
    """The numbers behind every rule, from `thresholds.yml`.

    Attributes:
        level: confidence level of all intervals.
        high: a share is high if its interval lies at or above this.
        almost: it is almost high if its interval lies at or above this.
        low: it is low if its interval lies at or below this.
        bound_ratio: median ratio of trace to bound up to which a bound counts as
            attained.
        interpolates: mean squared distance of the raw outputs to their targets, over
            the mean square of the targets, that every seed must reach for that. For
            the squared loss and labels of +-1 this is the training loss.
        fits: the same distance above which a network does not fit its data, and a
            verdict on its accuracy says so; outputs of 0 have 1.
        min_seeds: seeds below which nothing that varies over seeds is decided.
        max_diverged: share of diverged seeds above which nothing is decided.
        resamples: of seeds, behind the interval of a crossing or of an exponent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: float
    high: float
    almost: float
    low: float
    bound_ratio: float
    interpolates: float
    fits: float
    min_seeds: int
    max_diverged: float
    resamples: int


@cache
def thresholds() -> Thresholds:
    """Those of `thresholds.yml`.

    Raises:
        ValueError: if the file does not fit.
    """
    text = files("flatminima.statistics").joinpath("thresholds.yml").read_text("utf8")
    return Thresholds(**yaml.safe_load(text))
