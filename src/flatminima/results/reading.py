"""The committed runs of a file, each checked against its checksum."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flatminima.results.kept import kept
from flatminima.results.rows import BadResult, config_of, engine_now, setting
from flatminima.runs.kind import Run, RunConfig
from flatminima.sweeps import store
from flatminima.sweeps.table import COMMITTED, tidy


@dataclass(frozen=True)
class Committed:
    """The runs of one file.

    Attributes:
        rows: one dictionary a run, as in the file.
        tables: their histories, with the columns of `sweep.sweep`, of which `scale`
            says that they are committed, `engine`, and in their last rows the numbers
            that their kind keeps of the final state.
    """

    rows: list[dict[str, Any]]
    tables: list[pd.DataFrame]

    @property
    def older(self) -> list[bool]:
        """For every run, whether another engine than the present one made it."""
        return [row["engine"] != engine_now(row) for row in self.rows]

    def of(self, config: RunConfig) -> pd.DataFrame:
        """The rows of one setting, all its seeds; empty if there are none."""
        wanted = setting(
            {"module": config.engine, "config": config.model_dump(mode="json")}
        )
        tables = [
            table
            for row, table in zip(self.rows, self.tables, strict=True)
            if setting(row) == wanted
        ]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def __repr__(self) -> str:
        return f"<{len(self.rows)} committed runs>"

    def _repr_markdown_(self) -> str:
        return self.origin()

    def origin(self) -> str:
        """Where the runs come from, in one sentence of Markdown."""
        if not self.rows:
            return "No runs at the source's scale are committed for this chapter."
        devices = sorted({_device(row) for row in self.rows})
        dates = sorted({row["provenance"]["date"][:10] for row in self.rows})
        seconds = [row["provenance"]["seconds"] for row in self.rows]
        engines = sorted({row["engine"][:8] for row in self.rows})
        text = (
            f"Committed runs: {len(self.rows)}, on {'; '.join(devices)}, "
            f"{' to '.join(dict.fromkeys([dates[0], dates[-1]]))}, "
            f"{min(seconds):.0f} to {max(seconds):.0f} s each on one thread, engine "
            f"{', '.join(f'`{engine}`' for engine in engines)}."
        )
        if old := sum(self.older):
            text += (
                f' <span class="older-engine">older engine: {old} of '
                f"{len(self.rows)} runs</span>"
            )
        return text


def load(path: Path) -> Committed:
    """Read committed runs and check each against its checksum.

    Args:
        path: a file of `results/`; one that does not exist has no runs.

    Raises:
        BadResult: naming the file and the line.
    """
    rows, tables = [], []
    if path.is_file():
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            where = f"{path}, line {number}"
            try:
                row = json.loads(line)
                checksum = row.pop("checksum")
            except (ValueError, KeyError, AttributeError, TypeError) as error:
                raise BadResult(f"{where}: not readable") from error
            if checksum != store.sha256(store.canonical(row)):
                raise BadResult(f"{where}: not what its checksum says")
            try:
                tables.append(_table(row))
            except (ImportError, AttributeError, KeyError, TypeError) as error:
                raise BadResult(f"{where}: not a run: {error!r}") from error
            except ValueError as error:
                raise BadResult(f"{where}: {error}") from error
            rows.append(row)
    return Committed(rows, tables)


def committed(chapter: str) -> Committed:
    """The committed runs of a chapter; none if it has no file.

    Raises:
        BadResult: if the file is damaged.
        FileNotFoundError: if the installed package has lost all files.
    """
    return load(kept("results") / f"{chapter}.jsonl")


def _table(row: dict[str, Any]) -> pd.DataFrame:
    history = pd.DataFrame(row["history"]).astype(float)
    history["step"] = history["step"].astype(int)
    run = Run(history, {}, 0, diverged_at=row["diverged_at"])
    table = tidy(config_of(row), run).assign(engine=row["engine"])
    table["scale"] += COMMITTED
    for name, value in row["summary"].items():
        if not isinstance(value, list):
            number = np.nan if value is None else float(value)
            table[name] = np.where(table["last"], number, np.nan)
    return table


def _device(row: dict[str, Any]) -> str:
    device = row["provenance"]["device"]
    name = device["name"] or device["architecture"]
    numbers = ("family", "model", "stepping")
    told = [f"{key} {device[key]}" for key in numbers if device[key] is not None]
    return f"{name} ({', '.join(told)})" if told else name
