"""What sweeps note in files, where somebody asks for it."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from flatminima.runs.kind import Run, RunConfig
from flatminima.sweeps import store

SPENT_VARIABLE = "FLATMINIMA_SPENT"
"""Names the file in which sweeps note what runs took."""


def note_commit(configs: Sequence[RunConfig], path: Path | None) -> None:
    """Note which runs are to be committed, where somebody asks for it.

    Args:
        configs: of the runs.
        path: the file to add a line each to; None if nobody asks.
    """
    _note(
        path,
        (
            {"module": config.engine, "config": config.model_dump(mode="json")}
            for config in configs
        ),
    )


def note_spent(
    found: dict[RunConfig, tuple[Run, float]], spent: dict[RunConfig, float]
) -> None:
    """Note what runs took, and how much of it just now, where somebody asks for it.

    Args:
        found: runs with the seconds that they took in all.
        spent: of these, the seconds just now.
    """
    _note(
        Path(chosen) if (chosen := os.environ.get(SPENT_VARIABLE)) else None,
        (
            {"run": store.key(c), "seconds": seconds, "now": spent.get(c, 0.0)}
            for c, (_, seconds) in found.items()
        ),
    )


def _note(path: Path | None, values: Iterable[dict[str, Any]]) -> None:
    """Add values to a file, a line each."""
    if path is not None:
        with open(path, "ab") as file:
            file.writelines(store.canonical(value) + b"\n" for value in values)
