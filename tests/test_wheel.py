"""What is installed without a checkout: all that chapters read, and they run from it.

A wheel and a source distribution are built from a copy of the sources, without a
network. The wheel is unpacked, not installed: the environment stays as it is.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from importlib.metadata import distribution
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from flatminima.results import __main__ as results_main
from flatminima.results import reading
from flatminima.results.kept import kept
from flatminima_book.__main__ import main as press_main
from flatminima_book.notebooks import load_chapters
from flatminima_book.project import load
from tests.examples import examples
from tests.one_kernel import one_kernel

ROOT = Path(__file__).parents[1]
BUILT_FROM = (
    *("pyproject.toml", "setup.py", "README.md", "LICENSE", "LICENSE-TEXT"),
    *("src", "results", "benchmarks"),
)
BUILD = "from setuptools import build_meta; build_meta.build_{}('dist')"
KEPT = [
    *(ROOT / "results").glob("*.jsonl"),
    *(ROOT / "results/devices").glob("*.json"),
    *(ROOT / "benchmarks/results").glob("*.json"),
]


def build(folder: Path, kind: str) -> Path:
    """Build a "wheel" or an "sdist" in a folder of sources."""
    command = [sys.executable, "-c", BUILD.format(kind)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = (folder / "dist").glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


def contents(wheel: Path) -> dict[str, bytes]:
    """The files of a wheel, but for those that describe it."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        return {name: archive.read(name) for name in names}


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Path:
    """A copy of what a build reads; it leaves folders of its own beside it."""
    folder = tmp_path_factory.mktemp("sources")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(sources) -> Path:
    return build(sources, "wheel")


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """A folder with the packages, as in site-packages."""
    folder = tmp_path_factory.mktemp("site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_a_wheel_holds_the_sources_and_what_chapters_read(wheel, sources):
    src = sources / "src"
    expected = {
        path.relative_to(src).as_posix(): path.read_bytes()
        for path in src.rglob("*")
        if path.is_file() and "egg-info" not in str(path)
    } | {
        f"flatminima/kept/{path.relative_to(ROOT).as_posix()}": path.read_bytes()
        for path in KEPT
    }
    found = contents(wheel)
    assert sorted(found) == sorted(expected)
    assert found == expected
    assert {path.stem for path in KEPT} >= {"scenario-1", "beyond-xor", "speed"}


def test_a_source_distribution_makes_the_same_wheel(wheel, sources, tmp_path):
    with tarfile.open(build(sources, "sdist")) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    assert contents(build(unpacked, "wheel")) == contents(wheel)


CURRENT = """
import flatminima
from flatminima.results import committed
from flatminima.results.kept import kept

print(flatminima.__file__)
for file in sorted(kept("results").glob("*.jsonl")):
    found = committed(file.stem)
    print(file.stem, len(found.rows), sum(found.older))
"""


def printed(notebook) -> str:
    """What the cells of an executed notebook have printed."""
    outputs = [o for c in notebook.cells for o in c.get("outputs", [])]
    return "".join(o["text"] for o in outputs if o.output_type == "stream")


def test_chapters_run_from_a_wheel_and_committed_runs_are_as_current_as_here(
    installed, tmp_path, store
):
    """Those chapters that compile nothing; all others read no more than they do."""
    chapters = {chapter.name: chapter for chapter in load_chapters(load(ROOT))}
    question = tmp_path / "question.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(CURRENT)]), question)
    empty = tmp_path / "empty"
    empty.mkdir()
    variables = {"PYTHONPATH": str(installed), "FLATMINIMA_STORE": str(store)}
    with one_kernel(tmp_path / "build", **variables) as run:
        for name in ("speed", "scale"):
            failure = run(chapters[name].paired, {}, empty, tmp_path).failure
            assert failure is None, failure.line(name)
        answer = run(question, {}, empty, tmp_path)
    assert answer.failure is None, answer.failure.line("question")
    home, *files = printed(answer.notebook).splitlines()
    assert Path(home).is_relative_to(installed)
    here = {
        path.stem: reading.load(path) for path in (ROOT / "results").glob("*.jsonl")
    }
    assert sorted(files) == sorted(
        f"{name} {len(found.rows)} {sum(found.older)}" for name, found in here.items()
    )
    assert any(not all(found.older) for found in here.values())
    assert list(empty.iterdir()) == []


# --- the library in an empty environment --------------------------------------


def required(metadata: str) -> list[str]:
    """Names of the packages that a distribution cannot do without."""
    lines = Parser().parsestr(metadata).get_all("Requires-Dist") or []
    found = [Requirement(line) for line in lines]
    return [
        r.name for r in found if r.marker is None or r.marker.evaluate({"extra": ""})
    ]


@pytest.fixture(scope="module")
def declared(wheel, tmp_path_factory) -> Path:
    """A folder with what the wheel asks for, and what that asks for, and no more."""
    folder = tmp_path_factory.mktemp("declared")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        waiting = required(archive.read(name).decode())
    seen: set[str] = set()
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        found = distribution(name)
        waiting += required(found.read_text("METADATA") or "")
        for top in {file.parts[0] for file in found.files or ()} - {
            "..",
            "__pycache__",
        }:
            if not (folder / top).exists():
                (folder / top).symlink_to(found.locate_file(top))
    return folder


def run_alone(code: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    """Run Python that sees its standard library and these folders, nothing else."""
    alone = {"PYTHONPATH": os.pathsep.join(map(str, paths)), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-S", "-P", "-c", code]
    return subprocess.run(
        command, env=alone, cwd=paths[0], capture_output=True, text=True, timeout=300
    )


def test_an_empty_environment_is_empty(installed, declared, tmp_path):
    """Else the test below would find what the wheel forgot to ask for."""
    assert "No module named 'torch'" in run_alone("import torch", tmp_path).stderr
    for module in ("pytest", "jupyter_book", "playwright", "flatminima"):
        assert "ModuleNotFoundError" in run_alone(f"import {module}", declared).stderr
    where = run_alone(
        "import flatminima; print(flatminima.__file__)", installed, declared
    )
    assert Path(where.stdout.strip()).is_relative_to(installed)


def test_the_readmes_examples_run_there(installed, declared):
    first, *others = examples()
    found = run_alone(first, installed, declared)
    assert found.returncode == 0, found.stderr
    loss, trace, least = map(float, re.findall(r"-?\d[\d.e+-]*", found.stdout))
    # a network that nearly fits is hardly flatter than the flattest that does
    assert loss < 0.01 and trace > 0.9 * least > 0
    assert others
    for text in others:
        found = run_alone(text, installed, declared)
        assert found.returncode == 0, found.stderr
        assert len(found.stdout.splitlines()) == text.count("print(")


# --- where the files are ------------------------------------------------------


def test_a_checkout_reads_its_own_files():
    assert kept("results") == ROOT / "results"
    assert kept("benchmarks/results") == ROOT / "benchmarks" / "results"


def make_package(folder: Path, *kept_folders: str) -> Path:
    """A folder of the package, with copies of some folders."""
    package = folder / "flatminima"
    for name in ("results", *(f"kept/{each}" for each in kept_folders)):
        (package / name).mkdir(parents=True)
    return package


def test_the_copy_comes_before_the_project_around_it(tmp_path):
    """`pip install --target` puts packages into the checkout of another project."""
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "results").mkdir()
    package = make_package(tmp_path / "src", "results")
    assert kept("results", package) == package / "kept" / "results"


@pytest.mark.parametrize("folder", ["lib", "src"])
def test_what_was_lost_does_not_pass_for_empty(folder, tmp_path):
    if folder == "lib":
        (tmp_path / "pyproject.toml").touch()
    package = make_package(tmp_path / folder)
    with pytest.raises(FileNotFoundError, match=r"without its files of results/") as e:
        kept("results", package)
    assert str(package) in str(e.value)


# --- commands elsewhere -------------------------------------------------------


def test_committed_runs_are_found_from_any_folder(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        results_main, "verify", lambda paths, *_: asked.extend(paths) or []
    )
    monkeypatch.chdir(tmp_path)
    assert results_main.main(["verify"]) == 0
    assert asked == sorted((ROOT / "results").glob("*.jsonl"))


@pytest.mark.parametrize(
    "command", [["check"], ["build"], ["pages"], ["pair"], ["chapter", "speed"]]
)
def test_the_press_says_that_it_needs_a_checkout(command, tmp_path, capsys):
    assert press_main(["--root", str(tmp_path), *command]) == 1
    said = capsys.readouterr().err
    assert f"error: no book in {tmp_path}: _toc.yml is missing" in said
    assert "checkout of the book" in said
    assert list(tmp_path.iterdir()) == []
