"""Ctrl-C, and what must follow."""

import os
import signal
import time
from pathlib import Path

SECONDS = 2.0


def seconds_without_a_processor(process) -> float:
    """How long a process has been ready and others had the processors.

    0 where the system does not tell (it does on Linux).
    """
    try:
        return int(Path(f"/proc/{process.pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def interrupt(process) -> str:
    """Press Ctrl-C, which reaches the whole group; what it says as it ends.

    The seconds for which a busy machine lets the program wait do not count.
    """
    start = time.monotonic()
    before = waited = seconds_without_a_processor(process)
    os.killpg(process.pid, signal.SIGINT)
    while process.poll() is None and time.monotonic() < start + 30:
        waited = max(waited, seconds_without_a_processor(process))
        time.sleep(0.005)
    seconds = time.monotonic() - start - (waited - before)
    assert process.returncode == -signal.SIGINT
    assert seconds < SECONDS, seconds
    said = process.communicate(timeout=10)[1]
    assert "Run the same again to go on." in said
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert said.count("Traceback") == 1  # the workers keep quiet
    return said
