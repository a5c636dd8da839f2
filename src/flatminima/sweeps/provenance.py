"""Where a number comes from: the machine, the time and the cost of a run."""

import os
import platform
import sys
from datetime import UTC, datetime
from functools import cache
from typing import Any

import cpuinfo

from flatminima.sweeps.settings import settings


@cache
def processor() -> dict[str, Any]:
    """The processor that this process computes on.

    Two runs of one config can be expected to agree to the last bit where these
    and the library versions agree: linear algebra and compiled kernels choose
    their instructions by family, model and features.

    Returns:
        kind ("cpu"), name, architecture, family, model, stepping and features
        (the instruction sets, one string). Values that the platform does not tell
        are None. Takes about a second, once in a process.
    """
    found = cpuinfo.get_cpu_info()
    return {
        "kind": "cpu",
        "name": found.get("brand_raw"),
        "architecture": platform.machine(),
        "family": found.get("family"),
        "model": found.get("model"),
        "stepping": found.get("stepping"),
        "features": " ".join(sorted(found.get("flags", ()))),
    }


def provenance(seconds: float, threads: int) -> dict[str, Any]:
    """What is kept beside a result.

    Args:
        seconds: processor time of the run, all interrupted parts together.
        threads: threads that one run used.

    Returns:
        seconds, threads, date (UTC), device (see `processor`, with the `settings` of
        this process if it has any), system, python and process; gpu, if this process
        has used one.
    """
    chosen = {"settings": found} if (found := settings()) else {}
    gpu = {"gpu": name} if (name := _gpu()) else {}
    return {
        "seconds": seconds,
        "threads": threads,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": processor() | chosen,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "process": os.getpid(),
        **gpu,
    }


def _gpu() -> str:
    """Name of the GPU that this process has used; empty if it has used none."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return ""
    return torch.cuda.get_device_name()
