"""Checkouts that are moved, copied, cloned with other line ends, or oddly named.

The targets of the Makefile run with a stand-in for Python that notes what it is asked.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import flatminima
from flatminima.checkout import WrongCheckout, checkout_of, refuse_another
from flatminima.results.__main__ import main as results
from flatminima.sweeps.sweep import run_all
from flatminima_book import chapter
from flatminima_book.__main__ import main as press
from tests.faults.cells import SHORT
from tests.test_repository import make_targets

ROOT = Path(__file__).parents[1]
ODD = "Büro  (2), d'été & $co"
TOOLS = ("python", "ruff", "mypy", "uv")

# As `python -m venv` does, it makes a folder with itself as the tools.
STAND_IN = f"""#!{sys.executable} -S
import json, locale, os, pathlib, shutil, sys

with open(os.environ["NOTED"], "a") as file:
    record = os.environ.get("FLATMINIMA_RECORD", "")
    # the real one cannot read where the code is otherwise
    os.getcwd().encode(locale.getlocale()[1])
    print(json.dumps([os.getcwd(), record, *sys.argv]), file=file)
if sys.argv[1:3] == ["-m", "venv"]:
    venv = pathlib.Path(sys.argv[-1])
    if "--clear" in sys.argv and venv.exists():
        shutil.rmtree(venv)
    (venv / "bin").mkdir(parents=True, exist_ok=True)
    for tool in {TOOLS}:
        shutil.copy(sys.argv[0], venv / "bin" / tool)
"""


class Checkout:
    """A folder with the Makefile, and what Python was asked to do in it."""

    def __init__(self, root: Path):
        self.root = root

    def make(self, *words: str, **variables: str) -> list[list[str]]:
        """Run make; for each call of Python, the record to write and the words."""
        done, asked = self.try_to_make(*words, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return asked

    def try_to_make(self, *words: str, **variables: str):
        """The same, and how it ended."""
        noted = self.root.parent / "noted"
        noted.write_text("")
        bin_folder = self.root.parent / "bin"
        done = subprocess.run(
            ["make", *words],
            cwd=self.root,
            env=os.environ
            | {"NOTED": str(noted), "PATH": f"{bin_folder}:{os.environ['PATH']}"}
            | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        asked = [json.loads(line) for line in noted.read_text().splitlines()]
        places = {Path(folder) for folder, *_ in asked}
        assert all(place.is_relative_to(self.root) for place in places)
        return done, [words for _, *words in asked]


def installs(asked: list[list[str]]) -> list[list[str]]:
    """The environments that were made: words after `-m venv`."""
    return [words[4:] for words in asked if words[2:4] == ["-m", "venv"]]


@pytest.fixture
def checkout(tmp_path):
    root = tmp_path / ODD
    (root / "_build" / "html").mkdir(parents=True)
    (root / "_build" / "html" / "index.html").touch()
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, root)
    stand_in = tmp_path / "bin" / "python3"
    stand_in.parent.mkdir()
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)
    return Checkout(root)


def test_every_target_runs_in_a_folder_of_any_name(checkout):
    # `lowest` copies what git knows to a folder of its own
    targets = sorted(make_targets() - {"distclean", "lowest"})
    assert {"book", "results", "serve", "test"} <= set(targets)
    for target in targets:
        asked = checkout.make(target, "CHAPTER=one", "CHAPTERS=one two")
        assert asked or target in ("help", "install", "clean"), target
    assert (checkout.root / ".venv").is_dir()
    checkout.make("distclean")
    assert not (checkout.root / ".venv").exists()


@pytest.mark.parametrize("name", ["C", "POSIX", "xx_XX.ISO-8859-1"])
def test_python_starts_in_every_locale(checkout, name):
    assert installs(checkout.make("book", LC_ALL=name))
    assert checkout.make("book", LC_ALL=name)


def test_the_records_of_results_are_those_that_are_collected(checkout):
    checkout.make("install")
    record = str(checkout.root / "_build" / "record" / "one.jsonl")
    ran, collected = checkout.make("results", "CHAPTERS=one")
    assert (ran[0], ran[4:6]) == (record, ["chapter", "one"])
    assert collected[4:] == ["collect", record, "results/one.jsonl"]
    ran, collected = checkout.make("quick-results", "CHAPTERS=one")
    assert (ran[0], ran[4:6]) == (record, ["chapter", "one"])
    own = record.replace("one.jsonl", "one-quick.jsonl")
    assert collected[4:] == ["collect", own, "results/one-quick.jsonl"]


def test_an_environment_is_made_once(checkout):
    assert installs(checkout.make("book")) == [["--clear", ".venv"]]
    assert installs(checkout.make("book")) == []
    assert checkout.make("install") == []
    # what it is made of has changed
    os.utime(checkout.root / "requirements.lock", (2**31, 2**31))
    assert installs(checkout.make("book")) == [[".venv"]]


@pytest.mark.parametrize("how", [shutil.move, shutil.copytree])
def test_a_checkout_that_moved_gets_an_environment_of_its_own(checkout, how):
    checkout.make("install")
    elsewhere = checkout.root.parent / "new place"
    how(checkout.root, elsewhere)
    moved = Checkout(elsewhere)
    stale = elsewhere / ".venv" / "stale"
    stale.touch()
    assert installs(moved.make("book")) == [["--clear", ".venv"]]
    assert not stale.exists()
    assert moved.make("install") == []


def test_an_environment_that_was_not_finished_is_made_again(checkout):
    checkout.make("install")
    (checkout.root / ".venv" / ".installed").write_text("")
    assert installs(checkout.make("book")) == [["--clear", ".venv"]]


def test_the_environment_of_another_checkout_is_left_alone(checkout):
    checkout.make("install")
    other = Checkout(checkout.root.parent / "other")
    shutil.copytree(checkout.root, other.root, ignore=lambda *_: [".venv"])
    (other.root / ".venv").symlink_to(checkout.root / ".venv")
    done, asked = other.try_to_make("book")
    assert done.returncode != 0 and asked == []
    assert ".venv is a link" in done.stdout
    assert (checkout.root / ".venv" / "bin" / "python").exists()


# --- the engine of another checkout --------------------------------------------


@pytest.fixture
def copy(tmp_path):
    """A checkout whose engine is not the one that is imported."""
    root = tmp_path / "copy"
    shutil.copytree(
        ROOT / "src" / "flatminima",
        root / "src" / "flatminima",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name in ("pyproject.toml", "_toc.yml"):
        shutil.copy(ROOT / name, root)
    return root


def test_a_folder_knows_its_checkout(copy, tmp_path):
    assert checkout_of(copy) == copy
    assert checkout_of(copy / "book" / "not there") == copy
    assert checkout_of(tmp_path) is None
    assert checkout_of(Path(flatminima.__file__)) == ROOT


def test_the_engine_of_another_checkout_is_refused(copy, tmp_path):
    refuse_another(tmp_path)
    refuse_another(ROOT / "book")
    with pytest.raises(WrongCheckout) as caught:
        refuse_another(copy / "book")
    message = str(caught.value)
    assert str(copy) in message
    assert str(Path(flatminima.__file__).parent) in message
    assert f"Run `make install` in {copy}" in message


def test_a_checkout_by_another_name_is_the_same(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(ROOT)
    refuse_another(link)


@pytest.mark.parametrize("command", ["build", "chapter scenario-2", "pages", "check"])
def test_the_press_refuses_to_work_in_a_copy(copy, capsys, command):
    assert press(["--root", str(copy), *command.split()]) == 1
    assert "is a checkout with an engine of its own" in capsys.readouterr().err
    assert not (copy / "_build").exists()


def test_sweeps_and_results_refuse_to_work_in_a_copy(copy, capsys, monkeypatch, store):
    monkeypatch.chdir(copy)
    with pytest.raises(WrongCheckout):
        run_all([SHORT])
    assert results(["verify"]) == 1
    assert "is a checkout with an engine of its own" in capsys.readouterr().err
    assert not store.exists()


def test_a_notebook_refuses_to_start_in_a_copy(copy, monkeypatch):
    shell = SimpleNamespace(user_ns={}, kernel=None)
    monkeypatch.setattr(chapter, "_shell", lambda: shell)
    chapter.start()
    monkeypatch.chdir(copy)
    with pytest.raises(WrongCheckout):
        chapter.start()


# --- line ends -------------------------------------------------------------------


def test_a_checkout_has_the_same_bytes_whatever_git_is_told(tmp_path):
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    git = ["git", "-c", "core.autocrlf=true", "-c", "core.eol=crlf"]
    names = ["src", "book", "params", "Makefile", ".ci/run"]
    listed = subprocess.check_output(["git", "ls-files", "-z", *names], cwd=ROOT)
    subprocess.run(
        [*git, "checkout-index", "-z", "--stdin", f"--prefix={tmp_path}/"],
        cwd=ROOT,
        input=listed,
        check=True,
    )
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == listed.count(b"\0") > 100
    texts = [path for path in written if path.suffix not in (".npz", ".png")]
    assert [path.name for path in texts if b"\r" in path.read_bytes()] == []
    for path in set(written) - set(texts):
        same = (ROOT / path.relative_to(tmp_path)).read_bytes()
        assert path.read_bytes() == same


def test_every_tracked_file_is_text_with_plain_line_ends_or_binary():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.check_output(["git", "ls-files", "--eol"], cwd=ROOT, text=True)
    ends = {line.split()[0] for line in listed.splitlines()}
    assert ends <= {"i/lf", "i/none", "i/-text"}
