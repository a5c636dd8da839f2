"""Where things lie: in the checkout, in the user's cache, or where a variable says."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import flatminima
from flatminima import paths
from flatminima.claims.found import VERDICTS_VARIABLE, verdicts_folder
from flatminima.paths import build_folder, make_folder, store_folder
from tests.ordinary import bound


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in (paths.CACHE_VARIABLE, paths.STORE_VARIABLE, VERDICTS_VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package that is not in a checkout."""
    home = tmp_path / "lib" / "site-packages" / "flatminima" / "paths.py"
    monkeypatch.setattr(paths, "__file__", str(home))


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout that the test may spoil."""
    root = tmp_path / "checkout"
    root.mkdir()
    (root / "pyproject.toml").touch()
    monkeypatch.setattr(paths, "__file__", str(root / "src" / "flatminima" / "p.py"))
    return root


def in_the_users_cache(folder: Path) -> bool:
    return folder.name == "flatminima" and "cache" in str(folder).lower()


def test_a_checkout_keeps_what_it_computes(checkout):
    assert build_folder() == checkout / "_build"
    assert store_folder() == checkout / "_build" / "store"
    assert verdicts_folder() == checkout / "_build" / "verdicts"


@pytest.mark.usefixtures("installed")
def test_an_installed_package_uses_the_users_cache():
    assert in_the_users_cache(build_folder())
    assert store_folder() == build_folder() / "store"


def test_one_variable_moves_all_of_it(checkout, monkeypatch, tmp_path):
    monkeypatch.setenv("FLATMINIMA_CACHE", str(tmp_path))
    assert build_folder() == tmp_path
    assert store_folder() == tmp_path / "store"
    monkeypatch.setenv("FLATMINIMA_STORE", str(tmp_path / "runs"))
    assert (build_folder(), store_folder()) == (tmp_path, tmp_path / "runs")
    # what the press has written stays where it is
    assert verdicts_folder() == checkout / "_build" / "verdicts"


def test_a_home_and_a_working_folder_are_filled_in(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("FLATMINIMA_STORE", "~/results")
    assert store_folder() == tmp_path / "me" / "results"
    monkeypatch.setenv("FLATMINIMA_CACHE", "here")
    assert build_folder() == tmp_path / "here"


@pytest.mark.parametrize("name", ["FLATMINIMA_CACHE", "FLATMINIMA_STORE"])
def test_a_home_that_is_not_there(monkeypatch, name):
    monkeypatch.setenv(name, "~nobody-of-this-name/cache")
    with pytest.raises(ValueError, match=f"{name} = '~nobody-of-this-name/cache'"):
        store_folder()


def test_a_build_folder_that_is_a_file_is_not_passed_over(checkout):
    (checkout / "_build").touch()
    assert build_folder() == checkout / "_build"


def test_a_file_in_the_place_of_a_folder_is_replaced_and_said(tmp_path):
    (tmp_path / "one").write_text("")
    with pytest.warns(UserWarning, match="one is a file") as caught:
        assert make_folder(tmp_path, "one", "two") == tmp_path / "one" / "two"
    assert len(caught) == 1 and str(tmp_path / "one") in str(caught[0].message)
    assert (tmp_path / "one" / "two").is_dir()


def test_a_folder_that_is_closed_to_its_owner_is_opened_and_said(tmp_path):
    (tmp_path / "one").mkdir(mode=0o050)
    with pytest.warns(UserWarning, match=f"{tmp_path / 'one'} is closed"):
        make_folder(tmp_path, "one", "two")
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) & 0o700 == 0o700


SWEEP = """
import sys
from flatminima import paths
from flatminima.runs.mlp.config import Config
from flatminima.sweeps.sweep import sweep

sweep([Config(architecture="bias", d=4, n=5, width=4, num_steps=4, lr=0.01)], seeds=1)
print(paths.build_folder())
"""


def test_a_build_folder_of_somebody_else(checkout, monkeypatch):
    (checkout / "_build").mkdir()
    monkeypatch.setattr(os, "access", lambda place, mode: place == checkout)
    assert in_the_users_cache(build_folder())


def test_a_checkout_that_is_read_only(tmp_path):
    """A colleague's, or that of a course: runs go to the user's own cache."""
    root = tmp_path / "checkout"
    shutil.copytree(
        Path(flatminima.__file__).parent,
        root / "src" / "flatminima",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    (root / "pyproject.toml").touch()
    folders = [path for path in (root, *root.rglob("*")) if path.is_dir()]
    for folder in folders:
        folder.chmod(0o555)
    mine = {"XDG_CACHE_HOME": str(tmp_path / "mine"), "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [*bound(), sys.executable, "-W", "error::UserWarning", "-c", SWEEP],
        env=os.environ | mine | {"PYTHONPATH": str(root / "src")},
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    for folder in folders:
        folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    cache = tmp_path / "mine" / "flatminima"
    assert done.stdout.strip() == str(cache)
    assert len(list((cache / "store").glob("*.npz"))) == 1
    tracked = {"fashion_mnist_subset.npz"}  # images that travel with the package
    assert {path.name for path in root.rglob("*.npz")} == tracked
