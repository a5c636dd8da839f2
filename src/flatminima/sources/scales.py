"""Scales of a grid of runs: one source's setting at several sizes, by name."""

from collections.abc import Iterable, Mapping
from typing import Any


def check_scale(scale: str, known: Iterable[str]) -> None:
    """Refuse a scale that a grid has not.

    Raises:
        ValueError: naming those that it has.
    """
    known = list(known)
    if scale not in known:
        raise ValueError(f"scale = {scale!r}: must be one of {', '.join(known)}")


def at_scale(
    scales: Mapping[str, Mapping[str, Any]], scale: str, **fields: Any
) -> dict[str, Any]:
    """What a scale changes of a setting.

    Args:
        scales: fields that differ, by the name of a scale.
        scale: one of these names.
        **fields: in place of those of the scale.

    Raises:
        ValueError: if there is no such scale.

    >>> at_scale({"small": {"n": 300, "width": 8}}, "small", width=4)
    {'n': 300, 'width': 4}
    """
    check_scale(scale, scales)
    return {**scales[scale], **fields}
