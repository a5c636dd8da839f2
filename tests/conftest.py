"""What all tests share: one thread, a private store, shapes checked at run time."""

import functools
import gc
import signal
import sys
import threading
import warnings
from contextlib import contextmanager, nullcontext
from pathlib import Path

import hypothesis
import numpy as np
import pandas as pd
import pytest
from jaxtyping import install_import_hook
from matplotlib._pylab_helpers import Gcf
from matplotlib.figure import Figure
from numba.core.dispatcher import Dispatcher

from flatminima.checkout import WrongCheckout, refuse_another
from tests import shapes

TESTS = Path(__file__).parent
SLOW = {
    "book",
    "browser",
    "chapters",
    "faults",
    "test_benchmarks.py",
    "test_identity.py",
    "test_kernel_race.py",
    "test_wheel.py",
}
"""Folders and files that execute chapters, build pages or wheels, start workers or
compile what the engine does not use."""

LONGEST_FIRST = [
    "runs/mlp/test_train.py",
    "book/test_build.py",
    "book/test_pages.py",
    "book/test_interrupt.py",
    "book/test_budget.py",
    "plots/test_plots.py",
    "test_identity.py",
    "chapters/test_refusals.py",
    "book/test_new.py",
    "book/test_found.py",
    "chapters/test_smoke.py",
    "faults/test_killed.py",
    "faults/test_interrupted.py",
    "faults/test_any_kind.py",
    "faults/test_cluster.py",
    "test_kernel_race.py",
    "runs/test_kinds.py",
    "results/test_results.py",
    "runs/flow/test_descent.py",
    "chapters/test_corners.py",
    "faults/test_places.py",
]
"""Files that take longest. A worker takes whole files, so the last to begin is short.
The first compiles the kernels; those beside it, until it is done, need few. The same
holds for what comes after the chapters."""

# A shell starts its background jobs with Ctrl-C ignored, and so would be all that they
# start. The programs that tests interrupt take it as those in a terminal do.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def no_trace():
    """A body of which coverage sees nothing, nor of the threads that it starts."""
    here, elsewhere = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        yield
    finally:
        threading.settrace(elsewhere)
        sys.settrace(here)


def untraced(function):
    """The function, of which coverage sees nothing."""

    @functools.wraps(function)
    def paused(*arguments, **options):
        trace = sys.gettrace()
        sys.settrace(None)
        try:
            return function(*arguments, **options)
        finally:
            sys.settrace(trace)

    return paused


# Coverage would follow the compiler and what draws, too, and take a third longer.
Dispatcher.compile = untraced(Dispatcher.compile)
Figure.draw = untraced(Figure.draw)

# Not the kernels, nor the models with a head of their own: numba compiles those
# functions, and a wrapped function does not compile.
SHAPES_CHECKED = [
    "flatminima.data",
    "flatminima.flows",
    "flatminima.measures",
    "flatminima.models.bias",
    "flatminima.models.no_bias",
    "flatminima.runs.descent.problem",
    "flatminima.runs.descent.train",
    "flatminima.runs.flow.descent",
    "flatminima.runs.flow.manifold",
    "flatminima.runs.flow.run",
    "flatminima.runs.flow.trace",
    "flatminima.runs.mlp.measures",
    "flatminima.runs.mlp.problem",
    "flatminima.runs.mlp.train",
    "flatminima.statistics.growth",
    "flatminima.sharpness",
    "flatminima.theory",
]
install_import_hook(SHAPES_CHECKED, f"{shapes.__name__}.checked")

hypothesis.settings.register_profile(
    "flatminima", derandomize=True, deadline=None, database=None, max_examples=50
)
hypothesis.settings.load_profile("flatminima")


def pytest_configure(config):
    try:
        refuse_another(TESTS)
    except WrongCheckout as error:
        raise pytest.UsageError(str(error)) from None
    config.addinivalue_line(
        "markers",
        "uncompiled: also run with NUMBA_DISABLE_JIT=1, where coverage sees kernels",
    )
    config.addinivalue_line("markers", "slow: left out by `make fast`")


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Keep what was imported out of the collector's way.

    There are millions of such objects, none goes before the end, and a compiler makes
    so many new ones that the old are gone through again and again.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """Whole chapters cover lines that no test looks at: theirs do not count."""
    chapters = pyfuncitem.path.is_relative_to(TESTS / "chapters")
    with no_trace() if chapters else nullcontext():
        return (yield)


def pytest_collection_modifyitems(items):
    for item in items:
        parts = item.path.relative_to(TESTS.parent).parts  # of tests, or of src
        if parts[0] == TESTS.name and parts[1] in SLOW:
            item.add_marker("slow")
    rank = {TESTS / name: position for position, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    """A store of the test's own, and no cluster or record of the tester's."""
    folder = tmp_path / "store"
    monkeypatch.setenv("FLATMINIMA_STORE", str(folder))
    for name in ("FLATMINIMA_SCHEDULER", "FLATMINIMA_RECORD"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture(autouse=True)
def no_figures_left():
    """Figures of a test are not open in the next one: of many, matplotlib warns."""
    yield
    if Gcf.figs:
        Gcf.destroy_all()


@pytest.fixture
def pandas_2(monkeypatch):
    """The median of nothing but NaN warns, as it does before pandas 3."""
    median = pd.Series.median

    def warns(series, *arguments, **options):
        if len(series) and series.isna().all():
            warnings.warn("Mean of empty slice", RuntimeWarning, stacklevel=2)
        return median(series, *arguments, **options)

    monkeypatch.setattr(pd.Series, "median", warns)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


@pytest.fixture
def rng():
    """A generator, the same in every test."""
    return np.random.default_rng(0)
