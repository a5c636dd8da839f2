"""The simulated farm against closed forms, and what must hold for any sweep."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatminima.studies.scale.task_farm import (
    Farm,
    grid,
    most_workers,
    simulate,
    simulate_all,
    smallest_batch,
)

lengths_of_cells = st.lists(st.floats(0.01, 10), min_size=1, max_size=40).map(np.array)
seconds = st.floats(0, 3)
counts = st.integers(1, 8)


@pytest.mark.parametrize(("workers", "cells"), [(1, 6), (2, 6), (3, 6), (6, 6)])
def test_equal_cells_that_divide_evenly(workers, cells):
    outcome = simulate(np.full(cells, 2.0), Farm(workers, task_overhead=0.5))
    assert outcome.makespan == pytest.approx(cells / workers * 2.5)
    assert outcome.efficiency == pytest.approx(2.0 / 2.5)
    assert outcome.worker_use == pytest.approx(1.0)
    assert outcome.client_use == 0.0


def test_one_cell_too_many_costs_a_whole_round():
    assert simulate(np.ones(7), Farm(3)).makespan == pytest.approx(3.0)


def test_more_workers_than_cells():
    assert simulate(np.array([1.0, 4.0]), Farm(100)).makespan == pytest.approx(4.0)


def test_one_worker_does_everything_in_turn(rng):
    lengths = rng.uniform(0.1, 1, 9)
    farm = Farm(1, task_overhead=0.2, client_per_task=0.3, client_per_cell=0.1)
    assert simulate(lengths, farm).makespan == pytest.approx(lengths.sum() + 9 * 0.6)


def test_a_second_task_in_the_queue_hides_the_client():
    hidden = Farm(1, client_per_task=0.3, queued=2)
    assert simulate(np.ones(5), hidden).makespan == pytest.approx(5.3)
    slow = Farm(1, client_per_task=1.5, queued=2)
    assert simulate(np.ones(5), slow).makespan == pytest.approx(1 + 5 * 1.5)


def test_the_client_bounds_the_rate():
    farm = Farm(10, task_overhead=0.5, client_per_task=0.25)
    outcome = simulate(np.full(1000, 1.0), farm)
    assert outcome.makespan == pytest.approx(1.5 + 1000 * 0.25)
    assert outcome.client_use == pytest.approx(250 / 251.5)
    assert most_workers(1.0, farm) == pytest.approx(6.0)


def test_efficiency_breaks_where_the_formula_says():
    farm = Farm(1, task_overhead=0.5, client_per_task=0.25, queued=2)
    few, many = (
        simulate(np.ones(6000), Farm(workers, 1, 0.5, 0.25, 0.0, 2))
        for workers in (6, 12)
    )
    assert most_workers(1.0, farm) == 6.0
    assert few.worker_use > 0.99
    assert many.worker_use == pytest.approx(0.5, abs=0.01)


def test_batches_pay_the_overhead_once_a_task(rng):
    lengths = rng.uniform(0.1, 1, 10)
    farm = Farm(1, 4, task_overhead=0.2, client_per_task=0.3, client_per_cell=0.1)
    expected = lengths.sum() + 3 * 0.5 + 10 * 0.1
    assert simulate(lengths, farm).makespan == pytest.approx(expected)


def test_a_batch_of_everything_leaves_one_worker_working():
    outcome = simulate(np.ones(10), Farm(5, batch=10))
    assert outcome.makespan == pytest.approx(10)
    assert outcome.efficiency == pytest.approx(1 / 5)


def brute_force(lengths, farm) -> float:
    """The same farm, second by second: nobody skips ahead to the next event."""
    waiting = [
        [int(sum(lengths[k : k + farm.batch]) + farm.task_overhead), size]
        for k in range(0, len(lengths), farm.batch)
        if (size := len(lengths[k : k + farm.batch]))
    ]
    queue, results = [], []
    slots = farm.workers * farm.queued
    for _ in range(min(slots, len(waiting))):
        queue.append(waiting.pop(0))
    workers: list[list[int] | None] = [None] * farm.workers
    client, left, clock = None, len(queue) + len(waiting), 0
    while left:
        for k, task in enumerate(workers):
            if task is None and queue:
                workers[k] = queue.pop(0)
        clock += 1
        if client is None and results:
            client = results.pop(0)
        if client is not None:
            client -= 1
            if client == 0:
                client, left = None, left - 1
                if waiting:
                    queue.append(waiting.pop(0))
        for k, task in enumerate(workers):
            if task is not None:
                task[0] -= 1
                if task[0] == 0:
                    cost = farm.client_per_task + farm.client_per_cell * task[1]
                    results.append(int(cost))
                    workers[k] = None
    return clock


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=25),
    counts,
    st.integers(1, 3),
    st.integers(0, 3),
    st.integers(1, 3),
    st.integers(1, 2),
)
def test_equals_a_clock_that_ticks(lengths, workers, batch, overhead, client, queued):
    farm = Farm(workers, batch, overhead, client, 0, queued)
    assert simulate(np.array(lengths), farm).makespan == brute_force(lengths, farm)


@given(lengths_of_cells, counts, counts, seconds, seconds, st.integers(1, 3))
def test_no_farm_beats_the_bounds(lengths, workers, batch, overhead, client, queued):
    farm = Farm(workers, batch, overhead, client, 0.1, queued)
    outcome = simulate(lengths, farm)
    bound = max(lengths.sum() / workers, lengths.max(), lengths.size * 0.1)
    assert outcome.makespan >= bound * (1 - 1e-12)
    assert 0 < outcome.efficiency <= outcome.worker_use * (1 + 1e-12)
    assert outcome.worker_use <= 1 + 1e-12
    assert 0 < outcome.client_use <= 1 + 1e-12


@given(lengths_of_cells, counts, counts, seconds, seconds, seconds, st.integers(1, 3))
def test_overhead_never_helps(lengths, workers, batch, overhead, client, more, queued):
    least = simulate(lengths, Farm(workers, batch, overhead, client, 0, queued))
    for farm in (
        Farm(workers, batch, overhead + more, client, 0, queued),
        Farm(workers, batch, overhead, client + more, 0, queued),
    ):
        assert simulate(lengths, farm).makespan >= least.makespan * (1 - 1e-12)


@given(lengths_of_cells, counts, seconds, seconds)
def test_a_longer_queue_never_hurts(lengths, workers, overhead, client):
    short, long = (
        simulate(lengths, Farm(workers, 1, overhead, client, 0, queued)).makespan
        for queued in (1, 2)
    )
    assert long <= short * (1 + 1e-12)


@given(st.floats(0.01, 10), st.integers(1, 500), seconds, seconds, st.floats(0, 0.1))
def test_the_smallest_batch_is_the_smallest(cell, workers, overhead, client, each):
    loss = 0.05
    farm = Farm(workers, 1, overhead, client, each)

    def enough(k: int) -> bool:
        lost = overhead / (k * cell + overhead)
        served = most_workers(cell, Farm(workers, k, overhead, client, each))
        return lost <= loss * (1 + 1e-9) and served >= workers * (1 - 1e-9)

    k = smallest_batch(cell, farm, loss)
    tried = [1, 2, 3, 10, 100, 1000, 10**6]
    if k is None:
        assert not any(enough(other) for other in tried)
    else:
        assert enough(k)
        assert not any(enough(other) for other in tried if other < k * (1 - 1e-9))


def test_smallest_batch_by_hand():
    # overhead: k >= 0.1 * 0.95 / 0.05 = 1.9; client: k >= (1000 * 0.01 - 0.1) / 1
    assert smallest_batch(1.0, Farm(1, task_overhead=0.1), 0.05) == 2
    assert smallest_batch(1.0, Farm(1000, 1, 0.1, 0.01), 0.05) == 10
    assert smallest_batch(1.0, Farm(1000, 1, 0.1, 0.01, 0.001), 0.05) is None
    assert most_workers(1.0, Farm(3)) == math.inf


def test_grid_and_table():
    farms = grid(Farm(1, task_overhead=0.5), [1, 2], [1, 10])
    assert [(farm.workers, farm.batch) for farm in farms] == [
        (1, 1),
        (2, 1),
        (1, 10),
        (2, 10),
    ]
    assert {farm.task_overhead for farm in farms} == {0.5}
    table = simulate_all(np.ones(20), farms)
    assert table["makespan"].tolist() == [30.0, 15.0, 21.0, 10.5]
    assert table["workers"].tolist() == [1, 2, 1, 2]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"workers": 0}, "workers = 0: must be an integer of at least 1"),
        ({"workers": 2.5}, "workers = 2.5: must be an integer"),
        ({"workers": 1, "batch": 0}, "batch = 0"),
        ({"workers": 1, "queued": 0}, "queued = 0"),
        ({"workers": 1, "task_overhead": -1.0}, "task_overhead = -1.0: must be finite"),
        ({"workers": 1, "client_per_task": math.inf}, "client_per_task = inf"),
        ({"workers": 1, "client_per_cell": math.nan}, "client_per_cell = nan"),
    ],
)
def test_impossible_farms_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Farm(**given)


@pytest.mark.parametrize("lengths", [[], [1.0, 0.0], [1.0, math.nan], [math.inf]])
def test_impossible_lengths_are_refused(lengths):
    with pytest.raises(ValueError, match="lengths"):
        simulate(np.array(lengths), Farm(1))


@pytest.mark.parametrize(
    ("cell", "loss", "message"),
    [(0.0, 0.1, "cell = 0.0"), (1.0, 0.0, "loss = 0.0"), (1.0, 1, "loss = 1")],
)
def test_impossible_batches_are_refused(cell, loss, message):
    with pytest.raises(ValueError, match=message):
        smallest_batch(cell, Farm(1), loss)
