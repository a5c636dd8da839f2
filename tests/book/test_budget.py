"""The budget: every run counts once, wherever it came from, and excess is a problem."""

import json
from types import SimpleNamespace

import pytest

from flatminima_book.budget import Allowance, Budget, Spent, charge, compare, read_runs
from flatminima_book.build import build_book
from flatminima_book.check import check_sources
from flatminima_book.status import status_html
from tests.book.fixture_book import claim, code

BUDGET = Budget(30, 60, 2, {"c": Allowance(100, "It has many runs.")})
SETTINGS = "mean = 30\nmost = 60\nmargin = 2\n"


def chapters(**after):
    """Chapters in reading order, each with those that it waits for."""
    return [SimpleNamespace(name=n, after=tuple(a)) for n, a in after.items()]


def test_seconds_of_runs_computed_now_are_not_counted_twice():
    """The kernel computed b and found a."""
    spent = {"one": Spent(10.0, {"a": (5.0, 0.0), "b": (7.0, 7.0)})}
    assert charge(chapters(one=""), spent) == {"one": 3 + 5 + 7}


def test_a_chapter_costs_the_same_whoever_computed_its_runs():
    cold = Spent(15.0, {"a": (5.0, 5.0), "b": (7.0, 7.0)})
    warm = Spent(3.0, {"a": (5.0, 0.0), "b": (7.0, 0.0)})
    begun = Spent(11.0, {"a": (5.0, 1.0), "b": (7.0, 7.0)})
    for spent in (cold, warm, begun):
        assert charge(chapters(one=""), {"one": spent}) == {"one": 15}


def test_what_others_computed_elsewhere_makes_no_negative_work():
    assert charge(chapters(one=""), {"one": Spent(1.0, {"a": (5.0, 5.0)})}) == {
        "one": 5
    }


def test_a_shared_run_counts_for_the_first_in_reading_order():
    runs = {"a": (5.0, 0.0)}
    spent = {"two": Spent(1.0, {"a": (5.0, 5.0)}), "one": Spent(1.0, runs)}
    assert charge(chapters(one="", two=""), spent) == {"one": 6, "two": 0}


def test_a_shared_run_counts_for_the_chapter_that_is_waited_for():
    spent = dict.fromkeys(("start", "one", "two"), Spent(1.0, {"a": (5.0, 0.0)}))
    order = chapters(start=["two"], one="", two="")
    assert charge(order, spent) == {"start": 1, "one": 1, "two": 6}
    deep = chapters(start=["one"], one=["two"], two="")
    assert charge(deep, spent) == {"start": 1, "one": 1, "two": 6}


def test_what_the_engine_noted(tmp_path):
    path = tmp_path / "spent"
    assert read_runs(path) == {}
    lines = [("a", 5.0, 3.0), ("b", 1.0, 0.0), ("a", 5.0, 0.0)]
    entries = [
        dict(zip(("run", "seconds", "now"), line, strict=True)) for line in lines
    ]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    assert read_runs(path) == {"a": (5.0, 3.0), "b": (1.0, 0.0)}


def test_twice_the_budget_is_a_problem_and_once_a_remark():
    costs = {"a": 121.0, "b": 61.0, "c": 101.0, "d": 1.0}
    problems, remarks = compare(BUDGET, costs, costs)
    assert problems == [
        "chapter a took 121 core-seconds, more than 2 times its budget of 60: let it "
        "take fewer runs or commit them to results/"
    ]
    assert remarks == [
        "chapter b took 61 core-seconds; its budget is 60",
        "chapter c took 101 core-seconds; its budget is 100",
        "a chapter took 71 core-seconds on average; the budget is 30",
    ]


def test_an_allowance_ends_too_and_goes_when_it_is_not_needed():
    problems, _ = compare(BUDGET, {"c": 201.0}, {"c"})
    assert problems[0].startswith("chapter c took 201 core-seconds, more than 2 times")
    problems, remarks = compare(BUDGET, {"c": 20.0}, {"c"})
    assert problems == []
    assert remarks == ["chapter c took 20 core-seconds: it needs no allowance any more"]


def test_parameters_of_a_reader_are_free():
    assert compare(BUDGET, {"a": 1000.0, "b": 1.0}, {"b"}) == ([], [])


def test_nothing_that_ran_is_within_the_budget():
    assert compare(BUDGET, {}, set()) == ([], [])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("mean = 30\nmost = 60", "margin = None: must be a number above 0"),
        (SETTINGS + "least = 3", "unknown setting 'least'"),
        ("mean = 0\nmost = 60\nmargin = 2", "mean = 0: must be a number above 0"),
        ("mean = 1\nmost = true\nmargin = 2", "most = True: must be a number above 0"),
        ("mean = 1\nmost = 60\nmargin = 0.5", "margin = 0.5: must be at least 1"),
        (SETTINGS + "allowances.two = 70", "of two = 70: needs seconds and reason"),
        (
            SETTINGS + 'allowances.two = { seconds = 60, reason = "?" }',
            "of two: seconds = 60: the budget is 60 already",
        ),
        (
            SETTINGS + 'allowances.two = { seconds = 70, reason = " " }',
            "of two: reason = ' ': must say why",
        ),
    ],
)
def test_a_bad_budget_is_refused(book, settings, message):
    book.write("pyproject.toml", f"[tool.flatminima_book.budget]\n{settings}\n")
    with pytest.raises(ValueError, match=r"^pyproject\.toml: budget: ") as error:
        _ = book.project
    assert message in str(error.value)


def limit(book, settings):
    """Give the fixture book a budget."""
    text = (book.root / "pyproject.toml").read_text()
    table = f"\n[tool.flatminima_book.budget]\n{settings}\n"
    book.write("pyproject.toml", text + table)


def test_an_allowance_for_a_stranger_is_found(book):
    limit(book, SETTINGS + 'allowances.nine = { seconds = 70, reason = "Many." }')
    line = "pyproject.toml: budget: allowance of nine, which is no chapter"
    assert check_sources(book.project) == [line]


NOTE = """\
import json, os, pathlib
line = json.dumps({{"run": "r", "seconds": 1000.0, "now": {now}}})
pathlib.Path(os.environ["FLATMINIMA_SPENT"]).write_text(line + "\\n")
"""
BUSY = """\
import time
begun = time.process_time()
while time.process_time() < begun + 3:
    pass
time.sleep(3)
"""


def test_a_build_counts_what_chapters_took_and_fails_beyond_the_budget(book):
    """Chapter one computes nothing of the run that both use, and pays for it."""
    limit(book, "mean = 1\nmost = 400\nmargin = 2")
    note = code(NOTE.format(now=0.0))
    book.chapter("one", claim("one-a", "one"), note)
    book.chapter("two", claim("two-a", "two", "fails"), note, code(BUSY))
    said = []
    problems = build_book(book.project, said.append, pages=False)
    assert len(problems) == 1
    assert problems[0].startswith("chapter one took 10")
    assert "core-seconds, more than 2 times its budget of 400" in problems[0]
    assert any("core-seconds on average; the budget is 1" in line for line in said)
    status = json.loads((book.root / "_build/status.json").read_text())
    one, two = (status["chapters"][name] for name in ("one", "two"))
    assert 1000 < one["core_seconds"] < 1100
    assert one["budget"] == two["budget"] == 400
    # what the kernel itself did, and not the time that it slept or waited
    assert 1 < two["core_seconds"] - (one["core_seconds"] - 1000) < 10
    page = status_html(status)
    for entry in (one, two):
        assert f"<td>{entry['core_seconds']:.1f}</td><td>400</td>" in page
    kept = book.root / "_build/executed"
    assert {path.name for path in kept.iterdir()} == {"one.ipynb", "two.ipynb"}


def test_a_build_of_some_chapters_charges_none(book, quick):
    """It cannot know which runs belong to the others."""
    limit(book, "mean = 1\nmost = 0.001\nmargin = 1")
    said = []

    def press(**options):
        return build_book(book.project, said.append, pages=False, **options)

    assert press(only=["one"]) == []
    assert not any("core-seconds" in line for line in said)
    problems = press()
    assert [line[:27] for line in problems] == [
        "chapter one took 1 core-sec",
        "chapter two took 1 core-sec",
    ]
    book.edit("book/two.md", "print(d)", "1 / 0")
    book.pair("two")
    (problem,) = press()
    assert "ZeroDivisionError" in problem


def test_a_book_without_a_budget_may_take_anything(book):
    book.chapter("one", claim("one-a", "one"), code(NOTE.format(now=0.0)))
    assert build_book(book.project, lambda line: None, pages=False) == []
    status = json.loads((book.root / "_build/status.json").read_text())
    assert status["chapters"]["one"]["core_seconds"] > 1000
    assert status["chapters"]["one"]["budget"] is None
