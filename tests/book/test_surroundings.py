"""Chapters run alike whatever the caller's settings are."""

import json
import os
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from flatminima_book.__main__ import main
from flatminima_book.build import build_book
from flatminima_book.execute import environment, execute, write_settings
from flatminima_book.running import build_chapter

TOLD = """\
import json, sys, warnings
import matplotlib
from matplotlib import pyplot

warnings.warn("seen once")
with open("told.json", "w") as file:
    json.dump(
        {
            "executable": sys.executable,
            "asserts": __debug__,
            "started": "hostile" in globals(),
            "encoding": sys.getdefaultencoding(),
            "backend": matplotlib.get_backend(),
            "grid": matplotlib.rcParams["axes.grid"],
            "size": matplotlib.rcParams["font.size"],
            "usual": matplotlib.rcParamsDefault["font.size"],
        },
        file,
    )
pyplot.plot([0, 1]);
"""


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """A user whose settings would change or stop every chapter."""
    home = tmp_path / "home"
    kernel = {
        "argv": ["false"],
        "display_name": "Python 3",
        "language": "python",
        "env": {"HOSTILE": "1"},
    }
    files = {
        "jupyter/kernels/python3/kernel.json": json.dumps(kernel),
        "data/kernels/python3/kernel.json": json.dumps(kernel),
        "ipython/profile_default/startup/00.py": "hostile = True; print('hello')",
        "startup.py": "hostile = True; print('hello')",
        "mpl/matplotlibrc": "axes.grid: True\nfont.size: 40\nbackend: TkAgg\n",
    }
    for name, text in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    variables = {
        "JUPYTER_PATH": home / "jupyter",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "startup.py" / "no folder",
        "IPYTHONDIR": home / "ipython",
        "MATPLOTLIBRC": home / "mpl" / "matplotlibrc",
        "MPLBACKEND": "TkAgg",
        "PYTHONSTARTUP": home / "startup.py",
        "PYTHONWARNINGS": "error",
        "PYTHONOPTIMIZE": "1",
        "PYTHONIOENCODING": "latin-1",
        "LC_ALL": "C",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))


def test_a_chapter_sees_none_of_the_callers_settings(tmp_path, hostile):
    notebook = tmp_path / "told.ipynb"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [new_code_cell(TOLD)]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), notebook)
    output = tmp_path / "executed" / "told.ipynb"
    build = tmp_path / "build"
    outcome = execute(notebook, output, {}, root=tmp_path, build=build, timeout=None)
    assert outcome.failure is None
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["executable"] == sys.executable
    assert told["asserts"] and not told["started"] and not told["grid"]
    assert told["backend"].endswith("backend_inline")
    assert told["size"] == told["usual"]
    (cell,) = nbformat.read(output, as_version=4).cells
    streams = [o for o in cell.outputs if o.output_type == "stream"]
    assert [o.name for o in streams] == ["stderr"]  # the warning, and no greeting
    assert any("image/png" in o.get("data", {}) for o in cell.outputs)


@pytest.mark.parametrize("level", ["", "1", "2"])
def test_pages_are_not_made_without_docstrings(level):
    program = "from flatminima_book import execute; print(execute.setting_problems())"
    child = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONOPTIMIZE": level},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("PYTHONOPTIMIZE = 2: must be at most 1" in child.stdout) == (level == "2")


def test_what_numba_prints_when_asked_stays_out_of_pages(tmp_path, monkeypatch):
    noise = ["NUMBA_DUMP_ASSEMBLY", "NUMBA_DUMP_IR", "NUMBA_DEBUG_CACHE", "NUMBA_TRACE"]
    for name in noise:
        monkeypatch.setenv(name, "1")
    assert not set(noise) & set(environment(tmp_path))


def test_the_environment_keeps_what_is_the_callers_own(tmp_path, monkeypatch):
    monkeypatch.setenv("FLATMINIMA_STORE", "/elsewhere")
    monkeypatch.setenv("NUMBA_CPU_NAME", "znver3")
    found = environment(tmp_path)
    assert found["FLATMINIMA_STORE"] == "/elsewhere"
    assert found["NUMBA_CPU_NAME"] == "znver3"
    assert found["PATH"] == os.environ["PATH"]


def test_fonts_are_listed_in_the_build_where_home_takes_nothing(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    monkeypatch.setenv("HOME", str(home))
    assert "MPLCONFIGDIR" not in environment(tmp_path / "build")
    home.rmdir()
    home.touch()  # nothing can be made in it, not even by root
    found = environment(tmp_path / "build")["MPLCONFIGDIR"]
    assert found == str(tmp_path / "build" / "matplotlib")


def test_the_kernel_follows_the_interpreter(tmp_path, monkeypatch):
    """A build folder that another environment has used is corrected."""
    path = tmp_path / "jupyter/kernels/python3/kernel.json"
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/other/python")
        write_settings(tmp_path)
        assert json.loads(path.read_text())["argv"][0] == "/other/python"
    write_settings(tmp_path)
    assert json.loads(path.read_text())["argv"][0] == sys.executable
    assert sorted(p.name for p in path.parent.iterdir()) == ["kernel.json"]


def test_without_a_compiler_nothing_is_built(book, monkeypatch, capsys):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    (problem,) = build_book(book.project, print, pages=False)
    assert problem.startswith("NUMBA_DISABLE_JIT = 1: must be unset for chapters")
    assert build_chapter(book.project, "one", {}, print) == ([problem], [])
    assert main(["--root", str(book.root), "chapter", "one"]) == 1
    assert problem in capsys.readouterr().err
    assert not (book.root / "_build/chapters").exists()
    assert main(["--root", str(book.root), "check"]) == 0  # it computes nothing
