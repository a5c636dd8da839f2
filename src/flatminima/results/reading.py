"""The committed runs of a file, each checked against its checksum."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flatminima.measures import alignment
from flatminima.paths import results_folder
from flatminima.results.rows import BadResult, config_of, engine_now, setting
from flatminima.runs.kind import Run
from flatminima.runs.mlp.config import Config
from flatminima.sweeps import store
from flatminima.sweeps.table import tidy


@dataclass(frozen=True)
class Committed:
    """The runs of one file.

    Attributes:
        rows: one dictionary a run, as in the file.
        tables: their histories, with the columns of `sweep.sweep`, `engine`, and in
            their last rows those of `alignment.summary`.
    """

    rows: list[dict[str, Any]]
    tables: list[pd.DataFrame]

    @property
    def older(self) -> list[bool]:
        """For every run, whether another engine than the present one made it."""
        return [row["engine"] != engine_now(row) for row in self.rows]

    def of(self, config: Config) -> pd.DataFrame:
        """The rows of one setting, all its seeds; empty if there are none."""
        wanted = setting({"config": config.model_dump(mode="json")})
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
    """The committed runs of a chapter; none for an installed package.

    Raises:
        BadResult: if the file is damaged.
    """
    folder = results_folder()
    return load(folder / f"{chapter}.jsonl") if folder else Committed([], [])


def _table(row: dict[str, Any]) -> pd.DataFrame:
    history = pd.DataFrame(row["history"]).astype(float)
    history["step"] = history["step"].astype(int)
    run = Run(history, (), 0, diverged_at=row["diverged_at"])
    table = tidy(config_of(row), run).assign(engine=row["engine"])
    for name in alignment.SUMMARY:
        value = np.array(row["weights"][name], dtype=float)  # None becomes NaN
        table[name] = np.where(table["last"], value, np.nan)
    return table


def _device(row: dict[str, Any]) -> str:
    device = row["provenance"]["device"]
    name = device["name"] or device["architecture"]
    numbers = ("family", "model", "stepping")
    told = [f"{key} {device[key]}" for key in numbers if device[key] is not None]
    return f"{name} ({', '.join(told)})" if told else name
