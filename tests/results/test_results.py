"""Committed results: what is written is what was computed, and a change is found."""

import json
import math
import re
from collections import defaultdict
from copy import deepcopy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatminima.measures import alignment
from flatminima.results import collecting, devices, verifying
from flatminima.results.__main__ import main
from flatminima.results.collecting import collect
from flatminima.results.reading import Committed, load, of_one_scale
from flatminima.results.rows import (
    BadResult,
    difference,
    kept_history,
    summary,
)
from flatminima.results.verifying import verify
from flatminima.runs import loop
from flatminima.runs.flow.config import FlowConfig
from flatminima.runs.kind import Run
from flatminima.runs.mlp import train
from flatminima.runs.mlp.config import Config
from flatminima.studies.paper_figures import units
from flatminima.sweeps import provenance, sweep
from flatminima.sweeps import store as sweeps_store
from flatminima.sweeps.settings import settings
from flatminima.sweeps.sweep import CellFailed, fetch, run_all
from flatminima.sweeps.table import COMMITTED, over_seeds

SMALL = Config(architecture="bias", d=4, n=5, width=4, num_steps=20, num_checkpoints=3)
WILD = SMALL.model_copy(update={"lr": 0.2, "init_scale": 1e3, "num_steps": 500})
CELLS = over_seeds([SMALL], 3)


@pytest.fixture
def path(tmp_path):
    """Three runs of one setting, committed."""
    collect(CELLS, tmp_path / "small.jsonl")
    return tmp_path / "small.jsonl"


def rows_of(path):
    """The lines as dictionaries, device and checksum included."""
    lines, known = path.read_text().splitlines(), devices.read(path)
    # each with a device of its own, since tests change it
    return [deepcopy(devices.unfolded(json.loads(line), known)) for line in lines]


def forge(path, change, lines=slice(None)):
    """Change rows and make their checksums right again."""
    rows = rows_of(path)
    for row in rows[lines]:
        change(row)
        del row["checksum"]
        row["checksum"] = sweeps_store.sha256(sweeps_store.canonical(row))
    devices.keep((row["provenance"]["device"] for row in rows), path)
    path.write_text("".join(json.dumps(devices.folded(row)) + "\n" for row in rows))


def put(*keys, value):
    """A change for `forge`: sets one entry."""

    def change(row):
        for key in keys[:-1]:
            row = row[key]
        row[keys[-1]] = value

    return change


def numbers(line):
    """Every number of a line with at least four significant digits, as matches."""
    found = re.finditer(r"(?<=[\[:,])-?\d[\d.]*(?:e-?\d+)?(?=[,\]}])", line)
    return [m for m in found if len(re.sub(r"e.*|^[-0.]+|\D", "", m[0])) >= 4]


def alter(line, match):
    """The line with the fourth significant digit of a number changed."""
    seen = 0
    for place in range(match.start(), match.end()):
        seen += line[place].isdigit() and (seen > 0 or line[place] != "0")
        if seen == 4 and line[place].isdigit():
            digit = str((int(line[place]) + 1) % 10)
            return line[:place] + digit + line[place + 1 :]
    raise AssertionError(match[0])


def test_a_round_trip_gives_the_table_of_the_sweep(path):
    table = sweep.sweep([SMALL], 3)
    committed = load(path)
    found = committed.of(SMALL)
    assert found.pop("engine").unique().tolist() == [sweeps_store.engine_digest(SMALL)]
    weights = pd.concat([found.pop(name) for name in alignment.SUMMARY], axis=1)
    expected = units.alignments(SMALL, 3)[list(alignment.SUMMARY)]
    last = weights[found["last"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(last, expected, check_exact=True)
    assert weights[~found["last"]].isna().all(axis=None)
    table["scale"] += COMMITTED
    pd.testing.assert_frame_equal(found, table)
    assert found["retracted_trace"].isna().any()
    assert committed.of(SMALL.model_copy(update={"lr": 0.011})).empty
    assert committed.older == [False] * 3


def test_lines_are_strict_json_and_name_their_origin(path):
    chosen = {"settings": found} if (found := settings()) else {}
    for line in path.read_text().splitlines():
        row = json.loads(line, parse_constant=pytest.fail)
        assert None in row["history"]["lambda_max"]
        name = row["provenance"]["device"]
        device = json.loads((path.parent / f"devices/{name}.json").read_text())
        assert device == provenance.processor() | chosen
        assert row["libraries"].keys() == {"numba", "numpy", "scipy", "torch"}
        assert row["rule"] == "SGD"


def test_a_diverged_run_is_committed_with_what_it_had(tmp_path):
    with pytest.warns(UserWarning, match="diverged"):
        collect([WILD], tmp_path / "wild.jsonl")
    with pytest.warns(UserWarning, match="diverged"):
        expected = sweep.sweep([WILD], 1)
    table = load(tmp_path / "wild.jsonl").of(WILD)
    assert table[list(alignment.SUMMARY)].isna().all(axis=None)
    table = table.drop(columns=["engine", *alignment.SUMMARY])
    expected["scale"] += COMMITTED
    pd.testing.assert_frame_equal(table, expected)
    assert table["diverged"].all()


def test_a_file_that_is_not_there_has_no_runs(tmp_path):
    committed = load(tmp_path / "none.jsonl")
    assert committed.rows == [] and committed.of(SMALL).empty
    assert "No runs" in committed.origin()


def test_no_run_cannot_be_committed(tmp_path):
    with pytest.raises(ValueError, match="nothing to commit"):
        collect([], tmp_path / "none.jsonl")
    assert not (tmp_path / "none.jsonl").exists()


def test_a_digit_of_any_number_is_noticed(path):
    sound = path.read_text()
    line = sound.splitlines()[1]
    found = numbers(line)
    assert len(found) > 15
    for match in found:
        path.write_text(sound.replace(line, alter(line, match)))
        with pytest.raises(BadResult, match="line 2: not what its checksum says"):
            load(path)


def test_verify_ends_with_status_1_at_an_altered_digit(path, capsys):
    line = path.read_text()
    path.write_text(alter(line, numbers(line)[0]))
    assert main(["verify", str(path)]) == 1
    assert "line 1: not what its checksum says" in capsys.readouterr().err


def test_verify_passes_what_is_untouched_and_leaves_no_store(path, store, capsys):
    assert main(["verify", str(path)]) == 0
    said = capsys.readouterr().out
    assert "3 rows; running 3 again" in said
    assert "compared 3 of 3: 3 by bits" in said
    assert f"verified: {path}" in said
    assert not (store / "verify").exists()


def test_a_forger_who_mends_the_checksum_is_caught_by_the_rerun(path, capsys):
    def raise_accuracy(row):
        row["history"]["trace"][-1] *= 1 + 1e-4

    forge(path, raise_accuracy, slice(1, 2))
    load(path)
    assert main(["verify", str(path)]) == 1
    said = capsys.readouterr().err
    assert "differs by 0.0001 on the processor that made it" in said
    assert "data_seed=1" in said
    assert said.count("error:") == 1


def test_a_forged_divergence_is_caught(path):
    forge(path, put("diverged_at", value=19), slice(0, 1))
    (problem,) = verify([path], 0, 0)
    assert "diverged at step None" in problem


def test_forged_weights_are_caught(path):
    forge(path, put("summary", "alignment", value=0.25), slice(0, 1))
    (problem,) = verify([path], 0, 0)
    assert "differs by" in problem


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n", "line 1: not readable"),
        (b"[1]\n", "line 1: not readable"),
        (b"{}\n", "line 1: not readable"),
    ],
)
def test_what_is_no_line_of_results_is_refused(tmp_path, content, message):
    (tmp_path / "bad.jsonl").write_bytes(content)
    with pytest.raises(BadResult, match=message):
        load(tmp_path / "bad.jsonl")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("module", value="os.path"), "not one of this engine"),
        (put("module", value=3), "not one of this engine"),
        (put("module", value="flatminima.paths"), "not one of this engine"),
        (put("module", value="flatminima.runs.no"), "not a run: ModuleNotFoundError"),
        (put("config", "lr", value=-1.0), "lr"),
        (put("config", "zeal", value=1), "zeal"),
        (put("history", value={}), "not a run: KeyError"),
        (put("summary", value=3), "not a run: AttributeError"),
    ],
)
def test_a_row_that_is_no_run_of_this_engine_is_refused(path, change, message):
    forge(path, change, slice(2, 3))
    with pytest.raises(BadResult, match=message) as error:
        load(path)
    assert "line 3" in str(error.value)


def test_collect_refuses_a_foreign_record_and_a_missing_one(tmp_path, capsys):
    record = tmp_path / "record.jsonl"
    assert main(["collect", str(record), str(tmp_path / "a")]) == 1
    record.write_text('{"module": "os", "config": {}}\n')
    assert main(["collect", str(record), str(tmp_path / "a")]) == 1
    assert "module = 'os': not one of this engine" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_collect_commits_the_record_of_a_sweep(tmp_path, monkeypatch, capsys):
    record = tmp_path / "record.jsonl"
    monkeypatch.setenv("FLATMINIMA_RECORD", str(record))
    sweep.sweep([SMALL], 3, commit=True)
    sweep.sweep([SMALL], 1, commit=True)
    sweep.sweep([SMALL], [(7, 7)])  # not to be committed
    monkeypatch.delenv("FLATMINIMA_RECORD")
    assert main(["collect", str(record), str(tmp_path / "results/a.jsonl")]) == 0
    assert "committed 3 runs" in capsys.readouterr().out
    assert len(load(tmp_path / "results/a.jsonl").rows) == 3


def test_a_missing_file_is_not_verified(tmp_path, capsys):
    assert main(["verify", str(tmp_path / "typo.jsonl")]) == 1
    assert "no such file" in capsys.readouterr().err


def test_an_older_engine_is_compared_by_statistics(path, capsys):
    forge(path, put("engine", value="0" * 64))
    assert load(path).older == [True] * 3
    assert verify([path], 0, 0) == []
    assert "3 by statistics" in capsys.readouterr().out


def test_an_engine_that_has_changed_is_older(path, monkeypatch):
    monkeypatch.setattr(sweeps_store, "engine_digest", lambda config: "f" * 64)
    assert load(path).older == [True] * 3
    assert verify([path], 0, 0) == []


def test_statistics_find_runs_that_do_not_belong(tmp_path, capsys):
    """Four committed seeds, all said to be far flatter than they are."""

    def flatter(row):
        row["engine"] = "0" * 64
        row["history"]["trace"][-1] = 1e-3 * (1 + row["config"]["data_seed"])

    collect(over_seeds([SMALL], 4), tmp_path / "a.jsonl")
    forge(tmp_path / "a.jsonl", flatter)
    problems = verify([tmp_path / "a.jsonl"], 0, 0)
    assert len(problems) == 4
    assert all("trace" in problem and "4 seeds" in problem for problem in problems)


def test_a_rerun_that_equals_a_lone_seed_is_no_outlier(path):
    """One seed of twenty that is apart: its own rerun must pass."""
    line = path.read_text().splitlines()[0]
    rows = [json.loads(line) for _ in range(20)]
    for row in rows[1:]:
        row["history"]["trace"][-1] *= 3
    run = fetch(CELLS[0])
    assert verifying._outliers(run, rows)[0] == []
    assert len(verifying._outliers(run, rows[1:])[0]) == 1


def test_a_rerun_that_diverges_as_no_seed_did_is_an_outlier(path):
    rows, run = rows_of(path), fetch(CELLS[0])
    apart = Run(run.history, run.arrays, 20, diverged_at=20)
    assert verifying._outliers(apart, rows) == (["diverged at step 20"], [])


def test_one_seed_of_an_older_engine_says_nothing(tmp_path, capsys):
    collect([SMALL], tmp_path / "one.jsonl")
    forge(tmp_path / "one.jsonl", put("engine", value="0" * 64))
    assert verify([tmp_path / "one.jsonl"], 0, 0) == []
    assert "1 by nothing" in capsys.readouterr().out


def test_another_processor_asks_for_the_tolerance(path, capsys):
    def nearly(row):
        row["provenance"]["device"]["stepping"] = 99
        row["history"]["trace"][-1] *= 1 + row["tolerance"] / 10

    forge(path, nearly)
    assert verify([path], 0, 0) == []
    assert "3 by tolerance" in capsys.readouterr().out

    def too_far(row):
        row["history"]["trace"][-1] *= 1 + 3 * row["tolerance"]

    forge(path, too_far, slice(0, 1))
    (problem,) = verify([path], 0, 0)
    assert "allowed are" in problem


def test_other_library_versions_ask_for_the_tolerance(path, capsys):
    forge(path, put("libraries", "numpy", value="0.1"))
    assert verify([path], 0, 0) == []
    assert "3 by tolerance" in capsys.readouterr().out


# --- on another processor --------------------------------------------------------


@pytest.fixture
def elsewhere(monkeypatch):
    """Reruns say that they were made on another processor than the one here."""
    here = provenance.processor()
    other = here | {"architecture": "abacus", "family": None, "name": "Abacus 3"}
    monkeypatch.setattr(provenance, "processor", lambda: other)


CUBE = SMALL.model_copy(update={"d": 2, "n": 4})
"""Nothing is left to test on, so a run has no test accuracy."""

KINDS = {"tolerance": 1e-9, "statistics": None}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("config", [SMALL, CUBE, WILD], ids=["small", "cube", "wild"])
@pytest.mark.filterwarnings("ignore:diverged after")
def test_every_row_counts_as_made_elsewhere(tmp_path, elsewhere, kind, config, capsys):
    """A rerun agrees, also of runs that diverged and of metrics that nobody has."""
    path = tmp_path / "a.jsonl"
    collect(over_seeds([config], 3), path)
    forge(path, put("provenance", "device", "name", value="Slide rule"))
    forge(path, put("tolerance", value=KINDS[kind]))
    assert main(["verify", str(path)]) == 0
    said = capsys.readouterr().out
    assert f"compared 3 of 3: 0 by bits, {3 * (kind == 'tolerance')} by tol" in said
    if kind == "statistics" and config is not WILD:
        assert "not compared in 3: test_r2: neither has one" in said
    if kind == "statistics" and config is WILD:
        assert "not compared in 3: the end of a run that diverged" in said
    lacking = "test_accuracy: neither has one" in said
    assert lacking == (kind == "statistics" and config is CUBE)


def test_one_row_made_elsewhere_is_compared_with_nothing(tmp_path, elsewhere, capsys):
    collect([SMALL], tmp_path / "a.jsonl")
    forge(tmp_path / "a.jsonl", put("tolerance", value=None))
    forge(tmp_path / "a.jsonl", put("provenance", "device", "name", value="another"))
    assert main(["verify", str(tmp_path / "a.jsonl")]) == 0
    assert "1 by nothing" in capsys.readouterr().out


@pytest.mark.parametrize("path", sorted(Path("results").glob("*.jsonl")), ids=str)
def test_committed_runs_made_elsewhere_are_compared_without_an_error(path):
    """Every row of results/ as if its rerun gave the same, on another processor."""
    committed = load(path)
    assert committed.rows
    peers = defaultdict(list)
    settings = [config.with_seeds(0, 0) for config in committed.configs]
    for its, row in zip(settings, committed.rows, strict=True):
        peers[its].append(row)
    for its, row, table in zip(settings, committed.rows, committed.tables, strict=True):
        run = Run(table[list(row["history"])], (), 0, diverged_at=row["diverged_at"])
        device = row["provenance"]["device"] | {"stepping": 99}
        seen = verifying.compare(row, run, device, peers[its])
        alone = len(peers[its]) == 1  # of a setting with a seed to choose it by
        assert seen.kind in ("tolerance", "nothing" if alone else "statistics")
        assert not seen.problem


def last(metric, *values):
    """Runs whose last value of a metric is given, as committed rows."""
    rest = {name: [1.0] for name in verifying.FLOORS}
    return [{"history": rest | {metric: [x]}, "diverged_at": None} for x in values]


def rerun(metric, value):
    history = pd.DataFrame(
        {name: [1.0] for name in verifying.FLOORS} | {metric: [value]}
    )
    return Run(history, (), 1)


@pytest.mark.parametrize(
    ("value", "committed", "found", "left_out"),
    [
        (1.0, [1.0, 1.0, None], [], []),
        (
            1.0,
            [1.0, None, None],
            [],
            ["trace: 1 of the committed seeds has one, needed"],
        ),
        (
            1.0,
            [None, None],
            [],
            ["trace: 0 of the committed seeds has one, needed are"],
        ),
        (np.nan, [None, None], [], ["trace: neither has one"]),
        (np.nan, [1.0, None], [], ["trace: the rerun has none"]),
        (np.nan, [1.0, 1.0], ["has no trace, which all 2 seeds have"], []),
        (9.0, [1.0, 1.0, None], ["trace 9 is outside 0.98 to 1.02, from 2 seeds"], []),
    ],
)
def test_what_both_have_is_compared(value, committed, found, left_out):
    seen = verifying._outliers(rerun("trace", value), last("trace", *committed))
    assert seen[0] == found
    assert len(seen[1]) == len(left_out)
    assert all(a.startswith(b) for a, b in zip(seen[1], left_out, strict=True))


def test_a_column_that_only_one_side_has_is_left_out():
    """As where an older engine measured less."""
    run = rerun("trace", 1.0)
    rows = last("trace", 1.0, 1.0)
    for row in rows:
        del row["history"]["test_r2"]
    few = Run(run.history.drop(columns="train_loss"), (), 1)
    assert verifying._outliers(few, rows) == (
        ["has no train_loss, which all 2 seeds have"],
        ["test_r2: 0 of the committed seeds has one, needed are 2"],
    )


def test_histories_without_a_row_are_left_out():
    empty = Run(rerun("trace", 1.0).history.iloc[:0], (), 0)
    rows = [{"history": {"trace": []}, "diverged_at": None} for _ in range(2)]
    found, left_out = verifying._outliers(empty, rows)
    assert found == [] and len(left_out) == len(verifying.FLOORS)


def test_seeds_that_diverged_do_not_widen_the_range():
    rows = last("trace", 1.0, 1.0, 1.0, 1e9)
    rows[-1]["diverged_at"] = 7
    (problem,) = verifying._outliers(rerun("trace", 9.0), rows)[0]
    assert "from 3 seeds" in problem


@pytest.mark.parametrize("kind", KINDS)
def test_a_rerun_elsewhere_that_ends_another_way_is_a_problem(path, elsewhere, kind):
    forge(path, put("provenance", "device", "name", value="Slide rule"))
    forge(path, put("tolerance", value=KINDS[kind]))
    forge(path, put("diverged_at", value=19))
    problems = verify([path], 0, 0)
    assert len(problems) == 3
    assert all("did not diverge" in problem for problem in problems)


def test_runs_that_diverge_a_checkpoint_apart_agree_elsewhere(path):
    """Up to there: where a run meets NaN is a matter of rounding."""
    row = rows_of(path)[0] | {"diverged_at": 20}
    run = fetch(CELLS[0])
    cut = Run(run.history.iloc[:-1], run.params, 15, diverged_at=15)
    device = row["provenance"]["device"] | {"stepping": 99}
    seen = verifying.compare(row, cut, device, [row])
    assert seen == verifying.Comparison("tolerance")
    far = Run(2 * run.history.iloc[:-1], run.params, 15, diverged_at=15)
    assert "differs by 0.5" in verifying.compare(row, far, device, [row]).problem


# --- what was computed is kept ---------------------------------------------------


def test_a_comparison_that_fails_loses_no_other(path, store, monkeypatch, capsys):
    compare = verifying.compare

    def fails_once(row, *rest):
        if row["config"]["data_seed"] == 1:
            raise TypeError("a path that nobody tried")
        return compare(row, *rest)

    monkeypatch.setattr(verifying, "compare", fails_once)
    assert main(["verify", str(path)]) == 1
    said = capsys.readouterr()
    assert "compared 3 of 3: 2 by bits" in said.out and "1 by failed" in said.out
    assert "raised TypeError('a path that nobody tried')" in said.err
    assert "data_seed=1" in said.err and said.err.count("error:") == 1
    assert f"the reruns are kept in {store / 'verify'}" in said.err
    assert len(list((store / "verify").glob("*.json"))) == 3


def test_reruns_are_kept_where_there_is_a_problem(path, store, monkeypatch):
    forge(path, put("history", "trace", value=[1.0, 1.0]), slice(0, 1))
    assert len(verify([path], 0, 0)) == 1
    assert len(list((store / "verify").glob("*.json"))) == 3
    computed = []
    proceed = loop.proceed
    monkeypatch.setattr(loop, "proceed", lambda *a: computed.append(a) or proceed(*a))
    assert len(verify([path], 0, 0)) == 1
    assert computed == []


def test_a_rerun_that_fails_says_how_it_stands(path, store, monkeypatch, capsys):
    def fails(configs, folder):
        run_all(configs[:2], folder=folder)
        raise CellFailed("out of memory")

    monkeypatch.setattr(verifying, "run_all", fails)
    assert main(["verify", str(path)]) == 1
    said = capsys.readouterr()
    assert "compared 2 of 3: 2 by bits" in said.out
    assert "stopped with 0 problems so far" in said.err
    assert "error: out of memory" in said.err
    assert len(list((store / "verify").glob("*.json"))) == 2


def test_a_rerun_that_cannot_be_read_is_a_problem(path, monkeypatch):
    monkeypatch.setattr(verifying, "run_all", lambda configs, folder: None)
    problems = verify([path], 0, 0)
    assert len(problems) == 3
    assert all("the rerun cannot be read" in problem for problem in problems)


# --- flows -----------------------------------------------------------------------


FLOW = FlowConfig(start=SMALL, kind="naive", max_iterations=3)
WILD_FLOW = FlowConfig(start=WILD, kind="naive", max_iterations=3)


@pytest.mark.parametrize("place", ["here", "elsewhere"])
@pytest.mark.parametrize("config", [FLOW, WILD_FLOW], ids=["flow", "wild"])
@pytest.mark.filterwarnings("ignore:diverged after")
def test_flows_are_committed_and_verified(tmp_path, config, place, capsys):
    """One that diverged keeps no parameters, so there is nothing to say of units."""
    path = tmp_path / "flows.jsonl"
    collect(over_seeds([config], 2), path)
    if place == "elsewhere":
        forge(path, put("provenance", "device", "stepping", value=99))
    assert main(["verify", str(path)]) == 0
    counted = {"here": "2 by bits", "elsewhere": "2 by statistics"}[place]
    assert counted in capsys.readouterr().out
    table = load(path).of(config)
    assert table[table["last"]]["diverged"].all() == (config is WILD_FLOW)


def test_a_run_without_arrays_keeps_nothing_of_them():
    assert summary(SMALL, Run(pd.DataFrame(), {}, 0, diverged_at=0)) == {}


def test_a_kind_of_run_keeps_what_it_says():
    run = fetch(SMALL)
    kept = summary(SMALL, run)
    w = run.arrays["w"].astype(float)
    assert {name: kept[name] for name in alignment.SUMMARY} == alignment.summary(w)
    assert {name: kept[name] for name in alignment.unit_table(w)} == (
        alignment.unit_table(w)
    )


def test_chaotic_runs_are_compared_by_statistics_elsewhere(path, capsys):
    def chaotic(row):
        row["provenance"]["device"]["family"] = None
        row["provenance"]["device"]["name"] = "another"
        row["tolerance"] = None

    forge(path, chaotic)
    assert verify([path], 0, 0) == []
    assert "3 by statistics" in capsys.readouterr().out


def test_a_chaotic_setting_has_no_tolerance(tmp_path, monkeypatch):
    monkeypatch.setattr(collecting, "sensitivity", lambda config, run: math.inf)
    collect([SMALL], tmp_path / "a.jsonl")
    (row,) = load(tmp_path / "a.jsonl").rows
    assert row["tolerance"] is None and row["sensitivity"] is None
    monkeypatch.setattr(collecting, "sensitivity", lambda config, run: 0.0)
    collect([SMALL], tmp_path / "a.jsonl")
    assert load(tmp_path / "a.jsonl").rows[0]["tolerance"] == 1e-12


def test_no_more_of_the_cheap_runs_than_enough(tmp_path, monkeypatch, capsys):
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for path, seeds in zip(paths, (range(4), range(4, 6)), strict=True):
        collect([SMALL.with_seeds(seed, seed) for seed in seeds], path)
    ran = []
    monkeypatch.setattr(
        verifying, "run_all", lambda configs, folder: ran.extend(configs)
    )
    monkeypatch.setattr(verifying, "_compare_all", lambda *_, finished: [])
    monkeypatch.setattr(verifying, "CHEAP_RUNS", 3)
    assert main(["verify", *map(str, paths)]) == 0
    assert "6 rows; running 5 again" in capsys.readouterr().out
    assert len({config.data_seed for config in ran}) == 5
    assert {4, 5} < {config.data_seed for config in ran}


def test_the_sample_is_bounded_and_decided_by_its_seed(tmp_path, monkeypatch, capsys):
    path = tmp_path / "dear.jsonl"
    collect(over_seeds([SMALL], 8), path)
    forge(path, put("provenance", "seconds", value=100.0), slice(1, None))
    drawn = []

    def ran(configs, **_):
        drawn.append([config.data_seed for config in configs])

    monkeypatch.setattr(verifying, "run_all", ran)
    for seed in (0, 0, 1):
        verify([path], 3, seed)
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(len(seeds) == 4 and seeds[0] == 0 for seeds in drawn)
    verify([path], 0, 0)
    assert drawn[-1] == [0]
    verify([path], 100, 0)
    assert drawn[-1] == list(range(8))
    with pytest.raises(ValueError, match="sample = -1"):
        verify([path], -1, 0)
    assert main(["verify", str(path), "--sample", "-1"]) == 1


def test_an_interrupted_verification_says_how_it_stands_and_goes_on(
    path, store, monkeypatch, capsys
):
    def stopped(configs, folder):
        run_all(configs[:2], folder=folder)
        raise KeyboardInterrupt

    forge(path, put("history", "trace", value=[1.0, 1.0]), slice(0, 1))
    with monkeypatch.context() as patch:
        patch.setattr(verifying, "run_all", stopped)
        with pytest.raises(KeyboardInterrupt):
            verify([path], 0, 0)
        said = capsys.readouterr()
        assert "compared 2 of 3: 2 by bits" in said.out
        assert "differs by" in said.err
        assert "interrupted with 1 problems so far" in said.err
        assert main(["verify", str(path)]) == 130
    assert len(list((store / "verify").glob("*.json"))) == 2
    assert main(["verify", str(path)]) == 1
    assert "compared 3 of 3" in capsys.readouterr().out


def test_the_origin_names_device_date_and_engine(path):
    def older(row):
        row["engine"] = "0123456789" * 4

    device = {"name": "A Chip", "family": 6, "model": 7, "stepping": 8}
    forge(path, lambda row: row["provenance"]["device"].update(device))
    forge(path, put("provenance", "date", value="2024-05-06T07:08:09+00:00"))
    digest = sweeps_store.engine_digest(SMALL)[:8]
    text = load(path).origin()
    assert "A Chip (family 6, model 7, stepping 8)" in text
    assert "2024-05-06," in text and f"`{digest}`" in text
    assert "3, on" in text and "older" not in text
    assert load(path)._repr_markdown_() == text
    assert len(repr(load(path))) < 100
    forge(path, older, slice(0, 2))
    forge(path, put("provenance", "date", value="2025-01-01T00:00:00+00:00"), slice(1))
    text = load(path).origin()
    assert '<span class="older-engine">older engine: 2 of 3 runs</span>' in text
    assert "2024-05-06 to 2025-01-01" in text
    assert "`01234567`" in text and f"`{digest}`" in text


def test_a_device_that_tells_little_is_still_named(path):
    nothing = {"name": None, "family": None, "model": None, "stepping": None}
    forge(path, lambda row: row["provenance"]["device"].update(nothing))
    assert "None" not in load(path).origin()


def test_sensitivity_of_a_short_run_is_rounding():
    """20 smooth steps move a history by a few units in the last place.

    One alone may be moved by none: which, is a matter of the processor's rounding.
    """
    cells = over_seeds([SMALL], 8)
    apart = [collecting.sensitivity(config, fetch(config)) for config in cells]
    assert 0 < max(apart) < 1e-12
    moving = fetch(SMALL)
    moving.history["trace"] *= 1.25  # relative to the larger of the two: 1/5
    assert collecting.sensitivity(SMALL, moving) == pytest.approx(0.2, rel=1e-9)


def test_sensitivity_is_infinite_if_only_one_of_two_diverges():
    run = fetch(SMALL)
    short = Run(run.history.iloc[:-1], run.arrays, 10, diverged_at=10)
    assert collecting.sensitivity(SMALL, short) == math.inf


VALUES = st.lists(st.none() | st.floats(allow_nan=False), max_size=4)


@given(VALUES, VALUES)
def test_difference_is_symmetric_and_0_only_for_equals(first, second):
    a, b = {"x": first}, {"x": second}
    assert difference(a, a) == 0
    assert difference(a, b) == difference(b, a)
    assert (difference(a, b) == 0) == (first == second)
    assert difference(a, b) <= 2 or difference(a, b) == math.inf


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"x": [1.0, None, 4.0]}, 0.0),
        ({"x": [1.0, None, 5.0]}, 0.2),
        ({"x": [1.0, None, -4.0]}, 2.0),
        ({"x": [1.0, None]}, math.inf),
        ({"x": [1.0, 2.0, 4.0]}, math.inf),
        ({"x": [1.0, None, math.inf]}, math.inf),
        ({"y": [1.0, None, 4.0]}, math.inf),
        ({}, math.inf),
    ],
)
def test_difference_in_closed_form(other, expected):
    assert difference({"x": [1.0, None, 4.0]}, other) == pytest.approx(expected)


def test_difference_does_not_overflow():
    with np.errstate(all="raise"):
        assert difference({"x": [1.7e308]}, {"x": [-1.7e308]}) == 2


def test_a_chaotic_twin_is_not_followed_to_its_end(monkeypatch):
    monkeypatch.setattr(train, "steps_per_call", lambda config: 5)
    run = fetch(SMALL)
    other = Run(run.history * 2, run.arrays, run.step)
    monkeypatch.setattr(collecting, "CHAOTIC", 0.1)
    steps = []
    advance = train.advance
    monkeypatch.setattr(
        train, "advance", lambda s, c, n: steps.append(n) or advance(s, c, n)
    )
    assert collecting.sensitivity(SMALL, other) == pytest.approx(0.5)
    assert sum(steps) < SMALL.num_steps


def test_of_a_flow_the_measured_iterations_are_kept_and_the_last():
    table = pd.DataFrame(
        {
            "step": range(5),
            "trace": [9.0, 8.0, 7.0, 6.0, 5.0],
            "first_layer_norm": [1.0, np.nan, 2.0, np.nan, np.nan],
        }
    )
    kept = kept_history(table)
    assert kept["step"] == [0, 2, 4]
    assert kept["first_layer_norm"] == [1.0, 2.0, None]
    assert kept_history(table[["step"]])["step"] == list(range(5))


def test_the_scale_of_most_seeds_decides_and_of_several_the_largest():
    def runs_of(n, *seeds):
        return [pd.DataFrame({"n": [n, n], "data_seed": seed}) for seed in seeds]

    assert of_one_scale([]).empty
    begun = runs_of(400, 100, 101) + runs_of(2000, 0, 1, 2, 100)
    assert set(of_one_scale(begun)["n"]) == {400}
    whole = of_one_scale(begun + runs_of(2000, 101))
    assert set(whole["n"]) == {2000} and len(whole) == 10
    assert set(of_one_scale(runs_of(200, 7))["n"]) == {200}


def test_a_gpu_is_named(path):
    rows = load(path).rows
    rows[0]["provenance"]["gpu"] = "Some GPU"
    told = Committed(rows, []).origin()
    assert "Some GPU beside " in told and told.count("Some GPU") == 1
