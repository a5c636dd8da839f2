"""m-sharpness: means over blocks."""

import numpy as np
import pytest
import torch
from scipy import stats

from flatminima.sharpness.ball import ball_sharpness, sam_sharpness
from flatminima.sharpness.blocks import m_sharpness
from tests.sharpness.homogeneous import build, generator


def sam(at):
    return sam_sharpness(at, 0.1).value


def test_of_all_examples_it_is_the_measure():
    at = build(0, [3, 4, 2]).at
    found = m_sharpness(at, at.n, sam, generator())
    assert found.value == pytest.approx(sam(at), rel=1e-12)
    assert found.standard_error == 0


def test_of_one_example_it_is_the_mean_over_them():
    at = build(0, [3, 4, 2]).at
    found = m_sharpness(at, 1, sam, generator())
    assert found.value == pytest.approx(
        np.mean([sam(at.subset([i])) for i in range(12)])
    )


def test_what_fills_no_block_is_left_out():
    at = build(0, [3, 4, 2]).at
    seen = []
    m_sharpness(at, 5, lambda part: seen.append(part.n) or 0.0, generator())
    assert seen == [5, 5]


@pytest.mark.parametrize("seed", range(3))
def test_smaller_blocks_are_no_flatter(seed):
    """max of a mean <= mean of maxima, over the very blocks that make it up."""
    at = build(seed, [3, 4, 2]).at

    def worst(part):
        return ball_sharpness(part, 0.05, generator(1), restarts=3).value

    values = [m_sharpness(at, m, worst, generator(seed)).value for m in (3, 6, 12)]
    assert values == sorted(values, reverse=True)


def test_the_error_bars_are_right():
    at = build(7, [3, 4, 2], n=300).at
    # one partition for all: only which blocks are taken differs
    single = np.array([sam(at.subset([i])) for i in range(at.n)])
    of_example = {tuple(at.x[i].tolist()): single[i] for i in range(at.n)}

    def known(part):
        return of_example[tuple(part.x[0].tolist())]

    found = [m_sharpness(at, 1, known, generator(s), blocks=60) for s in range(200)]
    reach = stats.t.ppf(0.95, 59)
    hits = sum(abs(e.value - single.mean()) < reach * e.standard_error for e in found)
    low, high = stats.binom.interval(0.999, 200, 0.9)
    assert low <= hits <= high
    assert found[0].draws == 60


def test_all_blocks_leave_no_error():
    at = build(7, [3, 4, 2]).at
    found = m_sharpness(at, 2, sam, generator(), blocks=6)
    assert found.standard_error == 0


def test_a_partition_has_every_example_once():
    at = build(1, [3, 4, 2]).at
    seen: list[torch.Tensor] = []
    m_sharpness(at, 4, lambda part: seen.append(part.x) or 0.0, generator())
    drawn = torch.cat(seen)
    assert sorted(map(tuple, drawn.tolist())) == sorted(map(tuple, at.x.tolist()))


@pytest.mark.parametrize(
    ("m", "blocks", "message"),
    [
        (0, None, "m = 0"),
        (13, None, "m = 13: must be at most n = 12"),
        (6, 1, "blocks = 1"),
        (6, 3, "blocks = 3: must be at most n // m = 2"),
    ],
)
def test_what_cannot_be_is_refused(m, blocks, message):
    at = build(0, [3, 4, 2]).at
    with pytest.raises(ValueError, match=message):
        m_sharpness(at, m, sam, generator(), blocks=blocks)


def test_one_example_a_block_and_two_blocks_are_enough():
    at = build(7, [3, 4, 2]).at
    found = m_sharpness(at, 1, sam, generator(), blocks=2)
    assert found.draws == 2
    assert found.standard_error > 0
    whole = m_sharpness(at, at.n, sam, generator())
    assert whole.value == pytest.approx(sam(at), rel=1e-9)
    assert (whole.standard_error, whole.draws) == (0, 0)
