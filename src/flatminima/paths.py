"""Where the engine keeps what it has computed."""

import os
from pathlib import Path

from platformdirs import user_cache_path

STORE_VARIABLE = "FLATMINIMA_STORE"
RECORD_VARIABLE = "FLATMINIMA_RECORD"


def build_folder() -> Path:
    """The folder of everything that can be computed again.

    In a checkout this is `_build` beside `src`; for an installed package it is
    the user's cache folder.
    """
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "pyproject.toml").is_file():
        return checkout / "_build"
    return user_cache_path("flatminima")


def store_folder() -> Path:
    """The folder of finished results: $FLATMINIMA_STORE, else `store` in the build."""
    chosen = os.environ.get(STORE_VARIABLE)
    return Path(chosen).expanduser() if chosen else build_folder() / "store"


def results_folder() -> Path | None:
    """The folder of committed results, or None for an installed package."""
    checkout = Path(__file__).resolve().parents[2]
    folder = checkout / "results"
    return folder if (checkout / "pyproject.toml").is_file() else None


def record_file() -> Path | None:
    """The file in which sweeps note their configs: $FLATMINIMA_RECORD, else none."""
    chosen = os.environ.get(RECORD_VARIABLE)
    return Path(chosen) if chosen else None
