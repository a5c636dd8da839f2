"""The program that puts faults into the engine, and what came out of it."""

import re
import sys
from pathlib import Path

import pytest
from mutants import __main__ as program
from mutants import table, tests_of
from mutants.draw import USED, Mutant, drawn, places

ROOT = Path(__file__).parents[1]
SOURCE = '''
def mean(x: list | None, scale: float = 1.0) -> float:
    """The mean of 1 or more numbers."""
    total = 0.0
    for value in x:
        total += value * scale
    return total / len(x)
'''
PASSES = """
from {package}.room.thing import mean


def test_mean():
    assert mean([1.0, 3.0]) == 2.0
"""


@pytest.fixture
def checkout(tmp_path):
    """A small one: a room with one file, and a file of tests beside others."""
    package = "looked_at"  # not the engine's name, which is imported already
    room, tests = tmp_path / "src" / package / "room", tmp_path / "tests" / "room"
    for folder in (room, tests):
        folder.mkdir(parents=True)
    (room / "thing.py").write_text(SOURCE)
    (tests / "test_thing.py").write_text(PASSES.format(package=package))
    (tests / "test_another.py").write_text("def test_nothing():\n    assert True\n")
    return tmp_path


def outcome(checkout, source):
    (checkout / "src/looked_at/room/thing.py").write_text(source)
    file = "src/looked_at/room/thing.py"
    return tests_of.killed(checkout, sys.executable, file, ["tests/room"])


def test_places_are_drawn_once_and_annotations_are_left_out(checkout):
    found = drawn(checkout, ["src/looked_at/room"], 100, seed=3)
    assert len(found) == len(list(places(checkout / found[0].file)))
    assert {mutant.line for mutant in found} == {2, 4, 5, 6, 7}
    assert not any("list + None" in mutant.after for mutant in found)
    assert {"for value in []:", "return total / len(x)"} & {m.after for m in found}
    assert drawn(checkout, ["src/looked_at/room"], 2, seed=3) == found[:2]
    assert drawn(checkout, ["src/looked_at/room"], 100, seed=4) != found


def test_a_mutant_changes_the_line_that_it_names(checkout):
    for mutant in drawn(checkout, ["src/looked_at/room"], 100):
        before = SOURCE.splitlines()
        after = mutant.apply(SOURCE).splitlines()
        assert before[mutant.line - 1].strip() == mutant.before
        assert after[mutant.line - 1].strip() == mutant.after
        assert USED.fullmatch(mutant.operator)
    with pytest.raises(ValueError, match="has no core/AddNot 99"):
        Mutant("thing.py", "core/AddNot", 99, 1, "", "").apply(SOURCE)


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (("# nothing", "# nothing"), ("survived", "")),
        (("1.0", "2.0"), ("killed", "tests/room/test_thing.py::test_mean")),
        (("def mean", "def other"), ("killed", "tests/room/test_thing.py")),
    ],
)
def test_what_the_tests_say(checkout, edit, expected):
    assert outcome(checkout, SOURCE.replace(*edit)) == expected


def test_one_that_runs_for_ever_is_stopped(checkout, monkeypatch):
    source = SOURCE.replace("total = 0.0", "total = 0.0\n    while True: pass")
    run = tests_of.run
    monkeypatch.setattr(
        tests_of, "run", lambda *args, **more: run(*args, **more, most=3)
    )
    assert outcome(checkout, source) == ("timeout", "")


def test_tests_of_a_file_come_first():
    found = tests_of.tests_of(
        ROOT, "src/flatminima/sharpness/box.py", ["tests/sharpness"]
    )
    assert found[0] == "tests/sharpness/test_box.py"
    rooms = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tests/sharpness").glob("test_*.py")
    }
    assert rooms <= set(found)
    assert not any(name.startswith("tests/chapters") for name in found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from flatminima.sharpness.box import worst", True),
        ("from flatminima.sharpness import ball, box", True),
        ("    import flatminima.sharpness.box", True),
        ("from flatminima.sharpness import boxes", False),
        ("from flatminima.sharpness.boxes import worst", False),
    ],
)
def test_imports(text, found):
    assert tests_of.imports(text, "flatminima.sharpness.box") is found


def row(outcome, equivalent=""):
    values = dict.fromkeys(table.COLUMNS, "")
    return values | {"outcome": outcome, "equivalent": equivalent}


def test_summary():
    rows = [row("killed")] * 7 + [
        row("timeout"),
        row("survived"),
        row("survived", "yes"),
    ]
    line = table.summary({"theory": rows}).splitlines()[1].split()
    # Wilson's interval of 8 of 10, and of 8 of 9
    assert line == [
        "theory",
        "10",
        "8",
        "0.80",
        "[0.49,",
        "0.94]",
        "1",
        "0.89",
        "[0.57,",
        "0.98]",
    ]
    assert len(table.rows_again(rows)) == 9


def test_tables_survive_a_trip(tmp_path):
    rows = [row("survived") | {"before": 'a, "b"', "after": "c\\d"}]
    table.write(tmp_path / "room.csv", rows)
    assert table.read(tmp_path / "room.csv") == rows
    assert table.read(tmp_path / "other.csv") == []


def test_bad_counts_are_refused(capsys):
    with pytest.raises(SystemExit):
        program.main(["theory", "--count", "0"])
    assert "--count 0: must be at least 1" in capsys.readouterr().err


@pytest.mark.parametrize("room", table.ROOMS)
def test_committed_tables(room):
    rows = table.read(table.table(room))
    assert len({table.key(row) for row in rows}) == len(rows) >= 100
    assert {row["outcome"] for row in rows} <= {"killed", "timeout", "survived"}
    noticed = [row for row in rows if not table.survived(row)]
    assert len(noticed) >= 0.85 * len(rows)
    assert all(row["why"] for row in rows if table.survived(row))
    assert all((ROOT / row["file"]).is_file() for row in rows)
    tests = {re.split("::", row["test"])[0] for row in noticed if "::" in row["test"]}
    assert all((ROOT / test).is_file() for test in tests)
