"""The claims of the sources, found beside their chapters."""

from functools import cache
from importlib.resources import files

import yaml

from flatminima.claims.model import Claim
from flatminima.statistics.thresholds import Thresholds


@cache
def load() -> tuple[Thresholds, dict[str, Claim]]:
    """Thresholds and claims of `claims.yml`, the claims by id.

    Raises:
        ValueError: if the file does not fit `Thresholds` and `Claim`.
    """
    text = files("flatminima").joinpath("claims.yml").read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    claims = [Claim(**entry) for entry in content["claims"]]
    return Thresholds(**content["thresholds"]), {claim.id: claim for claim in claims}
