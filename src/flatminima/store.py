"""Finished runs on disk: plain files, written atomically, checked when read.

A run is two files named by its key: `<key>.npz` with the arrays and, written
last, `<key>.json` with the config, its provenance and the checksum of the
arrays. A file that is damaged in any way is reported once and treated as absent.
"""

import hashlib
import io
import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flatminima.config import Config
from flatminima.identity import library_versions, source_digest
from flatminima.train import Run, modules


class DamagedResult(ValueError):
    """A stored file that does not match its checksum or cannot be read."""


def key(config: Config) -> str:
    """Identity of a run: its config, the source that makes it, the libraries.

    Returns:
        SHA-256, hexadecimal.
    """
    identity = {
        "config": config.model_dump(mode="json"),
        "engine": source_digest(*modules(config)),
        "libraries": library_versions(),
    }
    return _sha256(_canonical(identity))


def save(folder: Path, config: Config, run: Run, provenance: dict[str, Any]) -> None:
    """Store a finished run; a reader sees all of it or nothing.

    Args:
        folder: the store, made if absent.
        config: what was run.
        run: its result.
        provenance: anything else worth keeping that JSON can hold.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = key(config)
    columns = {
        f"history.{column}": run.history[column].to_numpy()
        for column in run.history.columns
    }
    buffer = io.BytesIO()
    params = {f"p{k}": p for k, p in enumerate(run.params)}
    np.savez(buffer, allow_pickle=False, **params, **columns)
    arrays = buffer.getvalue()
    record = {
        "config": config.model_dump(mode="json"),
        "engine": source_digest(*modules(config)),
        "libraries": library_versions(),
        "diverged_at": run.diverged_at,
        "arrays": _sha256(arrays),
        "provenance": provenance,
    }
    record["record"] = _sha256(_canonical(record))
    _write(folder / f"{name}.npz", arrays)
    _write(folder / f"{name}.json", _canonical(record))


def load(folder: Path, config: Config) -> Run | None:
    """The stored run of a config, or None if it has to be run.

    Warns:
        UserWarning: if there are files that are damaged.
    """
    name = key(config)
    record_path = folder / f"{name}.json"
    if not record_path.exists():
        return None
    try:
        return _read(record_path, folder / f"{name}.npz")
    except (DamagedResult, OSError) as problem:
        warnings.warn(
            f"stored result {record_path} is damaged ({problem}); running it again",
            stacklevel=2,
        )
        return None


def _read(record_path: Path, arrays_path: Path) -> Run:
    try:
        record = json.loads(record_path.read_bytes())
        checksum = record.pop("record")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedResult("the record is not readable") from error
    if checksum != _sha256(_canonical(record)):
        raise DamagedResult("the record does not match its checksum")
    content = arrays_path.read_bytes()
    if _sha256(content) != record["arrays"]:
        raise DamagedResult("the arrays do not match their checksum")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        history = {
            column.removeprefix("history."): arrays[column]
            for column in arrays.files
            if column.startswith("history.")
        }
        count = len(arrays.files) - len(history)
        params = tuple(arrays[f"p{k}"] for k in range(count))
        return Run(pd.DataFrame(history), params, record["diverged_at"])


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
