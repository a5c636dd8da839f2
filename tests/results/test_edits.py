"""Edits of the engine that change no committed run."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from flatminima.results import edits, reading
from flatminima.results.kept import kept
from flatminima.results.rows import engine_now

ROOT = Path(__file__).parents[2]


@pytest.fixture
def said(tmp_path, monkeypatch):
    """Puts edits in the place of those of the package."""
    file = tmp_path / "edits.yml"

    def say(*engines):
        found = [{"date": "", "edit": "", "engines": each} for each in engines]
        file.write_text(yaml.safe_dump(found), "utf8")
        monkeypatch.setattr(edits, "FILE", file)
        edits._successors.cache_clear()
        return file

    yield say
    edits._successors.cache_clear()


def some_rows():
    """Committed runs of two kinds."""
    names = ("stability", "open-2")
    return [reading.load(kept("results") / f"{name}.jsonl").rows[0] for name in names]


def test_an_engine_became_what_the_last_edit_made_of_it(said):
    said({"a": "b", "c": "d"}, {"b": "e"})
    assert [edits.successor(each) for each in "abcdef"] == [*"eedd", "e", "f"]


def test_without_edits_every_engine_is_itself(said):
    said().write_text("# none\n", "utf8")
    assert edits.successor("a") == "a"


def test_edits_that_lead_back_are_refused(said):
    said({"a": "b"}, {"b": "a"})
    with pytest.raises(ValueError, match="from a the edits lead back to a"):
        edits.successor("a")


def test_a_run_is_of_an_older_engine_unless_an_edit_says_otherwise(said):
    path = kept("results") / "stability.jsonl"
    row = some_rows()[0]
    made = row["engine"]
    said()
    assert reading.load(path).older == [made != engine_now(row)] * 400
    said({made: "0" * 64})
    found = reading.load(path)
    assert found.older == [True] * 400 and "older engine: 400" in found.origin()
    assert not edits.is_present(row)
    said({made: "0" * 64}, {"0" * 64: engine_now(row)})
    found = reading.load(path)
    assert found.older == [False] * 400 and "older" not in found.origin()
    assert "Edits of it since change none of these runs" in found.origin()
    assert edits.is_present(row)


def test_every_edit_says_what_it_was_and_names_whole_digests():
    for edit in yaml.safe_load(edits.FILE.read_text("utf8")):
        assert len(edit["edit"]) > 40
        for pair in edit["engines"].items():
            for digest in pair:
                assert len(digest) == 64 and not set(digest) - set("0123456789abcdef")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with the engine in two versions, and this process in the second."""
    root = tmp_path / "copy"
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__py*"))
    kind = root / "src/flatminima/runs/kind.py"
    kind.write_text(kind.read_text("utf8") + "\n# before\n", "utf8")

    def git(*words):
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)

    git("init", "-q")
    git("add", "src")
    git("commit", "-q", "-m", "before")
    file = root / "src/flatminima/results/edits.yml"
    monkeypatch.setattr(edits, "FILE", file)
    edits._successors.cache_clear()
    yield file
    edits._successors.cache_clear()


def test_what_is_said_holds_for_runs_of_the_engine_before(checkout):
    present, older = some_rows()
    now = engine_now(present)
    (then,) = edits._engines_at("HEAD", [present])
    assert then != now
    present = present | {"engine": then}
    older = older | {"engine": "0" * 64}
    assert edits.declare("a comment went", [present, older]) == 1
    assert edits.is_present(present) and not edits.is_present(older)
    last = yaml.safe_load(checkout.read_text("utf8"))[-1]
    assert last["edit"] == "a comment went" and last["engines"] == {then: now}
    # said once, it is not said again
    text = checkout.read_text("utf8")
    assert edits.declare("once more", [older]) == 0
    assert checkout.read_text("utf8") == text


def test_an_edit_that_is_taken_back_needs_no_second_word(checkout):
    present = some_rows()[0]
    now = engine_now(present)
    (then,) = edits._engines_at("HEAD", [present])
    checkout.write_text(yaml.safe_dump([{"edit": "", "engines": {now: then}}]), "utf8")
    edits._successors.cache_clear()
    assert edits.is_present(present | {"engine": now})
    with pytest.raises(ValueError, match=f"{now[:8]} was edited into {then[:8]}"):
        edits.declare("and back", [present | {"engine": then}])
    assert edits.is_present(present | {"engine": now})


def test_a_commit_that_is_not_there_is_refused(checkout):
    with pytest.raises(ValueError, match="since = nowhere: "):
        edits.declare("what", some_rows(), since="nowhere")


def test_a_version_number_is_no_part_of_an_engine():
    """A release leaves committed runs as they are."""
    text = (ROOT / "src/flatminima/__init__.py").read_text("utf8")
    assert "metadata" in text and not any(letter.isdigit() for letter in text)
