"""The skeleton of a chapter passes every check, and the book runs it."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flatminima.sweeps.sweep import run_all
from flatminima.sweeps.table import over_seeds
from flatminima_book.__main__ import main
from flatminima_book.check import check_sources
from flatminima_book.notebooks import load_chapter
from flatminima_book.parameters import read_parameter_file
from flatminima_book.verdicts import read_expected
from tests.book.fixture_book import REPOSITORY

TEXTS = [
    "book/demo-chapter.md",
    "params/demo-chapter/smoke.yml",
    "params/demo-chapter/expected.yml",
    "studies/demo_chapter/__init__.py",
    "studies/demo_chapter/claims.yml",
    "studies/demo_chapter/found.yml",
    "studies/demo_chapter/runs.py",
    "tests/studies/demo_chapter/__init__.py",
    "tests/studies/demo_chapter/test_runs.py",
]


def new(root: Path, name: str = "demo-chapter") -> int:
    """Exit status of the command."""
    return main(["--root", str(root), "new", name])


def list_in_toc(root: Path, name: str = "demo-chapter") -> None:
    """Put a chapter at the end of the table of contents."""
    path = root / "_toc.yml"
    toc = yaml.safe_load(path.read_text())
    toc["parts"][-1]["chapters"].append({"file": f"book/{name}"})
    path.write_text(yaml.safe_dump(toc, sort_keys=False))


def test_a_skeleton_passes_the_cheap_checks_with_one_line(book, capsys):
    assert new(book.root) == 0
    said = capsys.readouterr().out
    assert said.endswith(
        "add this line to _toc.yml, in the part where demo-chapter belongs:\n"
        "      - file: book/demo-chapter\n"
    )
    for name in [*TEXTS, "book/demo-chapter.ipynb"]:
        assert f"wrote {name}\n" in said
        text = (book.root / name).read_text()
        assert not re.search("@[a-z]+@", text)
    list_in_toc(book.root)
    assert check_sources(book.project) == []


def test_a_skeleton_expects_its_own_defaults_and_follows_the_template(book):
    new(book.root)
    chapter = load_chapter(book.root / TEXTS[0])
    assert chapter.title == "Demo chapter"
    (expected,) = read_expected(book.root / TEXTS[2])
    assert expected.parameters == chapter.defaults
    assert set(read_parameter_file(book.root / TEXTS[1])) == set(chapter.defaults)
    headings = [
        line[3:]
        for line in (book.root / TEXTS[0]).read_text().splitlines()
        if line.startswith("## ")
    ]
    assert headings == [
        *("What the source claims", "Setting", "Run", "Figure", "Verdict"),
        *("What did not reproduce, and why", "Try it yourself"),
    ]


def test_the_set_up_cell_is_that_of_the_other_chapters(book):
    new(book.root)
    cell = 'get_ipython().run_line_magic("pip", "install flatminima")\n```\n'
    assert cell in (book.root / "book/demo-chapter.md").read_text()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("Demo", "name = 'Demo': allowed are lower-case letters, digits and single"),
        ("demo_chapter", "name = 'demo_chapter': allowed are"),
        ("1-sam", "name = '1-sam': allowed are"),
        ("demo--chapter", "name = 'demo--chapter': allowed are"),
        ("../demo", "name = '../demo': allowed are"),
        ("class", "name = 'class': allowed are no words of Python"),
        ("one", "name = 'one': book/one.md exists already"),
        ("scorecard", "name = 'scorecard': book/scorecard.md exists already"),
        ("taken", "name = 'taken': studies/taken exists already"),
        ("listed", "name = 'listed': _toc.yml has such a page already"),
    ],
)
def test_a_bad_or_taken_name_is_refused_and_nothing_is_written(
    book, capsys, name, problem
):
    book.write("studies/taken/__init__.py", "")
    list_in_toc(book.root, "listed")
    before = sorted(path for path in book.root.rglob("*"))
    assert new(book.root, name) == 1
    assert problem in capsys.readouterr().err
    assert sorted(path for path in book.root.rglob("*")) == before


@pytest.mark.parametrize("pattern", [None, "claims.yml"])
def test_a_book_without_studies_is_refused(book, capsys, pattern):
    line = "" if pattern is None else f'claims = "{pattern}"\n'
    book.write("pyproject.toml", f"[tool.flatminima_book]\n{line}")
    assert new(book.root) == 1
    line = f"claims = {pattern!r}: needed is <folder>/*/claims.yml"
    assert line in capsys.readouterr().err


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The repository's book and packages, with a skeleton."""
    root = tmp_path_factory.mktemp("copy") / "root"
    root.mkdir()
    for name in ("book", "params", "src"):
        shutil.copytree(
            REPOSITORY / name,
            root / name,
            ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"),
        )
    for name in ("_toc.yml", "_config.yml", "pyproject.toml"):
        shutil.copyfile(REPOSITORY / name, root / name)
    press = in_copy(root, "flatminima_book", "new", "demo-chapter")
    assert (press.returncode, press.stderr) == (0, "")
    list_in_toc(root)
    return root


def in_copy(root: Path, *words: str) -> subprocess.CompletedProcess:
    """Run Python there, on the packages of the copy."""
    paths = {"PYTHONPATH": str(root / "src"), "FLATMINIMA_STORE": str(root / "store")}
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=root,
        env=os.environ | paths,
        capture_output=True,
        text=True,
        check=False,
    )


def compute_here(copy: Path) -> None:
    """Put the runs of the skeleton into the store of the copy.

    The copy's engine is the same, so that it finds them. Its kernels would have to be
    compiled anew, as machine code belongs to a place.
    """
    path = copy / "src/flatminima/studies/demo_chapter/runs.py"
    specification = importlib.util.spec_from_file_location("demo_runs", path)
    runs = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(runs)
    given = dict(load_chapter(copy / TEXTS[0]).defaults)
    count, first = given.pop("seeds"), given.pop("first_seed")
    cells = over_seeds(runs.configs(**given).values(), range(first, first + count))
    run_all(cells, folder=copy / "store")


def test_the_book_runs_a_skeleton_and_finds_what_it_expects(copy):
    compute_here(copy)
    press = in_copy(copy, "flatminima_book", "build", "--chapters", "demo-chapter")
    assert (press.returncode, press.stderr) == (0, "")
    card = yaml.safe_load((copy / "_build/scorecard.json").read_text())
    (entry,) = card
    assert entry["id"] == "demo-chapter-flatter"
    assert entry["verdict"] == entry["expected"] == "holds"
    page = (copy / "_build/stage/book/demo-chapter.ipynb").read_text()
    assert "What we found" in page
    assert "ends flatter than SGD, by a" in page
    assert not (copy / "_build/numba").exists()  # it found the runs


def test_the_tests_of_a_skeleton_pass(copy):
    folder = "tests/studies/demo_chapter"
    tests = in_copy(copy, "pytest", "-q", "-p", "no:cacheprovider", folder)
    assert tests.returncode == 0, tests.stdout
    assert "2 passed" in tests.stdout


def test_the_code_of_a_skeleton_is_styled(copy):
    code = [
        str(copy / "src/flatminima/studies/demo_chapter"),
        str(copy / "tests/studies/demo_chapter"),
    ]
    for words in (["check"], ["format", "--check"]):
        styled = in_copy(copy, "ruff", *words, "--no-cache", *code)
        assert styled.returncode == 0, styled.stdout
