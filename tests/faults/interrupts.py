"""Ctrl-C, and what must follow."""

import os
import signal

from tests.faults.cells import PATIENCE


def interrupt(process) -> str:
    """Press Ctrl-C, which reaches the whole group; what it says as it ends."""
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == -signal.SIGINT
    assert "Run the same again to go on." in said
    assert said.rstrip().endswith("KeyboardInterrupt"), said
    assert said.count("Traceback") == 1  # the workers keep quiet
    return said
