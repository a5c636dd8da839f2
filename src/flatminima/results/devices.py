"""Where committed runs were computed, each device once beside the files of runs.

A processor has hundreds of instruction sets, and a file thousands of runs. So a row
names its device, and `devices/<name>.json` holds it. The name is a digest of the
content, and the checksum of a row covers the content.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flatminima.results.rows import BadResult
from flatminima.sweeps import store

Device = dict[str, Any]
"""See `provenance.processor`; with the `settings` of the process, if it had any."""

FOLDER = "devices"

LETTERS = 16
"""Of the digest, which are the name."""


def name_of(device: Device) -> str:
    """The name of a device: the beginning of a digest of all that is known of it."""
    return store.sha256(store.canonical(device))[:LETTERS]


def read(path: Path) -> dict[str, Device]:
    """The devices beside a file of runs, by name.

    Args:
        path: of a file of `results/`; neither it nor the folder need exist.

    Raises:
        BadResult: if one of them is not what its name says.
    """
    found = {}
    for file in sorted((path.parent / FOLDER).glob("*.json")):
        try:
            device = json.loads(file.read_bytes())
        except ValueError as error:
            raise BadResult(f"{file}: not readable") from error
        if name_of(device) != file.stem:
            raise BadResult(f"{file}: not what its name says")
        found[file.stem] = device
    return found


def keep(devices: Iterable[Device], path: Path) -> None:
    """Keep devices beside a file of runs. Those that are there stay as they are.

    Args:
        devices: to keep.
        path: as in `read`.
    """
    folder = path.parent / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, device in {name_of(device): device for device in devices}.items():
        file = folder / f"{name}.json"
        if not file.is_file():
            # two processes may keep the same one at the same time
            draft = folder / f"{name}.{os.getpid()}.tmp"
            text = json.dumps(device, indent=1, allow_nan=False)
            draft.write_text(f"{text}\n", "utf8")
            draft.replace(file)


def folded(row: dict[str, Any]) -> dict[str, Any]:
    """A row as a file has it: with the name of its device."""
    about = row["provenance"]
    return row | {"provenance": about | {"device": name_of(about["device"])}}


def unfolded(row: dict[str, Any], devices: dict[str, Device]) -> dict[str, Any]:
    """A row with its device in place of the name.

    Raises:
        BadResult: if its device is not among them.
    """
    about = row["provenance"]
    name = about["device"]
    if not isinstance(name, str) or name not in devices:
        shown = name if isinstance(name, str) else "no name"
        raise BadResult(f"its device is {shown}: must be one of {FOLDER}/*.json")
    return row | {"provenance": about | {"device": devices[name]}}
