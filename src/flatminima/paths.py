"""Where the engine keeps what it has computed."""

import contextlib
import os
import stat
import warnings
from pathlib import Path

from platformdirs import user_cache_path

CACHE_VARIABLE = "FLATMINIMA_CACHE"
STORE_VARIABLE = "FLATMINIMA_STORE"
RECORD_VARIABLE = "FLATMINIMA_RECORD"


def checkout_folder() -> Path | None:
    """The checkout that this is the engine of, or None for an installed package."""
    checkout = Path(__file__).resolve().parents[2]
    return checkout if (checkout / "pyproject.toml").is_file() else None


def build_folder() -> Path:
    """The folder of everything that can be computed again.

    This is $FLATMINIMA_CACHE, if that is set. Else it is `_build` in a checkout where
    this user may write, and the user's cache folder everywhere else.

    Raises:
        ValueError: if the variable names a home that is not there.
    """
    if chosen := _chosen(CACHE_VARIABLE):
        return chosen
    if checkout := checkout_folder():
        build = checkout / "_build"
        place = build if os.path.lexists(build) else checkout
        # what is no folder is refused where it is used
        if not place.is_dir() or os.access(place, os.W_OK | os.X_OK):
            return build
    return user_cache_path("flatminima")


def store_folder() -> Path:
    """The folder of finished results: $FLATMINIMA_STORE, else `store` in the build.

    Raises:
        ValueError: if the variable names a home that is not there.
    """
    return _chosen(STORE_VARIABLE) or build_folder() / "store"


def record_file() -> Path | None:
    """The file in which sweeps note their configs: $FLATMINIMA_RECORD, else none."""
    chosen = os.environ.get(RECORD_VARIABLE)
    return Path(chosen) if chosen else None


def make_folder(root: Path, *names: str) -> Path:
    """Make a folder of things that can be computed again, and mend what is in the way.

    A file in the place of a folder is removed, and a folder that its owner may not use
    is opened, below the root.

    Args:
        root: such as `build_folder`.
        names: of the folder below it, and of those in between.

    Returns:
        The folder.

    Raises:
        OSError: if that cannot be done.

    Warns:
        UserWarning: if something was mended.
    """
    root.mkdir(parents=True, exist_ok=True)
    folder = root
    for name in names:
        folder = folder / name
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            continue
        if not folder.is_dir():
            warnings.warn(
                f"{folder} is a file, where a folder should be: it is replaced",
                stacklevel=2,
            )
            folder.unlink()
            folder.mkdir()
        elif _closed_to_its_owner(folder):
            warnings.warn(
                f"{folder} is closed to its owner: it is opened", stacklevel=2
            )
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IRWXU)
    return folder


def _closed_to_its_owner(folder: Path) -> bool:
    status = folder.stat()
    own = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    return own and status.st_mode & stat.S_IRWXU != stat.S_IRWXU


def _chosen(variable: str) -> Path | None:
    """A folder that the environment names, or None."""
    text = os.environ.get(variable)
    if not text:
        return None
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise ValueError(
            f"{variable} = {text!r}: there is no such home; allowed is a folder"
        ) from error
