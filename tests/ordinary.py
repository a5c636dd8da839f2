"""Permissions that bind: root may read and write everywhere, so it runs as less."""

import os

POWERS = ("dac_override", "dac_read_search", "fowner")


def bound() -> list[str]:
    """What to put before a command so that permissions bind it, whoever runs it."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--bounding-set={','.join(f'-{power}' for power in POWERS)}"]
