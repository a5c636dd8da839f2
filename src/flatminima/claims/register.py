"""The claims of the sources, found beside their chapters."""

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

import yaml

from flatminima.claims.model import Claim
from flatminima.statistics.thresholds import Thresholds, thresholds

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""In C where PyYAML was built with it: every kernel reads all claims."""


@cache
def load() -> tuple[Thresholds, dict[str, Claim]]:
    """The thresholds of all rules, and the claims of all studies by id.

    Raises:
        ValueError: if a file does not fit `Thresholds` and `Claim`, or two claims have
            one id.
    """
    return thresholds(), read_claims(files("flatminima.studies"))


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
        for entry in yaml.load(file.read_text(encoding="utf-8"), LOADER) or []:
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
