"""The committed runs of a file, each checked against its checksum."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flatminima.results import devices, edits
from flatminima.results.kept import kept
from flatminima.results.rows import BadResult, config_of
from flatminima.runs.kind import RunConfig
from flatminima.sweeps import store
from flatminima.sweeps.table import COMMITTED, described

FRESH = 100
"""The first seed that no pilot used; those below it decide nothing."""


@dataclass(frozen=True)
class Committed:
    """The runs of one file.

    Attributes:
        rows: one dictionary a run, as in the file, but with its device in place of the
            name.
        tables: their histories, with the columns of `sweep.sweep`, of which `scale`
            says that they are committed, `engine`, and in their last rows the numbers
            that their kind keeps of the final state.
    """

    rows: list[dict[str, Any]]
    tables: list[pd.DataFrame]

    @cached_property
    def configs(self) -> list[RunConfig]:
        """The config of every run; fields that are newer have their defaults."""
        return [config_of(row) for row in self.rows]

    @cached_property
    def fields(self) -> list[dict[str, Any]]:
        """The fields of these."""
        return [config.model_dump(mode="json") for config in self.configs]

    @cached_property
    def by_config(self) -> dict[RunConfig, pd.DataFrame]:
        """The tables by the configs of their runs."""
        return dict(zip(self.configs, self.tables, strict=True))

    @cached_property
    def histories(self) -> dict[RunConfig, dict[str, list]]:
        """The columns of the file by the configs of their runs."""
        rows = zip(self.configs, self.rows, strict=True)
        return {config: row["history"] for config, row in rows}

    @property
    def older(self) -> list[bool]:
        """For every run, whether an engine made it whose runs may be others.

        Neither the present one nor one that became it by edits without effect.
        """
        return [
            not edits.is_same(row["engine"], store.engine_digest(config))
            for row, config in zip(self.rows, self.configs, strict=True)
        ]

    def of(self, config: RunConfig) -> pd.DataFrame:
        """The rows of one setting, all its seeds; empty if there are none."""
        wanted = config.with_seeds(0, 0)
        tables = [
            table
            for made, table in zip(self.configs, self.tables, strict=True)
            if made.with_seeds(0, 0) == wanted
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
        made = {row["engine"] for row in self.rows}
        engines = sorted(engine[:8] for engine in made)
        text = (
            f"Committed runs: {len(self.rows)}, on {'; '.join(devices)}, "
            f"{' to '.join(dict.fromkeys([dates[0], dates[-1]]))}, "
            f"{min(seconds):.0f} to {max(seconds):.0f} s each on one thread, engine "
            f"{', '.join(f'`{engine}`' for engine in engines)}."
        )
        if any(edits.successor(engine) != engine for engine in made):
            text += " Edits of it since change none of these runs."
        if old := sum(self.older):
            text += (
                f' <span class="older-engine">older engine: {old} of '
                f"{len(self.rows)} runs</span>"
            )
        return text


def of_one_scale(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """The rows of one scale: that of most seeds, and of several the largest.

    So a scale that was only begun decides nothing. Scales of a chapter differ in `n`,
    the number of training images. Seeds below `FRESH` do not count, unless there are no
    others.

    Args:
        tables: of runs of one chapter, such as `Committed.tables`.

    Returns:
        Without any tables, one without rows and columns.
    """
    tables = list(tables)
    if not tables:
        return pd.DataFrame()
    rows = pd.concat(tables, ignore_index=True)
    fresh = rows[rows["data_seed"] >= FRESH]
    seeds = (rows if fresh.empty else fresh).groupby("n")["data_seed"].nunique()
    return rows[rows["n"] == max(seeds.index, key=lambda n: (seeds[n], n))]


def load(path: Path) -> Committed:
    """Read committed runs and check each against its checksum.

    Args:
        path: a file of `results/`; one that does not exist has no runs.

    Raises:
        BadResult: naming the file and the line, or the file of a device.
    """
    rows, facts = [], []
    if path.is_file():
        known = devices.read(path)
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            where = f"{path}, line {number}"
            try:
                row = devices.unfolded(json.loads(line), known)
                checksum = row.pop("checksum")
            except BadResult as error:
                raise BadResult(f"{where}: {error}") from error
            except (ValueError, KeyError, AttributeError, TypeError) as error:
                raise BadResult(f"{where}: not readable") from error
            if checksum != store.sha256(store.canonical(row)):
                raise BadResult(f"{where}: not what its checksum says")
            try:
                facts.append(_Facts.of(row))
            except (ImportError, AttributeError, KeyError, TypeError) as error:
                raise BadResult(f"{where}: not a run: {error!r}") from error
            except ValueError as error:
                raise BadResult(f"{where}: {error}") from error
            rows.append(row)
    made = Committed(rows, _tables(facts))
    made.__dict__["configs"] = [each.config for each in facts]
    return made


def committed(chapter: str) -> Committed:
    """The committed runs of a chapter; none if it has no file.

    Raises:
        BadResult: if the file is damaged.
        FileNotFoundError: if the installed package has lost all files.
    """
    return load(kept("results") / f"{chapter}.jsonl")


@dataclass(frozen=True)
class _Facts:
    """What a run's rows of a table say.

    Attributes:
        config: of the run.
        facts: what all of them say, by name.
        history: a column each, by name.
        marks: what they say after these: a column each, or the same in all of them.
    """

    config: RunConfig
    facts: dict[str, Any]
    history: dict[str, np.ndarray]
    marks: dict[str, Any]

    @classmethod
    def of(cls, row: dict[str, Any]) -> "_Facts":
        """Of a row of the file, with the columns of `table.tidy` in their order."""
        config = config_of(row)
        history = {k: np.array(v, dtype=float) for k, v in row["history"].items()}
        history["step"] = history["step"].astype(int)
        if len({len(column) for column in history.values()}) != 1:
            raise ValueError("the columns of its history are not of one length")
        facts = described(config)
        facts["scale"] += COMMITTED
        last = np.arange(len(history["step"])) == len(history["step"]) - 1
        diverged = row["diverged_at"] is not None
        marks = {"last": last, "diverged": diverged, "engine": row["engine"]}
        for name, value in row["summary"].items():
            if not isinstance(value, list):
                number = np.nan if value is None else float(value)
                marks[name] = np.where(last, number, np.nan)
        return cls(config, facts, history, marks)

    @property
    def columns(self) -> dict[str, Any]:
        """All of them, in order; in a table a later one takes an earlier's place."""
        return self.facts | self.history | self.marks

    @property
    def form(self) -> list[tuple[str, type]]:
        """Names and types: runs of one form can share a table."""
        return [(name, type(value)) for name, value in self.columns.items()]


def _tables(facts: Sequence[_Facts]) -> list[pd.DataFrame]:
    """A table a run. Those that follow each other in one form are made as one."""
    tables = []
    for _, group in groupby(facts, key=lambda each: each.form):
        parts = list(group)
        lengths = [len(part.history["step"]) for part in parts]
        together: dict[str, Any] = {}
        every = [part.columns for part in parts]
        for name, value in every[0].items():
            values = [columns[name] for columns in every]
            if isinstance(value, np.ndarray):
                together[name] = np.concatenate(values)
            else:
                one_each = pd.Series(values)
                together[name] = one_each.repeat(lengths).reset_index(drop=True)
        table = pd.DataFrame(together)
        ends = np.cumsum(lengths)
        tables += [
            table.iloc[end - length : end].reset_index(drop=True)
            for end, length in zip(ends, lengths, strict=True)
        ]
    return tables


def _device(row: dict[str, Any]) -> str:
    device = row["provenance"]["device"]
    name = device["name"] or device["architecture"]
    numbers = ("family", "model", "stepping")
    told = [f"{key} {device[key]}" for key in numbers if device[key] is not None]
    processor = f"{name} ({', '.join(told)})" if told else name
    gpu = row["provenance"].get("gpu")
    return f"{gpu} beside {processor}" if gpu else processor
