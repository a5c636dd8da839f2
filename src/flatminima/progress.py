"""How far a sweep is: a bar on a terminal, one line a minute in a log."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 60.0


class Progress:
    """Counts finished runs, fractions of long ones included.

    Where standard error is a terminal or a live notebook this is a bar, redrawn
    in place. Elsewhere it is silent, but for one line a minute: short sweeps
    write nothing to a log. The environment variable TQDM_DISABLE silences both.

    Args:
        total: number of runs.
        log_every: seconds between two lines of a log.
    """

    def __init__(self, total: int, log_every: float = SECONDS_BETWEEN_LINES):
        bar = sys.stderr.isatty() or "ipykernel" in sys.modules
        self._bar = tqdm(
            total=total,
            desc="runs",
            unit="run",
            # a log takes whole lines: tqdm's own rewriting would fill it
            bar_format=None
            if bar
            else "{desc}: {n:.1f} of {total}, {rate_fmt}, {remaining} left\n",
            mininterval=0.5 if bar else log_every,
            delay=0.0 if bar else log_every,
            miniters=0,
            leave=bar,
        )

    def advance(self, runs: float) -> None:
        """Add finished runs, a fraction for a part of one."""
        self._bar.update(runs)

    def close(self) -> None:
        """End the bar."""
        self._bar.close()


@contextmanager
def progress(total: int) -> Iterator[Progress]:
    """A `Progress` that is closed in the end."""
    shown = Progress(total)
    try:
        yield shown
    finally:
        shown.close()
