"""What is read from the measurements, against numbers by hand."""

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatminima.studies.scale.costs import (
    client_seconds,
    farm,
    lengths,
    line,
    of_factor,
    read,
)
from flatminima.studies.scale.task_farm import Farm
from tests.measured import costs


def test_the_committed_measurements_have_what_the_chapter_shows():
    found = read()
    places = set(zip(found.overhead["place"], found.overhead["workers"], strict=True))
    assert places == {("threads", 1), ("processes", 1), ("dask", 1), ("dask", 2)}
    assert (found.overhead["cells"] >= 30).all()
    assert set(found.sweeps["kind"]) == {"training", "measuring", "growing"}
    assert (found.sweeps["seconds"] > 0).all()
    assert (found.cells["seconds"] > 0).all()
    assert {"device", "date", "load", "cores", "engine", "libraries"} <= set(
        found.provenance
    )
    for place in ("threads", "processes", "dask"):
        assert farm(found, place).client_per_task >= 0


def test_origin(tmp_path):
    now = costs(tmp_path).origin
    assert now.startswith("measured on Abacus 3, 2 cores, 2026-02-03, engine ")
    assert "older" not in now
    old = costs(tmp_path, engine="0123456789").origin
    assert old.endswith("engine 01234567 (older engine)")


def test_no_measurements(tmp_path):
    with pytest.raises(FileNotFoundError, match="make scale"):
        read(tmp_path / "none.json")


def test_cells_of_a_factor_are_ascending(tmp_path):
    rows = of_factor(costs(tmp_path), "num_steps", "one")
    assert rows["num_steps"].tolist() == [1000, 10_000]


@given(st.floats(0, 5), st.floats(1e-6, 5))
def test_a_line_is_found_again(fixed, slope):
    x = np.array([1.0, 10.0, 100.0, 1000.0])
    found = line(x, fixed + slope * x)
    np.testing.assert_allclose(found, (fixed, slope), rtol=1e-6, atol=1e-9)


def test_a_line_is_never_negative():
    x = np.array([1.0, 2.0, 3.0])
    assert line(x, np.array([3.0, 2.0, 1.0]))[1] == 0.0
    assert line(x, x**3)[0] == 0.0


def test_a_line_weighs_relative_errors():
    # (a - 1)^2 + (a / 3 - 1)^2 is least at a = 1.2, (a - 1)^2 + (a - 3)^2 at 2
    fixed, slope = line(np.ones(2), np.array([1.0, 3.0]))
    assert fixed + slope == pytest.approx(1.2)


def test_client(tmp_path):
    found = costs(tmp_path)
    assert client_seconds(found, "threads") == pytest.approx((0.002, 0.001))
    # 4 ms of its processors and 1 ms of waiting
    assert client_seconds(found, "processes") == pytest.approx((0.003, 0.001))
    assert client_seconds(found, "dask") == pytest.approx((0.004, 0.001))


def test_farm(tmp_path):
    found = costs(tmp_path)
    threads, dask = (asdict(farm(found, place)) for place in ("threads", "dask"))
    # 4 ms on top of the cell, 3 of which are the client's
    expected = Farm(1, 1, 0.001, 0.002, 0.001, queued=1)
    assert threads == pytest.approx(asdict(expected))
    # the second task in the queue hides the client
    assert dask == pytest.approx(asdict(Farm(1, 1, 0.008, 0.004, 0.001, queued=2)))


def test_a_place_that_was_not_measured(tmp_path):
    with pytest.raises(ValueError, match="place = 'slurm': measured are threads"):
        farm(costs(tmp_path), "slurm")


def test_lengths_keep_their_spread(tmp_path):
    found = lengths(costs(tmp_path), 6, 10.0)
    np.testing.assert_allclose(np.sort(found), [5, 5, 10, 10, 15, 15])
    np.testing.assert_array_equal(found, lengths(costs(tmp_path), 6, 10.0))
    assert lengths(costs(tmp_path), 1, 0.5).tolist() == [0.5]


@pytest.mark.parametrize(
    ("cells", "mean", "message"),
    [(0, 1.0, "cells = 0"), (1.5, 1.0, "cells = 1.5"), (1, 0.0, "mean = 0.0")],
)
def test_impossible_sweeps_are_refused(tmp_path, cells, mean, message):
    with pytest.raises(ValueError, match=message):
        lengths(costs(tmp_path), cells, mean)
