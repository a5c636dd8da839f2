"""Machine code on disk that is damaged in every way: said once, and compiled again."""

import importlib.util
import os
import pickle
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numba
import numpy as np
import pytest

from flatminima.kernels import machine_code
from flatminima.kernels.compile import compiled
from flatminima.kernels.machine_code import keep
from tests.ordinary import bound

ROOT = Path(__file__).parents[2]
SOURCE = "def double(x):\n    return 2 * x\n"


class Program:
    """What a program does that starts now: it has compiled and said nothing yet."""

    def __init__(self, source: Path):
        spec = importlib.util.spec_from_file_location("machine_code_toy", source)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # where numba looks it up
        spec.loader.exec_module(module)
        self.kernel = keep(numba.njit(module.double), "digest")

    def run(self, value=1.5, expected: str | None = None) -> bool:
        """Call the kernel; whether its machine code was found.

        Args:
            value: to double.
            expected: what the one warning says, or None if there is none.
        """
        messages = self.warnings(value)
        assert len(messages) == (expected is not None), messages
        assert all(expected in message for message in messages)
        return sum(self.kernel.stats.cache_hits.values()) == 1

    def warnings(self, value=1.5) -> list[str]:
        """Call the kernel; what is said."""
        machine_code._said.clear()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert self.kernel(value) == 2 * value
        return [str(warning.message) for warning in caught]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The cache of a test."""
    monkeypatch.setenv("FLATMINIMA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def program(cache, tmp_path):
    """Start a program."""
    source = tmp_path / "toy.py"
    source.write_text(SOURCE)
    return lambda: Program(source)


def kept(cache: Path, suffix: str) -> Path:
    (path,) = (cache / "numba" / "digest").glob(f"*/*.{suffix}")
    return path


def test_a_second_program_finds_what_the_first_compiled(program, cache):
    assert not program().run()
    assert program().run()
    assert not program().run(np.float32(1.5))
    assert program().run(np.float32(1.5)) and program().run()
    assert sorted(p.name for p in cache.iterdir()) == ["numba"]


def cut(path):
    path.write_bytes(path.read_bytes()[:-10])


def halve(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


def garbage(path):
    path.write_bytes(b"\0garbage" * 100)


def foreign(path):
    """A file as numba itself writes it, without a checksum."""
    path.write_bytes(pickle.dumps("0.0.0") + pickle.dumps(("stamp", {})))


def folder(path):
    path.unlink()
    path.mkdir()


def full_folder(path):
    folder(path)
    (path / "something").touch()


DAMAGES = [cut, halve, flip, empty, garbage, foreign, folder, full_folder]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
def test_a_damaged_file_is_said_and_made_again(program, cache, suffix, damage):
    program().run()
    path = kept(cache, suffix)
    damage(path)
    assert not program().run(expected=f"machine code in {path} is damaged")
    assert program().run()


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
def test_a_damaged_file_that_cannot_be_removed_is_not_read(
    program, cache, suffix, monkeypatch
):
    def refused(*arguments, **options):
        raise PermissionError

    program().run()
    path = kept(cache, suffix)
    garbage(path)
    monkeypatch.setattr(Path, "unlink", refused)
    assert not program().run(expected=f"machine code in {path} is damaged")
    assert program().run()  # it was written over


def test_a_file_that_was_removed_is_not_damaged(program, cache):
    program().run()
    kept(cache, "nbc").unlink()
    assert not program().run()
    assert program().run()


@pytest.mark.parametrize("level", ["numba", "numba/digest", "numba/digest/*"])
def test_a_file_in_the_place_of_a_folder(program, cache, level):
    program().run()
    (place,) = cache.glob(level)
    shutil.rmtree(place)
    place.write_text("")
    expected = f"{place} is a file, where a folder should be"
    assert not program().run(expected=expected)
    assert program().run()


def test_a_cache_that_is_a_file_is_left_alone(program, cache):
    cache.write_text("mine")
    expected = f"machine code cannot be kept in {cache / 'numba'}"
    assert not program().run(expected=expected)
    assert cache.read_text() == "mine"


def test_other_errors_are_not_swallowed(program, monkeypatch):
    program().run()

    def broken(*arguments):
        raise ZeroDivisionError

    monkeypatch.setattr(machine_code._Code, "rebuild", broken)
    with pytest.raises(ZeroDivisionError):
        program().run()


def test_programs_that_compile_at_once_do_not_take_each_others_code(
    program, monkeypatch
):
    """One reads the index, then the other writes, then the first does."""
    first, second = program(), program()
    files = first.kernel._cache._cache_file
    read = files._load_index
    stale = read()
    second.run(np.float32(1.5))
    monkeypatch.setattr(files, "_load_index", lambda: dict(stale))
    first.run(1.5)
    monkeypatch.undo()
    for value in (1.5, np.float32(1.5)):
        third = program()
        third.run(value)
        (found,) = third.kernel.overloads
        assert found == (numba.typeof(value),)


def test_an_edit_of_the_file_is_seen(program, tmp_path):
    program().run()
    (tmp_path / "toy.py").write_text(SOURCE + "# edited\n")
    assert not program().run()


def test_settings_of_the_user_do_not_move_the_cache(program, cache, tmp_path):
    script = (
        "import numba\n"
        "from flatminima.kernels.heads import heads\n"
        "print(heads._cache.cache_path, numba.config.CACHE_DIR)"
    )
    other = {"NUMBA_CACHE_DIR": str(tmp_path / "numba")}
    other["NUMBA_CACHE_LOCATOR_CLASSES"] = "InTreeCacheLocator"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | other | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    ours, theirs = done.stdout.split()
    assert Path(ours).is_relative_to(cache / "numba")
    assert theirs == str(tmp_path / "numba")


CLOSED = """
import os, pathlib, sys
from tests.kernels.test_machine_code import Program, kept

source, cache = map(pathlib.Path, sys.argv[1:])
Program(source).run()
for suffix in ("nbc", "nbi"):
    path = kept(cache, suffix)
    path.chmod(0)
    assert not Program(source).run(expected=f"machine code in {path} is damaged (Perm")
    assert Program(source).run()
for place in (path.parent, cache / "numba"):
    place.chmod(0)
    assert Program(source).run(expected=f"{place} is closed to its owner")
    assert Program(source).run()
    place.chmod(0o500)
    assert Program(source).run(expected=f"{place} is closed to its owner")
cache.chmod(0o500)
assert Program(source).run()  # nothing has to be written
cache.chmod(0)
expected = f"machine code cannot be kept in {cache / 'numba'} (Permission denied)"
assert not Program(source).run(expected=expected)
cache.chmod(0o700)
"""


def test_permissions(program, cache, tmp_path):
    """Files and folders that their owner may not read, or not write."""
    program()
    words = [sys.executable, "-c", CLOSED, tmp_path / "toy.py", cache]
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    done = subprocess.run(
        [*bound(), *map(str, words)],
        env=os.environ | {"PYTHONPATH": paths},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.uncompiled
def test_without_a_compiler_a_kernel_is_its_function():
    def double(x):
        return 2 * x

    kernel = compiled(double)
    assert (kernel is double) == bool(numba.config.DISABLE_JIT)
