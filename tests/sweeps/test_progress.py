"""Progress: a bar on a terminal, a line a minute in a log, or a note in a file."""

import os
import re
import select
import subprocess
import sys
import termios
from pathlib import Path
from types import SimpleNamespace

import pytest

from flatminima.sweeps import progress as sweeps_progress
from flatminima.sweeps.progress import PROGRESS_VARIABLE, progress

PATIENCE = 300
"""Seconds until a wait fails, so that no test hangs."""

SWEEP = """
from flatminima.sweeps.progress import progress
with progress(3, 0.1) as shown:
    for part in (0.2, 0.1 + 0.2, 1.0, 0.7, 0.7):
        shown.advance(part)
"""


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Neither a notebook nor a caller's settings."""
    monkeypatch.delenv(PROGRESS_VARIABLE, raising=False)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)


def environment(**variables):
    """The caller's environment, with this source and some variables."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables}


def on_a_terminal(**variables):
    """What a sweep writes to a pseudo-terminal."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 60))
    child = subprocess.Popen(
        [sys.executable, "-c", SWEEP],
        stderr=theirs,
        env=environment(**variables),
    )
    os.close(theirs)
    written = b""
    while select.select([ours], [], [], PATIENCE)[0]:
        try:
            chunk = os.read(ours, 4096)
        except OSError:  # Linux says so once the other end is closed
            break
        if not chunk:
            break
        written += chunk
    os.close(ours)
    assert child.wait(PATIENCE) == 0
    return written.decode()


def test_a_terminal_shows_a_bar_that_is_redrawn_in_place():
    text = on_a_terminal()
    assert text.count("\n") == 1 and text.count("\r") > 1
    assert "█" in text or "#" in text
    assert "0.1 of 3 runs" in text and "3.0 of 3 runs" in text
    assert not re.search(r"\d\.\d{4}", text)  # fractions are rounded


def test_a_terminal_that_wants_no_bars_gets_none():
    assert on_a_terminal(TQDM_DISABLE="1") == ""


def test_a_short_sweep_writes_nothing_to_a_log(capsys):
    with progress(2) as shown:
        shown.advance(1)
        shown.advance(1)
    assert capsys.readouterr().err == ""


def test_a_log_gets_lines_no_more_often_than_they_are_due(capsys, monkeypatch):
    monkeypatch.setattr(sweeps_progress, "SECONDS_BETWEEN_LINES", 60.0)
    clock = iter([0.0, 59.0, 61.0, 61.0, 70.0, 122.0, 122.0])  # asked again to print
    ticks = SimpleNamespace(monotonic=lambda: next(clock))
    monkeypatch.setattr(sweeps_progress, "time", ticks)
    with progress(4) as shown:
        for _ in range(4):
            shown.advance(1)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" runs")[0] for line in lines] == ["2.0 of 4", "4.0 of 4"]
    assert all(line.endswith("left") and "\r" not in line for line in lines)


@pytest.mark.parametrize(("disable", "lines"), [("", 5), ("1", 0)])
def test_a_log_that_wants_no_bars_gets_no_lines(disable, lines):
    """In a process of its own, as tqdm reads this when it is imported."""
    often = "import flatminima.sweeps.progress as p; p.SECONDS_BETWEEN_LINES = 0.0"
    child = subprocess.run(
        [sys.executable, "-c", often + SWEEP],
        env=environment(**({"TQDM_DISABLE": disable} if disable else {})),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert child.stderr.count(" runs, ") == len(child.stderr.splitlines()) == lines


def test_a_note_stands_in_a_file_and_nothing_in_the_log(tmp_path, capsys, monkeypatch):
    note = tmp_path / "note"
    monkeypatch.setenv(PROGRESS_VARIABLE, str(note))
    monkeypatch.setattr(sweeps_progress, "SECONDS_BETWEEN_NOTES", 0.0)
    with progress(4, 1.5) as shown:
        assert not note.exists()
        shown.advance(0.25)
        assert note.read_text().startswith("1.8 of 4 runs, ")
        shown.advance(1)
        assert note.read_text().startswith("2.8 of 4 runs, ")
    assert list(tmp_path.glob("note*")) == [note]
    assert capsys.readouterr().err == ""


def test_a_note_is_written_also_where_bars_are_off(tmp_path):
    note = tmp_path / "note"
    often = "import flatminima.sweeps.progress as p; p.SECONDS_BETWEEN_NOTES = 0.0"
    off = {"TQDM_DISABLE": "1", PROGRESS_VARIABLE: str(note)}
    command = [sys.executable, "-c", often + SWEEP]
    subprocess.run(command, env=environment(**off), timeout=PATIENCE, check=True)
    assert note.read_text().startswith("3.0 of 3 runs, ")


def test_a_note_waits_until_it_is_due(tmp_path, monkeypatch):
    monkeypatch.setenv(PROGRESS_VARIABLE, str(tmp_path / "note"))
    with progress(2) as shown:
        shown.advance(1)
    assert not (tmp_path / "note").exists()


def test_a_note_that_cannot_be_written_does_not_stop_a_sweep(monkeypatch):
    monkeypatch.setenv(PROGRESS_VARIABLE, str(Path("/nowhere/at/all")))
    monkeypatch.setattr(sweeps_progress, "SECONDS_BETWEEN_NOTES", 0.0)
    with progress(2) as shown:
        shown.advance(1)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still; tests set it."""
    hands = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr("tqdm.std.time", lambda: hands.seconds)
    return hands


def left(shown):
    """Seconds left, as shown."""
    minutes, seconds = re.search(r"(\d+):(\d+) left", str(shown._bar)).groups()
    return 60 * int(minutes) + int(seconds)


def test_time_left_is_that_of_the_mean_rate(clock):
    """The rate of the last run alone would say 900 seconds, then 8, then 1400."""
    with progress(10) as shown:
        for seconds, expected in [(100, 900), (101, 404), (301, 702)]:
            clock.seconds = seconds
            shown.advance(1)
            assert left(shown) == expected


def test_time_left_minds_what_runs_take(clock):
    """One run of 100 and three of 10, by their work."""
    with progress(4, work=130.0) as shown:
        for seconds, work, expected in [(50, 100, 15), (55, 10, 10), (60, 10, 5)]:
            clock.seconds = seconds
            shown.advance(1, work)
            assert left(shown) == expected
    with progress(4, work=130.0) as shown:
        clock.seconds += 50
        shown.advance(0.5, 50)
        assert str(shown._bar) == "0.5 of 4 runs, 00:50 gone, 01:20 left"


def test_what_was_done_before_is_no_work_of_this_sweep(clock):
    with progress(10, 5.0) as shown:
        clock.seconds = 100
        shown.advance(1)
        assert left(shown) == 400
    with progress(10, 5.0, work=40.0, work_done=20.0) as shown:
        clock.seconds += 100
        shown.advance(1, 10)
        assert left(shown) == 100
        assert str(shown._bar).startswith("6.0 of 10 runs, ")


def test_a_bar_is_closed_when_a_sweep_fails():
    with pytest.raises(RuntimeError), progress(2) as shown:
        raise RuntimeError
    assert shown._bar.disable  # tqdm's mark of a closed bar


def test_a_log_that_is_closed_stops_no_sweep(monkeypatch):
    """As that of a job whose terminal is gone, or on a full disk."""

    class Gone:
        def write(self, text):
            raise BrokenPipeError

        def flush(self):
            raise BrokenPipeError

        def isatty(self):
            return False

    monkeypatch.setattr(sys, "stderr", Gone())
    monkeypatch.setattr(sweeps_progress, "SECONDS_BETWEEN_LINES", 0.0)
    with progress(3) as shown:
        shown.advance(1.0)
    assert shown._done == 1.0


@pytest.mark.filterwarnings("error")
def test_a_bar_does_not_mind_how_shares_are_rounded(capsys, monkeypatch):
    """Parts of three runs may add up to more than 3 by a last bit."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    parts = [0.7, 0.1, 0.2, 0.1, 0.2, 0.7, 1 / 3, 1 / 3, 1 / 3 + 1e-15]
    with progress(3) as shown:
        for part in parts:
            shown.advance(part)
    assert sum(parts) > 3 and "3.0 of 3 runs" in capsys.readouterr().err
