"""Folders and locks: whether they can be what they should, asked before any work."""

import contextlib
import os
import uuid
from pathlib import Path

from filelock import FileLock, Timeout


def fault(folder: Path) -> str:
    """Why a folder cannot be made or read, or "" if it can.

    Args:
        folder: which need not exist.

    Returns:
        What is wrong, to follow the folder's name in a sentence.
    """
    for place in (folder, *folder.absolute().parents):
        at_hand = place == folder
        who = "" if at_hand else f"cannot be there: {place} "
        if os.path.isdir(place):
            readable = os.access(place, os.R_OK | os.X_OK if at_hand else os.X_OK)
            return "" if readable else f"{who}is not yours to read"
        if os.path.lexists(place):
            return f"{who}is a file, where a folder should be"
    return ""


def no_locks(folder: Path) -> str:
    """Why no lock can be had in a folder, or "" if one can.

    A lock that nobody else can hold is tried, since some file systems say of every
    lock that somebody holds it.

    Args:
        folder: which exists.
    """
    path = folder / f"{uuid.uuid4().hex}.lock"
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
        lock.release()
    except Timeout:
        return "its file system grants none"
    except (OSError, NotImplementedError) as error:
        return reason(error)
    finally:
        with contextlib.suppress(OSError):  # nobody looks for it again
            path.unlink(missing_ok=True)
    return ""


def reason(error: Exception) -> str:
    """What an error says, without its number and path."""
    return getattr(error, "strerror", None) or str(error)
