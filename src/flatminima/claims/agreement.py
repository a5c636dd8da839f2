"""Whether what the book found agrees with what a source says.

Both are told from the entries of the scorecard, as programs read them.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

from flatminima.claims.quantities import SOURCES

Kind = Literal["source", "misprint", "ours"]
Agreement = Literal["agrees", "disagrees", "open"]

AGREEMENTS: tuple[Agreement, ...] = get_args(Agreement)

DENIED = "✗"
"""What a source reports of a statement that it says is false."""

ALMOST = "almost"
"""How the report of a source begins that claims a rule to be almost met, no more."""

MISPRINTS = "errata"
"""The chapter whose claims of a source are about what is printed."""

DOCUMENT = re.compile(r"\s*([\w-]+):")


def kind(entry: Mapping[str, Any]) -> Kind:
    """Whose statement a claim is, and whether it is about what is printed.

    Args:
        entry: of the scorecard.
    """
    if entry["origin"] != "source":
        return "ours"
    return "misprint" if entry["chapter"] == MISPRINTS else "source"


def agreement(entry: Mapping[str, Any]) -> Agreement:
    """Whether a verdict on the statement of a source agrees with it.

    A source stands by its statement, unless it reports ✗ of it, as some cells of its
    summary table do; then the verdict agrees that fails. A verdict that is "partly"
    agrees with a source that claims no more, and is open otherwise.

    Args:
        entry: of the scorecard, with origin "source".

    Raises:
        ValueError: if the claim is of another origin: there is nothing to agree with.
    """
    if entry["origin"] != "source":
        raise ValueError(f"origin = {entry['origin']!r}: must be 'source'")
    word, reported = entry["verdict"], str(entry["reported"])
    if word == "partly":
        return "agrees" if reported.startswith(ALMOST) else "open"
    if word not in ("holds", "fails"):
        return "open"
    confirmed = "fails" if reported == DENIED else "holds"
    return "agrees" if word == confirmed else "disagrees"


def documents(source: str) -> list[str]:
    """Short names of the documents that a claim is from.

    >>> documents("000: Fig. 2; paper: Fig. 4b"), documents("paper: eq. (5)")
    (['000', 'paper'], ['paper'])
    """
    heads = (DOCUMENT.match(part) for part in source.split(";"))
    return list(dict.fromkeys(h[1] for h in heads if h and h[1] in SOURCES))


def counts(entries: Iterable[Mapping[str, Any]]) -> dict[str, dict[Agreement, int]]:
    """How often the book agrees with each document.

    Args:
        entries: of the scorecard, of one `kind` that has a source.

    Returns:
        Counts by the name of the document, in the order of `SOURCES`. A claim of two
        documents counts for both.
    """
    found: dict[str, dict[Agreement, int]] = {}
    given: Sequence[Mapping[str, Any]] = list(entries)
    for short, name in SOURCES.items():
        words = [agreement(e) for e in given if short in documents(e["source"])]
        if words:
            found[name] = {word: words.count(word) for word in AGREEMENTS}
    return found
