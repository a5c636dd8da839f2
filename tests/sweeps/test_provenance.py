"""Provenance: what is kept beside a number."""

import json
import os
import platform
from datetime import UTC, datetime, timedelta

import cpuinfo
import pytest

from flatminima.sweeps.provenance import processor, provenance


@pytest.fixture
def told(monkeypatch):
    """What the platform tells, for a test to set; the cache is emptied around it."""
    found = {}
    processor.cache_clear()
    monkeypatch.setattr(cpuinfo, "get_cpu_info", lambda: found)
    yield found
    processor.cache_clear()


def test_the_processor_is_named_with_what_decides_its_instructions(told):
    told.update(brand_raw="A Chip", family=6, model=85, stepping=7)
    told["flags"] = ["sse2", "avx2", "fma"]
    assert processor() == {
        "kind": "cpu",
        "name": "A Chip",
        "architecture": platform.machine(),
        "family": 6,
        "model": 85,
        "stepping": 7,
        "features": "avx2 fma sse2",
    }


def test_what_the_platform_does_not_tell_is_none(told):
    device = processor()
    assert device["family"] is device["model"] is device["name"] is None
    assert device["features"] == ""


def test_the_processor_is_asked_once(told, monkeypatch):
    calls = []
    monkeypatch.setattr(cpuinfo, "get_cpu_info", lambda: calls.append(1) or {})
    assert processor() is processor()
    assert len(calls) == 1


def test_this_machine_tells_its_architecture_and_json_can_hold_it():
    processor.cache_clear()
    kept = provenance(1.5, threads=1)
    assert json.loads(json.dumps(kept, allow_nan=False)) == kept
    assert kept["device"]["architecture"] == platform.machine()


def test_time_and_cost_are_kept(told):
    before = datetime.now(UTC).replace(microsecond=0)
    kept = provenance(1.5, threads=3)
    date = datetime.fromisoformat(kept["date"])
    assert date.utcoffset() == timedelta(0)
    assert before <= date <= datetime.now(UTC)
    assert (kept["seconds"], kept["threads"]) == (1.5, 3)
    assert kept["python"] == platform.python_version()
    assert kept["process"] == os.getpid()
    assert set(kept) == {
        *("seconds", "threads", "date", "device", "system", "python", "process")
    }
