"""How far a sweep is: a bar on a terminal, one line a minute in a log."""

import io
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tqdm import tqdm

from flatminima.runs.kind import Run, RunConfig, engine_of

PROGRESS_VARIABLE = "FLATMINIMA_PROGRESS"
SECONDS_BETWEEN_LINES = 60.0
SECONDS_BETWEEN_NOTES = 5.0

LINE = "{desc}, {elapsed} gone, {remaining} left"
BAR = "{desc} {bar} {remaining} left"


class Progress:
    """Counts finished runs, fractions of long ones included.

    Where standard error is a terminal or a live notebook this is a bar, redrawn
    in place. Elsewhere it is silent, but for one line a minute: short sweeps
    write nothing to a log. With $FLATMINIMA_PROGRESS, the last line stands in that
    file instead, for whoever started this process to read.

    The time left is that of the work left at the mean rate since the start. The
    latest rate alone would swing, since runs come back several at a time.

    Args:
        total: number of runs.
        done: how much of them was done before.
        work: what all runs take, in any unit; by default, runs are equal.
        work_done: how much of that was done before.
    """

    def __init__(
        self,
        total: int,
        done: float = 0.0,
        work: float | None = None,
        work_done: float | None = None,
    ):
        note = os.environ.get(PROGRESS_VARIABLE)
        self._note = Path(note) if note else None
        live = sys.stderr.isatty() or "ipykernel" in sys.modules
        self._lines = self._note is not None or not live
        self._last = time.monotonic()
        self._total, self._done = total, done
        self._work = float(total) if work is None else work
        # an explicit False outweighs TQDM_DISABLE, which is meant for bars
        shown: dict[str, Any] = {"disable": False} if self._note else {}
        self._bar = tqdm(
            **shown,
            total=self._work,
            initial=done if work_done is None else work_done,
            desc=self._count(),
            bar_format=LINE if self._lines else BAR,
            smoothing=0,
            file=io.StringIO() if self._lines else None,
        )

    def _count(self) -> str:
        return f"{self._done:.1f} of {self._total} runs"

    def advance(self, runs: float, work: float | None = None) -> None:
        """Add finished runs, a fraction for a part of one, and the work in them."""
        self._done += runs
        self._bar.set_description_str(self._count(), refresh=False)
        # shares of runs add up to the whole but for rounding, and tqdm warns of a bar
        # that is past its end
        done = self._bar.n + (runs if work is None else work)
        self._bar.n = min(done, self._work)
        self._bar.update(0)
        every = SECONDS_BETWEEN_NOTES if self._note else SECONDS_BETWEEN_LINES
        if self._lines and time.monotonic() - self._last >= every:
            self._last = time.monotonic()
            if self._note is not None:
                _replace(self._note, str(self._bar))
            elif not self._bar.disable:
                # a log that is closed or full must not stop a sweep
                with suppress(OSError, ValueError):
                    print(self._bar, file=sys.stderr, flush=True)

    def close(self) -> None:
        """End the bar."""
        self._bar.close()


def _replace(path: Path, text: str) -> None:
    """Write a note whole; one that cannot be written must not stop a sweep."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        draft.write_text(text, "utf8")
        draft.replace(path)


@contextmanager
def progress(*arguments: Any, **keywords: Any) -> Iterator[Progress]:
    """A `Progress` that is closed in the end; arguments as there."""
    shown = Progress(*arguments, **keywords)
    try:
        yield shown
    finally:
        shown.close()


def share_done(config: RunConfig, run: Run) -> float:
    """How much of a run is done."""
    return 1.0 if run.finished else run.step / config.num_steps


def calls(configs: Iterable[RunConfig]) -> dict[RunConfig, int]:
    """Calls of their kernel that runs take: much the same time each.

    With every seed a run takes as many. Where an engine does not say, runs count as
    equal.
    """
    settings: dict[RunConfig, int] = {}
    calls = {}
    for config in configs:
        setting = config.with_seeds(0, 0)
        if setting not in settings:
            longest = getattr(engine_of(config), "steps_per_call", None)
            steps = longest(setting) if longest else config.num_steps
            settings[setting] = -(-config.num_steps // steps)
        calls[config] = settings[setting]
    return calls
