"""Runs of a build that are committed: all of them decide, and a few run again.

A chapter whose own runs take minutes commits them, as they are, in a file of results
named after it. A build then reads all of them and computes those of a few seeds. With
other parameters, of which nothing is committed, it computes everything.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from flatminima.checks import at_least
from flatminima.paths import record_file
from flatminima.results import edits
from flatminima.results.reading import Committed, committed
from flatminima.results.rows import difference, kept_history
from flatminima.runs.kind import RunConfig
from flatminima.sweeps import store
from flatminima.sweeps.sweep import run_all, sweep
from flatminima.sweeps.table import Seeds, over_seeds, seed_pairs

ENDING = "-quick"
"""How the names of such files end, after the chapter's."""

AGAIN = 2
"""Seeds of every setting that a build computes."""


@dataclass(frozen=True)
class Evidence:
    """The runs of some settings, and how this build came by them.

    Attributes:
        table: the rows of all, as of `sweep.sweep`.
        kept: how many of them are committed; all or none.
        again: how many of these this build has computed.
        same: how many of these ended in the same bits.
        apart: the largest relative difference of the others.
        older: how many of those kept were made by another engine than the present one.
    """

    table: pd.DataFrame
    kept: int = 0
    again: int = 0
    same: int = 0
    apart: float = 0.0
    older: int = 0

    def _repr_markdown_(self) -> str:
        return self.origin()

    def origin(self) -> str:
        """Where the runs come from, in a sentence or two of Markdown."""
        if not self.kept:
            return "This build computed all of these runs."
        text = (
            f"These {self.kept} runs are committed. This build computed {self.again} "
            f"of them again, and {self.same} ended in the same bits."
        )
        if others := self.again - self.same:
            text += (
                f" The other {others} did not, as may be on another "
                f"processor: no number that they record is off by more than "
                f"{100 * self.apart:.3g} %. Verdicts are about means over seeds."
            )
        if self.older:
            text += (
                f' <span class="older-engine">older engine: {self.older} of '
                f"{self.kept} runs</span>"
            )
        return text


def quick(chapter: str) -> Committed:
    """The committed runs of a chapter's own parameters; none if it has no file.

    Raises:
        BadResult: if the file is damaged.
    """
    return committed(f"{chapter}{ENDING}")


def gather(
    own: Committed,
    configs: Iterable[RunConfig],
    seeds: Seeds,
    *,
    again: int = AGAIN,
) -> Evidence:
    """The runs of every config under every seed: committed ones where all are.

    While runs are noted to be committed, none is taken as such: all are computed, and
    noted in a file beside that of $FLATMINIMA_RECORD whose name ends in `ENDING`.

    Args:
        own: of the chapter, from `quick`.
        configs: one for each setting.
        seeds: as in `sweep.sweep`.
        again: of how many seeds, the first ones, the runs are computed all the same.

    Raises:
        ValueError: if `again` is below 1; and as `sweep.sweep`.
    """
    at_least("again", again, 1)
    configs = list(configs)
    cells = over_seeds(configs, seeds)
    tables = own.by_config
    if record := record_file():
        note = record.with_name(f"{record.stem}{ENDING}{record.suffix}")
        return Evidence(sweep(configs, seeds, commit=note))
    if not all(cell in tables for cell in cells):
        return Evidence(sweep(configs, seeds))
    live = over_seeds(configs, seed_pairs(seeds)[:again])
    histories = own.histories
    apart = [
        difference(histories[cell], kept_history(run.history))
        for cell, run in zip(live, run_all(live), strict=True)
    ]
    return Evidence(
        pd.concat([tables[cell] for cell in cells], ignore_index=True),
        kept=len(cells),
        again=len(live),
        same=apart.count(0.0),
        apart=max(apart),
        older=sum(
            not edits.is_same(tables[cell]["engine"].iloc[0], store.engine_digest(cell))
            for cell in cells
        ),
    )
