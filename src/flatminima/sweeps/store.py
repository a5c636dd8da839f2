"""Runs on disk: plain files, written atomically, checked when read.

A run is two files named by its key: `<key>.npz` with the arrays and, written
last, `<key>.json` with the config, its provenance and the checksum of the
arrays. A file that is damaged in any way is reported once and treated as absent.
An unfinished run is kept in `<key>.part` until it is finished: the record, a line
end and the arrays, in one file so that a newer part replaces an older one at once.
Several processes may share a folder.
"""

import errno
import hashlib
import io
import json
import os
import secrets
import time
import warnings
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flatminima import folders
from flatminima.identity import library_versions, source_digest
from flatminima.runs.kind import Run, RunConfig, engine_of, input_files
from flatminima.sweeps.settings import settings

SECONDS_TO_ABANDON = 3600.0
"""Age of a temporary file from which its writer is taken for dead."""

NANOSECONDS_TO_SETTLE = 2 * 10**9
"""Age of a change from which the next one is sure to have another time."""

ROOTS = ("flatminima.runs.kind", "flatminima.runs.loop")
"""Modules that every run goes through."""

HISTORY, STATE = "history.", "state."
"""What the names of stored arrays begin with."""

BYTES_TO_TRY = 8192
"""What a small run takes; an empty file fits on a full disk too."""

_FULL = {errno.ENOSPC: "is full", errno.EDQUOT: "is over its quota"}
_REMEDY = (
    "set FLATMINIMA_STORE to another folder, or FLATMINIMA_CACHE for all that can be "
    "computed again, and run the same again to go on"
)
_CLOSED = {
    errno.EROFS: "is read-only",
    errno.EACCES: "is not yours to write",
    errno.EPERM: "is not yours to write",
}


class DamagedResult(ValueError):
    """A stored file that does not match its checksum or cannot be read."""


class StoreError(OSError):
    """A store that cannot take a result; what it holds already is intact."""


def engine_digest(config: RunConfig) -> str:
    """SHA-256 of the engine's source that a config runs through, hexadecimal."""
    return source_digest(*engine_of(config).modules(config), *ROOTS)


def key(config: RunConfig) -> str:
    """Identity of a run: its config, the source that makes it, the libraries.

    And the content of the files that it reads, if its kind names any, and what
    `settings` finds, as a rule nothing.

    Returns:
        SHA-256, hexadecimal.
    """
    identity: dict[str, Any] = {
        "module": config.engine,
        "config": config.model_dump(mode="json"),
        "engine": engine_digest(config),
        "libraries": library_versions(),
    }
    if chosen := settings():
        identity["settings"] = chosen
    if files := input_files(config):
        identity["inputs"] = {path.name: file_digest(path) for path in files}
    return sha256(canonical(identity))


def check_usable(folder: Path) -> None:
    """Refuse a store that is no folder, or cannot be read, before anything is sought.

    Args:
        folder: the store, which need not exist.

    Raises:
        StoreError: naming the folder and what is wrong with it.
    """
    if fault := folders.fault(folder):
        raise StoreError(
            errno.ENOTDIR, f"the store {folder} {fault}. Remove it, or {_REMEDY}"
        )


def check_writable(folder: Path) -> None:
    """Refuse a store that could not take a result, before the result is computed.

    Args:
        folder: the store, made if absent.

    Raises:
        StoreError: naming the folder and what is wrong with it.
    """
    _write(folder / "writable", bytes(BYTES_TO_TRY))
    (folder / "writable").unlink(missing_ok=True)


def save(folder: Path, config: RunConfig, run: Run, provenance: dict[str, Any]) -> None:
    """Store a run; a reader sees all of it or nothing.

    A finished run takes the place of its unfinished part.

    Args:
        folder: the store, made if absent.
        config: what was run.
        run: where it stands.
        provenance: anything else worth keeping that JSON can hold.

    Raises:
        StoreError: if the folder cannot be written or the disk is full.
    """
    name = key(config)
    columns = {
        f"{HISTORY}{column}": run.history[column].to_numpy()
        for column in run.history.columns
    }
    arrays = {f"{STATE}{name}": array for name, array in run.arrays.items()}
    content = _archive(arrays | columns)
    record = {
        "config": config.model_dump(mode="json"),
        "engine": engine_digest(config),
        "libraries": library_versions(),
        "step": run.step,
        "finished": run.finished,
        "diverged_at": run.diverged_at,
        "arrays": sha256(content),
        "provenance": provenance,
    }
    record["record"] = sha256(canonical(record))
    part = folder / f"{name}.part"
    if run.finished:
        _write(folder / f"{name}.npz", content)
        _write(folder / f"{name}.json", canonical(record))
        part.unlink(missing_ok=True)
    else:
        _write(part, canonical(record) + b"\n" + content)


def load(folder: Path, config: RunConfig) -> Run | None:
    """The finished run of a config, or None if it has to be run.

    Warns:
        UserWarning: if there are files that are damaged.
    """
    found = load_timed(folder, config)
    return found[0] if found else None


def load_timed(folder: Path, config: RunConfig) -> tuple[Run, float] | None:
    """The finished run of a config and the seconds spent on it, or None.

    Warns:
        UserWarning: if there are files that are damaged.
    """
    found = _find(folder / f"{key(config)}.json", "running it again")
    return (found[0], _seconds(found[1])) if found else None


def load_part(folder: Path, config: RunConfig) -> tuple[Run, float] | None:
    """The unfinished run of a config and the seconds spent on it, or None.

    Warns:
        UserWarning: if there are files that are damaged.
    """
    found = _find(folder / f"{key(config)}.part", "starting over")
    return (found[0], _seconds(found[1])) if found else None


def load_record(folder: Path, config: RunConfig) -> dict[str, Any] | None:
    """Config, engine digest, versions and provenance of a finished run, or None."""
    found = _find(folder / f"{key(config)}.json", "running it again")
    return found[1] if found else None


def remove_abandoned(folder: Path) -> None:
    """Delete the temporary files that killed writers left behind."""
    oldest = time.time() - SECONDS_TO_ABANDON
    for path in folder.glob("*.tmp"):
        try:
            if path.stat().st_mtime < oldest:
                path.unlink()
        except OSError:  # gone already, or not ours to delete
            continue


def _seconds(record: dict[str, Any]) -> float:
    return float(record["provenance"].get("seconds", 0.0))


def _find(path: Path, remedy: str) -> tuple[Run, dict[str, Any]] | None:
    try:
        # one look: another process may finish the run and remove its part
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        problem: Exception = error
    else:
        try:
            return _read(path, content)
        except (DamagedResult, OSError) as error:
            problem = error
    what = "is damaged"
    if isinstance(problem, PermissionError):
        what = "is another user's and closed to you"
    warnings.warn(f"stored result {path} {what} ({problem}); {remedy}", stacklevel=3)
    return None


def _read(path: Path, content: bytes) -> tuple[Run, dict[str, Any]]:
    head, _, tail = content.partition(b"\n")
    try:
        record = json.loads(head)
        checksum = record.pop("record")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedResult("the record is not readable") from error
    if checksum != sha256(canonical(record)):
        raise DamagedResult("the record does not match its checksum")
    content = tail if path.suffix == ".part" else path.with_suffix(".npz").read_bytes()
    if sha256(content) != record["arrays"]:
        raise DamagedResult("the arrays do not match their checksum")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        history, state = (
            {
                name.removeprefix(prefix): arrays[name]
                for name in arrays.files
                if name.startswith(prefix)
            }
            for prefix in (HISTORY, STATE)
        )
        run = Run(
            pd.DataFrame(history),
            state,
            record["step"],
            record["finished"],
            record["diverged_at"],
        )
    return run, record


def _archive(arrays: dict[str, np.ndarray]) -> bytes:
    """Arrays as `np.load` reads them.

    `np.savez` takes `allow_pickle` for one more array before numpy 2.1.

    Raises:
        ValueError: if an array holds objects, which only a pickle could hold.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole, also after a power failure, or not."""
    folder = path.parent
    temporary = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Not of the module tempfile, whose files are for their owner alone: others
        # read a store, as far as the umask lets them.
        draft = folder / f"{path.name}.{secrets.token_hex(8)}.tmp"
        with draft.open("xb") as file:
            temporary = draft
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
        temporary = None
        _sync_folder(folder)
    except OSError as error:
        reason = {**_FULL, **_CLOSED}.get(error.errno or 0)
        if reason is None:
            raise
        raise StoreError(
            error.errno,
            f"the store {folder} {reason}; what it holds is intact. Free it, "
            f"or {_REMEDY}",
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable, where folders can be opened at all."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def canonical(value: Any) -> bytes:
    """A value as JSON, equal for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal.

    Raises:
        FileNotFoundError: if there is no such file, naming it.
    """
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, "a run reads this file", str(path))
    status = path.stat()
    changed = max(status.st_mtime_ns, status.st_ctime_ns)
    if time.time_ns() - changed < NANOSECONDS_TO_SETTLE:
        return _digest_of(path)
    return _known_digest(path.absolute(), status.st_ino, status.st_size, changed)


@lru_cache(maxsize=64)
def _known_digest(path: Path, inode: int, size: int, changed: int) -> str:
    """That of a file which has not changed: hundreds of runs read the same images."""
    return _digest_of(path)


def _digest_of(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256(content: bytes) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(content).hexdigest()
