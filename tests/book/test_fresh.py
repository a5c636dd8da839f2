"""Claims of ours on fresh seeds: the file that keeps them, the table, the build."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from flatminima.claims import decide, register
from flatminima.sweeps.table import COMMITTED as ENDS_COMMITTED
from flatminima_book import fresh
from flatminima_book.__main__ import main
from flatminima_book.check import check_sources
from flatminima_book.fresh import fresh_fragment, read_fresh, write_fresh
from flatminima_book.notebooks import load_chapters
from flatminima_book.parameters import read_parameter_file
from flatminima_book.project import load
from flatminima_book.verdicts import order_keys
from tests.book.fixture_book import claim

ROOT = Path(__file__).parents[2]
BOOK = {"d": 3, "first_seed": 0, "seeds": [0, 1]}
FRESH = BOOK | {"first_seed": 100}


def entry(name="one-a", **change):
    """A verdict on a claim of ours, as a chapter displays it."""
    shown = {
        "id": name,
        "chapter": name.partition("-")[0],
        "source": "remark on 000: Fig. 2",
        "origin": "ours",
        "statement": f"Claim {name} is flat.",
        "rule": "trace at most 1",
        "verdict": "holds",
        "effect": 0.5,
        "low": 0.25,
        "high": None,
        "n": 10,
        "scale": "quick",
        "reported": None,
        "note": "",
        "rule_fixed": "before",
    }
    return order_keys(shown | change, None)


def words(name, measured):
    return {"id": name, "measured": measured, "over": "10 seeds", "source": "ours"}


def kept(*verdicts, parameters=FRESH, said=()):
    """What is kept of some verdicts on fresh seeds, by chapter."""
    names = dict.fromkeys(v["chapter"] for v in verdicts)
    return {
        name: fresh.rerun(
            parameters, [v for v in verdicts if v["chapter"] == name], said
        )
        for name in names
    }


def shown(book, scorecard, reruns, said=(), **parameters):
    """The generated text, as lines and as the rows of its table by claim."""
    given = {"one": BOOK, "two": BOOK} | parameters
    chapters = load_chapters(book.project)
    text = fresh_fragment(scorecard, reruns, given, chapters, said)
    rows = {}
    table = text.partition(":class: figures")[2].partition("```")[0]
    for block in table.split("* - ")[2:]:  # the first holds the heads
        cells = [line.removeprefix("  - ").strip() for line in block.splitlines()]
        rows[cells[1]] = cells[2:5]
    return text, rows


# --- the file ---------------------------------------------------------------------


def test_the_file_gives_back_what_was_written(tmp_path):
    reruns = kept(
        entry(effect=None, low=None, high=None, verdict="not testable"),
        entry("one-b", effect=1 / 3),
        entry("two-a", n=2),
        said=[words("one-b", "accuracy .33")],
    )
    path = tmp_path / "results/fresh.json"
    write_fresh(path, reruns)
    assert read_fresh(path) == reruns
    assert reruns["one"].claims["one-b"].measured == "accuracy .33"
    assert reruns["two"].claims["two-a"].measured == "0.5 [0.25, …]"
    text = path.read_text("utf8")
    write_fresh(path, read_fresh(path))
    assert path.read_text("utf8") == text
    assert "20" + "26-" not in text and str(tmp_path) not in text


def test_claims_of_a_source_are_not_kept():
    (only,) = kept(entry(), entry("one-b", origin="source")).values()
    assert list(only.claims) == ["one-a"]


def test_what_was_never_written_is_empty(tmp_path):
    assert read_fresh(tmp_path / "fresh.json") == {}


def flip(data):
    data["one"]["claims"]["one-a"]["verdict"] = "fails"


def lose(data):
    del data["one"]["engine"]


def lose_inside(data):
    del data["one"]["claims"]["one-a"]["effect"]
    sign(data)


def misspell(data):
    data["one"]["claims"]["one-a"]["verdict"] = "perhaps"
    sign(data)


def sign(data):
    body = {key: each for key, each in data["one"].items() if key != "checksum"}
    data["one"]["checksum"] = fresh._sum(body)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (flip, "chapter one: is not what its checksum says"),
        (lose, "chapter one lacks key engine"),
        (lambda data: data["one"].update(more=1), "chapter one has the unknown key"),
        (lambda data: data.update(one=3), "chapter one lacks key checksum"),
        (lose_inside, "chapter one: claim one-a lacks key effect"),
        (misspell, "chapter one: claim one-a: verdict 'perhaps' is none of holds,"),
    ],
)
def test_a_file_that_was_edited_says_what_is_wrong(tmp_path, spoil, message):
    path = tmp_path / "results/fresh.json"
    write_fresh(path, kept(entry()))
    data = json.loads(path.read_text("utf8"))
    spoil(data)
    path.write_text(json.dumps(data), "utf8")
    with pytest.raises(ValueError, match=f"^results/fresh.json: {message}") as raised:
        read_fresh(path)
    assert str(raised.value).endswith("or remove it and run: make fresh")


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe{}", b"3"])
def test_a_file_that_is_no_such_file_is_an_error(tmp_path, content):
    path = tmp_path / "fresh.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="/fresh.json: .*make fresh"):
        read_fresh(path)


def test_the_check_of_the_sources_reads_the_file(book):
    book.edit("pyproject.toml", 'found = "', 'fresh = "results/fresh.json"\nfound = "')
    assert check_sources(book.project) == []
    book.write("results/fresh.json", "[]")
    (problem,) = check_sources(book.project)
    assert problem.startswith("results/fresh.json: is no mapping of chapters; ")


@pytest.mark.parametrize("first", ["99", "true", "100.5", ""])
def test_fresh_seeds_that_a_pilot_may_use_are_refused(book, first):
    ours(book)
    book.write("params/one/fresh.yml", f"first_seed: {first}\n" if first else "d: 4\n")
    lines = [line for line in check_sources(book.project) if "at least 100" in line]
    assert len(lines) == 1 and lines[0].startswith(
        "params/one/fresh.yml: first_seed = "
    )
    book.write("params/one/fresh.yml", "first_seed: 100\n")
    assert check_sources(book.project) == []


# --- the table --------------------------------------------------------------------


def test_a_verdict_that_differs_is_said_in_words_at_the_top(book):
    there = kept(
        entry(verdict="undecided", effect=0.1),
        entry("one-b"),
        said=[words("one-a", "accuracy .10 [-.1, .3]"), words("one-b", "trace 1.01")],
    )
    here = [words("one-a", "accuracy .50 [.25, .75]"), words("one-b", "trace 1.02")]
    text, rows = shown(book, [entry(), entry("one-b")], there, here)
    assert text.startswith(
        "Of 2 claims of ours: 2 were run again on seeds from 100 on.\n\n"
        "**One verdict is another on fresh seeds:**\n\n"
        "- Claim one-a is flat. In the book: holds, accuracy .50 [.25, .75]. On fresh "
        "seeds: undecided, accuracy .10 [-.1, .3]. `one-a`\n"
    )
    assert "one-b`" not in text.partition("{list-table}")[0]
    assert rows == {
        "Claim one-a is flat.": [
            "[✓ holds]{.verdict .verdict-holds} accuracy .50 [.25, .75]",
            "[? undecided]{.verdict .verdict-undecided} accuracy .10 [-.1, .3]",
            "from 100, 10 seeds",
        ],
        "Claim one-b is flat.": [
            "[✓ holds]{.verdict .verdict-holds} trace 1.02",
            "[✓ holds]{.verdict .verdict-holds} trace 1.01",
            "from 100, 10 seeds",
        ],
    }


def test_several_that_differ_are_counted(book):
    there = kept(entry(verdict="fails"), entry("two-a", verdict="partly"))
    text, _ = shown(book, [entry(), entry("two-a")], there)
    assert "**2 are others on fresh seeds:**" in text
    assert "`one-a`" in text and "`two-a`" in text


def test_none_that_differs_is_said_too(book):
    text, _ = shown(book, [entry()], kept(entry(effect=0.4)))
    assert "Of 1 claim of ours: 1 was run again on seeds from 100 on." in text
    assert "**No verdict is another on fresh seeds.**" in text


def test_what_has_not_been_run_again_says_so(book):
    text, rows = shown(book, [entry(), entry("two-a")], kept(entry()))
    assert "1 was run again on seeds from 100 on; 1 is not yet run again." in text
    assert rows["Claim two-a is flat."][1:] == ["not yet run again", "–"]
    text, _ = shown(book, [entry()], {})
    assert text.startswith("Of 1 claim of ours: 1 is not yet run again.")
    assert "verdict is another" not in text and "engine" not in text


@pytest.mark.parametrize(
    ("there", "change"),
    [
        (FRESH, {"rule": "trace at most 2"}),
        (FRESH | {"d": 4}, {}),
        (BOOK, {}),
    ],
    ids=["another rule", "other parameters", "the same seeds"],
)
def test_what_was_run_otherwise_counts_as_not_run(book, there, change):
    reruns = kept(entry(verdict="fails"), parameters=there)
    text, rows = shown(book, [entry(**change)], reruns)
    assert rows["Claim one-a is flat."][1] == "not yet run again"
    assert "another on fresh" not in text


def test_committed_runs_are_not_taken_for_fresh_ones(book):
    scale = "paper: d = 30, committed, seeds 0 to 9"
    there = kept(entry(scale=scale), entry("one-b"))
    text, rows = shown(book, [entry(scale=scale), entry("one-b")], there)
    assert "1 was run again" in text
    assert "1 is decided by committed runs, which are not run again." in text
    assert rows["Claim one-a is flat."][1:] == [
        "not run again",
        "from 0, committed runs",
    ]


@pytest.mark.parametrize(
    ("scale", "first"), [("quick", 100), ("paper, committed, seeds 200 to 209", 0)]
)
def test_a_book_on_fresh_seeds_needs_no_others(book, scale, first):
    given = BOOK | {"first_seed": first}
    text, rows = shown(book, [entry(scale=scale)], {}, one=given)
    assert "1 is decided by such seeds in the book itself." in text
    assert rows["Claim one-a is flat."][1] == "the same"


def test_a_claim_of_a_source_has_no_row(book):
    text, _ = shown(book, [entry(origin="source")], {})
    assert text == "No chapter has made a claim of ours yet.\n"


def test_an_older_engine_is_named(book):
    there = kept(entry())
    text, _ = shown(book, [entry()], there)
    assert "An older engine" not in text
    older = {"one": replace(there["one"], engine="0" * 64)}
    text, _ = shown(book, [entry()], older)
    assert "engine `00000000`. An older engine ran 1 of 1 chapters." in text


def test_the_engine_says_which_committed_seeds_decide():
    seeds = np.arange(3, 13)
    table = pd.DataFrame(
        {"data_seed": seeds, "init_seed": seeds, "test_accuracy": 0.5}
        | {"test_points": 100, "last": True, "diverged": False}
        | {"scale": f"paper{ENDS_COMMITTED}"}
    )
    (name, *_) = [
        each.id
        for each in register.load()[1].values()
        if each.rule.kind == "share" and each.rule.metric == "test_accuracy"
    ]
    verdict = decide.share(name, table)
    found = fresh.COMMITTED.search(verdict.scale)
    assert found is not None and found.groups() == ("3", "12")


# --- the build --------------------------------------------------------------------


def ours(book):
    """Give both chapters a first seed, and the first one a claim of ours."""
    book.edit("pyproject.toml", 'found = "', 'fresh = "results/fresh.json"\nfound = "')
    cell = claim("one-a", "one").replace('origin="source"', 'origin="ours"')
    cell = cell.replace(
        'verdict="holds"', 'verdict="holds" if first_seed < 100 else "fails"'
    )
    book.chapter("one", cell)
    for name in ("one", "two"):
        line = "first_seed: int = 0  # 0 to 10**6: the first of the seeds\n"
        book.edit(f"book/{name}.md", "seeds: list", f"{line}seeds: list")
        book.pair(name)
        book.write(f"params/{name}/fresh.yml", "first_seed: 100\n")
        path = book.root / f"params/{name}/expected.yml"
        expected = yaml.safe_load(path.read_text("utf8"))
        expected[0]["parameters"]["first_seed"] = 0
        path.write_text(yaml.safe_dump(expected), "utf8")
    book.edit("studies/one/claims.yml", "origin: source", "origin: ours")


def run_fresh(book, *arguments):
    return main(["--root", str(book.root), "fresh", *arguments])


@pytest.mark.usefixtures("quick")
def test_a_build_on_fresh_seeds_leaves_the_book_alone(book, capsys):
    ours(book)
    assert run_fresh(book) == 0  # though the verdict is not the expected one
    assert "made results/fresh.json, claims of ours: 1" in capsys.readouterr().out
    found = read_fresh(book.root / "results/fresh.json")
    assert list(found) == ["one"]
    assert found["one"].claims["one-a"].verdict == "fails"
    assert found["one"].claims["one-a"].first_seed == 100
    assert found["one"].parameters == FRESH
    assert {path.name for path in (book.root / "_build").iterdir()} == {"fresh"}
    assert (book.root / "_build/fresh/executed/two.ipynb").is_file()


@pytest.mark.usefixtures("quick")
def test_a_chapter_that_fails_keeps_what_it_had(book, capsys):
    ours(book)
    path = book.root / "results/fresh.json"
    before = kept(entry(verdict="partly"))
    write_fresh(path, before | {"gone": before["one"]})
    book.edit("book/one.md", "from IPython", "raise RuntimeError('no')\nfrom I")
    book.pair("one")
    assert run_fresh(book) == 1
    assert "error: chapter one, cell 5: RuntimeError: no" in capsys.readouterr().err
    assert read_fresh(path) == before


@pytest.mark.usefixtures("quick")
def test_some_chapters_are_run_alone(book):
    ours(book)
    path = book.root / "results/fresh.json"
    write_fresh(path, kept(entry(verdict="partly")))
    assert run_fresh(book, "--chapters", "two") == 0
    assert read_fresh(path)["one"].claims["one-a"].verdict == "partly"
    assert not (book.root / "_build/fresh/executed/one.ipynb").exists()


def test_a_book_that_keeps_no_fresh_seeds_is_refused(book, capsys):
    assert run_fresh(book) == 1
    assert "pyproject.toml: fresh: names no file" in capsys.readouterr().err


# --- this book --------------------------------------------------------------------


def seed_problem(defaults: dict[str, Any], given: dict[str, Any] | None) -> str:
    """What keeps claims of ours in a chapter from fresh seeds; empty if nothing does.

    Args:
        defaults: The chapter's parameters.
        given: Those of its `fresh.yml`, if there is one.
    """
    if "first_seed" not in defaults:
        return "has no parameter first_seed"
    first = defaults["first_seed"]
    if first >= fresh.FIRST:
        return ""
    if given is None:
        return "has no fresh.yml"
    counts = [v for k, v in defaults.items() if k.endswith("seeds")]
    if first + max(counts, default=1) > given["first_seed"]:
        return f"draws {given['first_seed']} in the book too"
    return "" if set(given) == {"first_seed"} else "has other parameters too"


@pytest.mark.parametrize(
    ("defaults", "given", "problem"),
    [
        ({"d": 3}, None, "has no parameter first_seed"),
        ({"first_seed": 0, "seeds": 10}, None, "has no fresh.yml"),
        ({"first_seed": 95, "seeds": 10}, {"first_seed": 100}, "draws 100 in the"),
        ({"first_seed": 0, "seeds": 10}, {"first_seed": 100, "d": 2}, "has other"),
        ({"first_seed": 0, "seeds": 10}, {"first_seed": 100}, ""),
        ({"first_seed": 100, "seeds": 10}, None, ""),
    ],
)
def test_a_chapter_without_fresh_seeds_is_found(defaults, given, problem):
    found = seed_problem(defaults, given)
    assert found.startswith(problem) and bool(found) == bool(problem)


def test_every_claim_of_ours_can_be_run_on_fresh_seeds():
    """Chapters without one may have fresh seeds too, such as the first page."""
    project = load(ROOT)
    claims = register.load()[1].values()
    with_ours = {each.chapter for each in claims if each.origin == "ours"}
    lacking = {}
    for chapter in load_chapters(project):
        path = project.params / chapter.name / "fresh.yml"
        given = read_parameter_file(path) if path.is_file() else None
        if chapter.name in with_ours or given is not None:
            lacking[chapter.name] = seed_problem(chapter.defaults, given)
    assert lacking and set(lacking.values()) == {""}, lacking
