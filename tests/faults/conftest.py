"""No test here can hang, and each can see what was really computed."""

import faulthandler

import pytest

from flatminima.runs import loop
from flatminima.runs.mlp import train
from tests.faults.cells import ROOT, program
from tests.faults.child import even
from tests.runs import oscillator

SECONDS_PER_TEST = 900


@pytest.fixture(autouse=True)
def _an_end():
    """A test that hangs ends the process, with the place where it hung."""
    faulthandler.dump_traceback_later(SECONDS_PER_TEST, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def started(monkeypatch):
    """The steps at which this process started on each config, in order."""
    steps, proceed = {}, loop.proceed

    def noted(config, run, pause):
        steps.setdefault(config, []).append(0 if run is None else run.step)
        return proceed(config, run, pause)

    monkeypatch.setattr(loop, "proceed", noted)
    return steps


@pytest.fixture
def slowed(monkeypatch):
    """Runs are cut here as in a program that is slowed down: the cuts decide bits."""
    for engine in (train, oscillator):
        monkeypatch.setattr(engine, "steps_per_call", even)


@pytest.fixture(scope="module")
def cluster():
    """Address of the scheduler of two worker processes, started as a user would.

    It ends with the file: it goes on with what nobody waits for any more.
    """
    recipe = ROOT / "clusters" / "local.py"
    with program(recipe, "--workers", 2, "--port", 0) as process:
        line = process.stdout.readline()
        assert line.startswith("export FLATMINIMA_SCHEDULER=tcp://127.0.0.1:"), line
        yield line.strip().partition("=")[2]
