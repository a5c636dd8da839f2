"""Output never ends a run: whatever stands behind the standard streams."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flatminima.terminal import unbreakable

ROOT = Path(__file__).parents[1]
PROGRAM = """
import sys
from flatminima.terminal import never_break

{before}
never_break()
print("✓ holds, η ≤ 1")
print("a warning …", file=sys.stderr)
open({mark!r}, "w").close()
"""


@pytest.fixture
def program(tmp_path):
    """Run a program that prints what few encodings have; whether it got to its end."""

    def run(before: str = "", **given):
        mark = tmp_path / "ended"
        code = PROGRAM.format(before=before, mark=str(mark))
        given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | given
        source = tmp_path / "program.py"
        source.write_text(code, "utf8")
        command = [sys.executable, str(source)]
        child = subprocess.run(command, **given, check=False)
        assert child.returncode == 0, child.stderr
        return child, mark.exists()

    return run


@pytest.mark.parametrize(
    ("variables", "shown"),
    [
        ({"PYTHONIOENCODING": "utf-8"}, "✓ holds, η ≤ 1"),
        ({"PYTHONIOENCODING": "latin-1"}, r"\u2713 holds, \u03b7 \u2264 1"),
        ({"PYTHONIOENCODING": "ascii:strict"}, r"\u2713 holds, \u03b7 \u2264 1"),
        (
            {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
            r"\u2713 holds, \u03b7 \u2264 1",
        ),
    ],
    ids=["utf-8", "latin-1", "ascii", "C locale"],
)
def test_what_an_encoding_lacks_is_escaped(program, variables, shown):
    child, ended = program(env=os.environ | variables)
    assert ended
    assert child.stdout.decode("utf8").strip() == shown


def test_a_reader_that_leaves_ends_nothing(program):
    reader, writer = os.pipe()
    os.close(reader)  # as `| head` does once it has its lines
    try:
        child, ended = program(stdout=writer)
        assert ended
        assert child.stderr == "a warning …".encode() + b"\n"
    finally:
        os.close(writer)


def test_a_log_on_a_full_disk_ends_nothing(program, tmp_path):
    # files may not grow, which is refused as a write to a full disk is
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"
    with open(tmp_path / "log", "w") as log:
        _, ended = program(full, stdout=log, stderr=log)
    assert ended
    assert (tmp_path / "log").read_text() == ""


def test_a_program_without_streams_runs(program):
    _, ended = program("sys.stdout = sys.stderr = None")
    assert ended


def test_a_stream_without_a_file_stays():
    stream = io.StringIO()
    assert unbreakable(stream) is stream


@pytest.mark.parametrize(
    "module",
    [
        *("flatminima_book", "flatminima.results"),
        *("benchmarks", "benchmarks.kernels", "benchmarks.architectures"),
    ],
)
def test_every_program_of_the_book_begins_with_it(module):
    folder = ROOT if module.startswith("benchmarks") else ROOT / "src"
    path = folder / module.replace(".", "/")
    file = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    _, _, entry = file.read_text("utf8").partition('if __name__ == "__main__":\n')
    assert entry.startswith("    never_break()\n")
