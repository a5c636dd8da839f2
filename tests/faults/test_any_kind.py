"""A kind of run that the engine has never seen goes through all of it, unedited."""

import json
import signal

import numpy as np
import pytest

from flatminima.claims import decide, making, register, report
from flatminima.results import collect, devices, load
from flatminima.results.__main__ import main
from flatminima.runs import loop
from flatminima.statistics.thresholds import thresholds
from flatminima.sweeps import store as sweeps_store
from flatminima.sweeps.sweep import run_all, sweep
from tests.faults.cells import (
    PATIENCE,
    assert_same,
    finished,
    parts,
    seeds,
    sweeping,
    unbroken,
    wait_until,
)
from tests.runs import oscillator

SHORT = oscillator.Config()
LONG = oscillator.Config(num_steps=60_000)
CELLS = [*seeds(SHORT, 2), *seeds(LONG, 2)]


def test_it_is_killed_and_goes_on(store, started, slowed):
    with sweeping(CELLS, seconds_per_call=0.1, workers=2) as process:
        wait_until(lambda: len(finished(store)) == 2 and parts(store), "a snapshot")
        process.kill()
        assert process.wait(PATIENCE) == -signal.SIGKILL
    begun = {
        config: part[0].step
        for config in CELLS
        if (part := sweeps_store.load_part(store, config)) is not None
    }
    runs = run_all(CELLS, workers=2)
    assert {c: steps[0] for c, steps in started.items()} == {
        config: begun.get(config, 0) for config in seeds(LONG, 2)
    }
    assert_same(runs, [unbroken(config) for config in CELLS])
    assert parts(store) == set()


def test_it_runs_on_a_cluster_and_in_processes(store, tmp_path, cluster):
    there = run_all(CELLS[:2], scheduler=cluster, folder=tmp_path / "dask")
    here = run_all(CELLS[:2], workers=1, processes=True, folder=tmp_path / "loky")
    expected = [unbroken(config) for config in CELLS[:2]]
    assert_same(there, expected)
    assert_same(here, expected)


@pytest.mark.parametrize("place", ["here", "elsewhere"])
def test_it_is_committed_and_verified(tmp_path, capsys, place):
    path = tmp_path / "toy.jsonl"
    collect(seeds(SHORT, 3), path)
    if place == "elsewhere":
        lines, known = [], devices.read(path)
        for line in path.read_text().splitlines():
            row = devices.unfolded(json.loads(line), known)
            del row["checksum"]
            row["provenance"]["device"] |= {"stepping": 99}
            devices.keep([row["provenance"]["device"]], path)
            row["checksum"] = sweeps_store.sha256(sweeps_store.canonical(row))
            lines.append(json.dumps(devices.folded(row)))
        path.write_text("\n".join(lines) + "\n")
    assert main(["verify", str(path)]) == 0
    kind = {"here": "bits", "elsewhere": "tolerance"}[place]
    assert f"3 by {kind}" in capsys.readouterr().out
    table = load(path).of(SHORT)
    ends = table[table["last"]]
    farthest = [np.abs(loop.run(c).arrays["x"]).max() for c in seeds(SHORT, 3)]
    assert ends["farthest"].tolist() == farthest


def test_a_claim_is_decided_by_it(tmp_path, monkeypatch):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy/claims.yml").write_text(
        """
        - id: toy-damping
          source: "000: none"
          origin: ours
          statement: A damped oscillator loses energy.
          rule_fixed: before
          rule: {kind: beats, metric: energy, lower_is_better: true, words: energy}
        - id: toy-small
          source: "000: none"
          origin: ours
          statement: Its amplitude gets small.
          rule_fixed: before
          rule: {kind: share}
        """
    )
    known = thresholds(), register.read_claims(tmp_path)
    for module in (making, report):
        monkeypatch.setattr(module, "load", lambda: known)
    length = {"num_steps": 4000}
    damped = sweep([SHORT.model_copy(update=length | {"damping": 0.2})], 10)
    free = sweep([SHORT.model_copy(update=length | {"damping": 0.0})], 10)
    verdict = decide.beats("toy-damping", damped, free)
    assert (verdict.verdict, verdict.n, verdict.scale) == (
        "holds",
        10,
        "a toy, 4000 steps",
    )
    assert decide.share("toy-small", damped).verdict == "holds"
    few = decide.beats("toy-damping", damped[damped["data_seed"] < 3], free)
    assert (few.verdict, few.n) == ("undecided", 3)
    assert "energy" in repr(report.Report([verdict]))
