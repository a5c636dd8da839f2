"""Tables of step costs, on measurements made by hand."""

import json

import pytest

from flatminima.runs.mlp.config import Config
from flatminima.studies.speed import tables
from flatminima.studies.speed.tables import ACTIVE, ENGINE, GRAM

BANDWIDTH = {"L1": 200.0, "L2": 100.0, "L3": 50.0, "memory": 10.0}


def case(candidate, microseconds, products, bytes_, when="early", dtype="float64"):
    return {
        "when": when,
        "candidate": candidate,
        "architecture": "bias",
        "dtype": dtype,
        "step": 1000,
        "microseconds": microseconds,
        "products": products,
        "bytes": bytes_,
        "active_mean": 100.0 if when == "early" else 50.0,
    }


def measurements() -> dict:
    """A core of 20e9 products a second and 100 GB/s from the second level."""
    rows = [
        case(name, factor * time, products, bytes_, when, dtype)
        for when, factor in (("early", 1.0), ("late", 0.5))
        for dtype in ("float64", "float32")
        for name, time, products, bytes_ in (
            (ENGINE, 2.0, 30_000, 100_000),
            (ACTIVE, 4.0, 20_000, 200_000),
            (GRAM, 5.0, 10_000, 100_000),
        )
    ]
    # once, and only late, the Gram form overtakes
    rows[-1]["microseconds"] = 1.5
    return {
        "machine": "Abacus 3",
        "peak_1e9_products_a_second": {"float64": 20.0, "float32": 40.0},
        "gigabytes_a_second": {"float64": BANDWIDTH, "float32": BANDWIDTH},
        "level_kib": {"L1": 16, "L2": 256, "L3": 4096, "memory": 131_072},
        "candidates": {ENGINE: "an idea"},
        "rows": rows,
    }


def stored(folder, **changes) -> tables.Measured:
    file = folder / "speed.json"
    file.write_text(json.dumps(measurements() | changes))
    return tables.read(file)


@pytest.fixture
def race(tmp_path):
    return stored(tmp_path)


def test_origin(tmp_path, race):
    assert race.origin == "measured on one core of Abacus 3"
    now = tables.engine(["bias"])
    about = {"date": "2026-02-03T04:05:06+00:00", "engine": now}
    known = stored(tmp_path, **about)
    assert known.origin.endswith(f"Abacus 3, 2026-02-03, engine {now[:8]}")
    older = stored(tmp_path, **about | {"engine": "0" * 64})
    assert older.origin.endswith("engine 00000000 (older engine)")
    assert tables.engine(["bias", "deep"]) != now


def test_no_measurements(tmp_path):
    with pytest.raises(FileNotFoundError, match="in a checkout of the repository"):
        tables.read(tmp_path / "speed.json")


def test_limits(race):
    table = tables.limits(race)
    assert table.loc["float64"].tolist() == [20, 200, 100, 50, 10]


@pytest.mark.parametrize(
    ("kib", "level"),
    [(1, "L1"), (16, "L1"), (17, "L2"), (4096, "L3"), (1e6, "memory")],
)
def test_level(race, kib, level):
    assert tables.level_of(race, 1024 * kib) == level


def test_roofline(race):
    rows = tables.roofline(race).set_index(["candidate", "dtype", "when"])
    engine = rows.loc[(ENGINE, "float64", "early")]
    # 16 000 weights of 8 bytes stay in the second level
    assert engine["level"] == "L2"
    # 30 000 products at 20e9/s take 1.5 us, 100 000 bytes at 100 GB/s take 1 us
    assert engine["least"] == pytest.approx(1.5)
    assert engine["times"] == pytest.approx(2 / 1.5)
    assert engine["bound"] == "arithmetic"
    assert engine["speed"] == pytest.approx(15)
    active = rows.loc[(ACTIVE, "float64", "early")]
    assert active["least"] == pytest.approx(2)
    assert active["bound"] == "L2"


def test_winners(race):
    table = tables.winners(race)
    assert table.loc[("bias", "float64", "early")].tolist() == [
        ENGINE,
        2.0,
        ACTIVE,
        2.0,
    ]
    late = table.loc[("bias", "float32", "late")]
    assert late.tolist() == [ENGINE, 1.0, GRAM, 1.5]
    assert tables.who_won(race) == (
        f"**{ENGINE}** is fastest in 4 of 4 cases; the next candidate takes 1.50 to "
        "2.00 times as long."
    )


def test_ideas_are_a_list(tmp_path):
    candidates = {ENGINE: f"{ENGINE}: one product", GRAM: "outputs of all"}
    found = tables.ideas(stored(tmp_path, candidates=candidates))
    assert found == f"- **{ENGINE}**: one product\n- **{GRAM}**: outputs of all"


def test_who_won_names_everyone_who_won(tmp_path):
    rows = measurements()["rows"]
    rows[-1]["microseconds"] = 0.5
    outcome = tables.who_won(stored(tmp_path, rows=rows))
    assert f"**{ENGINE}** is fastest in 3 of 4 cases" in outcome
    assert f"**{GRAM}** is fastest in 1 of 4 cases" in outcome


def test_distance(race):
    table = tables.distance(race)
    row = table.loc[("float64", ENGINE)]
    assert row["microseconds"] == pytest.approx(1.5)
    assert row["times the least"] == pytest.approx(1.0)
    assert list(table.loc["float64"].index) == [ENGINE, ACTIVE, GRAM]


def test_paper_against_race(tmp_path, race):
    # least times of the Gram form: 1 us, bound by bytes; medians of 5, 2.5, 5, 1.5
    assert tables.paper_against_race(race).startswith(
        f"On paper **{GRAM}** needs the least time, a median of 1.00 µs; it takes 3.8"
    )
    rows = measurements()["rows"]
    for row in rows:
        row["microseconds"] = 1.0 if row["candidate"] == GRAM else 9.0
    outcome = tables.paper_against_race(stored(tmp_path, rows=rows))
    assert outcome.endswith("It is also the fastest in the race.")


def test_gram_limit_is_where_the_counts_meet():
    inputs, units, active = 31, 500, 80.0
    n = tables.gram_limit(inputs, units, active)
    gram = units + 2 * active * n
    assert gram == pytest.approx(units * inputs + 2 * active * inputs)
    # fewer active units, more examples
    assert tables.gram_limit(inputs, units, 40.0) > n
    assert tables.gram_limit(1, units, active) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 500, 80), "inputs = 0: must be an integer of at least 1"),
        ((31, 500, 0), "active = 0: allowed are 0 < active <= 500"),
        ((31, 500, 501), "active = 501: allowed are 0 < active <= 500"),
    ],
)
def test_impossible_gram_sizes(arguments, message):
    with pytest.raises(ValueError, match=message):
        tables.gram_limit(*arguments)


def test_gram_table(race):
    table = tables.gram_table(race)
    early, late = table.loc[("bias", "early")], table.loc[("bias", "late")]
    # 31 + 500 * 30 / 200 = 106 and 31 + 500 * 30 / 100 = 181: both above n = 100
    assert early["moves less below n ="] == pytest.approx(106)
    assert late["moves less below n ="] == pytest.approx(181)
    assert early["moves less at n = 100"] == GRAM
    assert early[f"{GRAM} / {ACTIVE}, float64"] == pytest.approx(1.25)
    assert late[f"{GRAM} / {ACTIVE}, float32"] == pytest.approx(0.75)
    assert tables.gram_outcome(race) == (
        "The count is right in 1 of 4 cases. The Gram form is faster than active units "
        "in 1 of them, and the fastest of all candidates in 0."
    )


def test_architecture_table(tmp_path):
    rows = [
        {
            "when": "early",
            "architecture": "deep",
            "dtype": "float64",
            "microseconds": 36.0,
            "peer": 360.0,
            "products": 100_000.0,
            "bytes": 1e6,
            "active": 200.0,
            "weights": 250_000,
        }
    ]
    table = tables.architecture_table(stored(tmp_path, rows=rows))
    row = table.loc[("3-layer MLP", "float64", "early")]
    assert row["peer / ours"] == pytest.approx(10)
    # 2 MB stay in the third level: 1e6 bytes at 50 GB/s
    assert row["least, µs"] == pytest.approx(20)
    assert row["times the least"] == pytest.approx(1.8)
    assert row["bound by"] == "L3"
    # 1e7 updates
    assert row["minutes for the curve"] == pytest.approx(6)


def test_committed_files_are_of_the_source_s_size():
    race = tables.read(tables.RACE)
    single = race.rows[race.rows["candidate"] == "one step a pass"]
    inputs = tables.SIZE.d + (single["architecture"] != "no_bias")
    assert (single["products"] == 2 * inputs * tables.SIZE.width).all()
    costs = tables.read(tables.ARCHITECTURES)
    known = set(Config.model_fields["architecture"].annotation.__args__)
    assert set(costs.rows["architecture"]) == known
    assert not costs.rows.duplicated(tables.CASE).any()
    assert (costs.rows["microseconds"] > 0).all()
