"""Ctrl-C, kills and waits: nothing is left behind, and nothing half is read."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial

import psutil
import pytest

from flatminima_book import execute, running, schedule
from flatminima_book.execute import progress_file
from flatminima_book.running import build_chapter
from tests.book.fixture_book import code

PATIENCE = 300
"""Seconds until a wait fails, so that no test hangs. None measures a time."""

WAIT = """\
import os, pathlib, time
pathlib.Path("started").write_text(str(os.getpid()))
time.sleep(3600)
"""


def wait_for(condition):
    """Return once a condition holds; fail if it does not."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


@pytest.fixture
def press(book):
    """Starts the press on a book whose chapter two waits; kills what it leaves."""
    book.chapter("two", "<!-- two-a -->", code(WAIT))
    started: list[psutil.Process] = []

    def start(*words):
        child = subprocess.Popen(
            [sys.executable, "-m", "flatminima_book", "--root", str(book.root), *words],
            cwd=book.root,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(psutil.Process(child.pid))
        marker = book.root / "started"
        wait_for(lambda: marker.exists() and marker.read_text())
        family = psutil.Process(child.pid).children(recursive=True)
        assert int(marker.read_text()) in [process.pid for process in family]
        started.extend(family)
        return child, family

    yield start
    for process in started:
        with suppress(psutil.NoSuchProcess):  # it compares the start
            process.kill()


def gone(family):
    """Whether no process is left; one that nobody has waited for yet counts as gone."""
    return not [
        process
        for process in family
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    ]


@pytest.mark.parametrize("words", [("build",), ("chapter", "two")])
def test_ctrl_c_ends_everything_and_keeps_the_last_whole_notebook(press, book, words):
    folder = "executed" if words == ("build",) else "chapters"
    book.write(f"_build/{folder}/two.ipynb", "the last whole one")
    child, family = press(*words)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=PATIENCE)
    assert child.returncode == 130
    assert errors.strip() == (
        "Stopped. Finished runs are kept; run the same again to go on."
    )
    wait_for(lambda: gone(family))
    kept = book.root / f"_build/{folder}"
    assert (kept / "two.ipynb").read_text() == "the last whole one"
    assert {path.name for path in kept.iterdir()} <= {"one.ipynb", "two.ipynb"}


def test_a_killed_press_leaves_no_kernel_and_a_new_build_can_start(press, book):
    child, family = press("chapter", "two")
    child.kill()
    wait_for(lambda: gone(family))
    child.communicate(timeout=PATIENCE)
    drafts = list((book.root / "_build/chapters").glob("*.draft.ipynb"))
    assert len(drafts) == 1  # nobody was there to remove it, and nobody reads it
    assert not (book.root / "_build/chapters/two.ipynb").exists()


def test_a_child_that_dies_half_way_leaves_the_last_whole_notebook(
    book, tmp_path, monkeypatch
):
    """In the place of Python: a child that writes half a draft and dies."""
    fake = tmp_path / "python"
    fake.write_text(
        f"#!{sys.executable}\n"
        "import json, os, sys\n"
        "job = json.load(sys.stdin)\n"
        "open(job['output'], 'w').write('{\"cells\": [')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    output = book.root / "out/two.ipynb"
    book.write("out/two.ipynb", "the last whole one")
    outcome = execute.execute(
        book.root / "book/two.ipynb",
        output,
        {},
        root=book.root,
        build=book.root / "_build",
        timeout=1,
    )
    assert outcome.failure is not None
    assert outcome.failure.error == "exit status -9"
    assert output.read_text() == "the last whole one"
    assert list(output.parent.iterdir()) == [output]


def test_what_still_runs_is_shown_with_its_note_of_progress(book, monkeypatch):
    note = (
        "import os, pathlib, time\n"
        "while not pathlib.Path('shown without').exists():\n"
        "    time.sleep(0.02)\n"
        "note = pathlib.Path(os.environ['FLATMINIMA_PROGRESS'])\n"
        "note.write_text('3.5 of 8 runs')\n"
        "while not pathlib.Path('shown with').exists():\n"
        "    time.sleep(0.02)"
    )
    book.chapter("two", "<!-- two-a -->", code(note))
    monkeypatch.setattr(running, "run_all", partial(schedule.run_all, every=0.1))
    lines = {
        "still running: two": "shown without",
        "still running: two (3.5 of 8 runs)": "shown with",
    }

    def say(line):
        if line in lines:
            book.write(lines[line], "")

    build_chapter(book.project, "two", {}, say)
    assert all((book.root / name).exists() for name in lines.values())
    assert not progress_file(book.root / "_build/chapters/two.ipynb").exists()


def test_notes_of_several_chapters_are_shown_together(tmp_path):
    (tmp_path / "a.progress").write_text("1.0 of 2 runs")
    line = running._still(tmp_path, ["a", "b"])
    assert line == "still running: a (1.0 of 2 runs), b"


def test_a_child_without_a_parent_ends_itself():
    """Its parent is said to be a process that is not its parent."""
    script = (
        "import time; from flatminima_book.execute import end_with; "
        "end_with(0); time.sleep(3600)"
    )
    child = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=PATIENCE,
        check=False,
    )
    assert child.returncode == 1


def test_a_second_ctrl_c_still_kills_the_children(monkeypatch):
    def impatient(processes, timeout):
        raise KeyboardInterrupt

    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    monkeypatch.setattr(psutil, "wait_procs", impatient)
    family = [psutil.Process(sleeper.pid)]
    monkeypatch.setattr(psutil.Process, "children", lambda self, recursive: family)
    with pytest.raises(KeyboardInterrupt):
        execute.stop_children()
    assert sleeper.wait(PATIENCE) == -signal.SIGKILL


def test_work_that_starts_late_is_stopped_as_well(monkeypatch):
    """The first call to stop comes too early for it."""
    stops: list[float] = []
    ended = []
    waiting = threading.Event()
    wait = schedule.wait

    def noted(*arguments, **options):
        waiting.set()
        return wait(*arguments, **options)

    def work(name):
        assert waiting.wait(PATIENCE)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        wait_for(lambda: len(stops) > 1)
        ended.append(name)

    monkeypatch.setattr(schedule, "wait", noted)

    with pytest.raises(KeyboardInterrupt):
        schedule.run_all(
            {"a": [], "b": ["a"]},
            work,
            workers=1,
            seconds={},
            finished=lambda *_: None,
            interrupted=lambda: stops.append(time.monotonic()),
        )
    assert ended == ["a"]
    assert len(stops) > 1
