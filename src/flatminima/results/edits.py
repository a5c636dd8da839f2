"""Edits of the engine that change no committed run.

A run names the engine that made it by a digest of its source. After any edit of that
source the digest is another, and the run counts as one of an older engine. Where an
edit cannot change a run, as a clearer error or a case that no run has, `edits.yml`
says so, and the run counts as one of the present engine. The run still names the engine
that made it. Whoever says so has it checked: `make verify-results` computes a sample
again and compares every bit.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from flatminima.results.rows import engine_now

FILE = Path(__file__).with_name("edits.yml")

_ENGINES = """
import json, sys
from flatminima.results.rows import engine_now
print(json.dumps([engine_now(row) for row in json.load(sys.stdin)]))
"""


@cache
def _successors(file: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for edit in yaml.safe_load(file.read_text("utf8")) or []:
        found |= edit["engines"]
    return found


def successor(engine: str) -> str:
    """The engine that one became by edits without effect on its runs.

    Args:
        engine: its digest.

    Raises:
        ValueError: if the edits lead back to where they began.
    """
    after, seen = _successors(FILE), [engine]
    while seen[-1] in after:
        seen.append(after[seen[-1]])
        if seen[-1] in seen[:-1]:
            raise ValueError(f"{FILE}: from {engine} the edits lead back to {seen[-1]}")
    return seen[-1]


def is_present(row: dict[str, Any]) -> bool:
    """Whether the present engine made a run, or one that has the same runs."""
    return is_same(row["engine"], engine_now(row))


def is_same(engine: str, now: str) -> bool:
    """Whether an engine is the present one, or became it by edits without effect.

    Args:
        engine: its digest.
        now: that of the present one.
    """
    return engine == now or successor(engine) == now


def declare(what: str, rows: Sequence[dict[str, Any]], since: str = "HEAD") -> int:
    """Say that the edits since a commit change none of the committed runs.

    Args:
        what: was edited, and why no run can differ.
        rows: the committed runs. Those that an older engine had made then are left out.
        since: the commit, of the checkout that this engine lies in.

    Returns:
        How many runs have an engine that was edited.

    Raises:
        ValueError: if the commit has no engine, or one that cannot read the runs, or if
            the edits take back what was said before.
    """
    before = _engines_at(since, rows)
    pairs = {}
    count = 0
    for row, then in zip(rows, before, strict=True):
        now = engine_now(row)
        if successor(row["engine"]) == then != now:
            pairs[then] = now
            count += 1
    for then, now in pairs.items():
        if successor(now) == then:
            raise ValueError(
                f"the engine {now[:8]} was edited into {then[:8]} before: take what "
                f"{FILE.name} says of that edit out of it, and say nothing new"
            )
    if pairs:
        edit = {"date": str(date.today()), "edit": what, "engines": pairs}
        text = yaml.safe_dump([edit], sort_keys=False, allow_unicode=True, width=88)
        with FILE.open("a", encoding="utf8") as file:
            file.write(text)
        _successors.cache_clear()
    return count


def _engines_at(commit: str, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Digests of the engine of a commit for some runs."""
    asked = json.dumps(
        [{key: row[key] for key in ("module", "config")} for row in rows]
    )
    root = FILE.parents[3]
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(
            ["git", "archive", commit, "src"],
            cwd=root,
            capture_output=True,
            check=False,
        )
        if archive.returncode:
            raise ValueError(f"since = {commit}: {archive.stderr.decode().strip()}")
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(folder, filter="data")
        found = subprocess.run(
            [sys.executable, "-c", _ENGINES],
            env=os.environ | {"PYTHONPATH": str(Path(folder, "src"))},
            cwd=folder,
            input=asked,
            capture_output=True,
            text=True,
            check=False,
        )
    if found.returncode:
        raise ValueError(f"since = {commit}: {found.stderr.strip().splitlines()[-1]}")
    return json.loads(found.stdout)
