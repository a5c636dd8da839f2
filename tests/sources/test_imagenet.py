"""The table of SAM on ImageNet: what is printed, and how its numbers are combined.

Values are held against sentences of the paper, and intervals against a simulation that
knows nothing of the formula.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatminima.sources import imagenet
from flatminima.sources.imagenet import Entry

TABLE = imagenet.read(imagenet.TALK)


def test_the_paper_s_own_sentence():
    """Section 3.1: "improving ResNet-152 from 20.3% to 18.4%", its best of each."""
    best = {
        rule: min(
            TABLE[(152, epochs, rule), "top-1"].value for epochs in imagenet.EPOCHS
        )
        for rule in ("plain", "SAM")
    }
    assert best == {"plain": 20.3, "SAM": 18.4}


def test_every_cell_is_there_once():
    assert len(TABLE) == len(imagenet.DEPTHS) * len(imagenet.EPOCHS) * 4
    assert all(
        TABLE[cell, "top-5"].value < TABLE[cell, "top-1"].value for cell, _ in TABLE
    )


def test_a_slip_of_a_digit_would_show():
    assert max(imagenet.differences()) == 0
    slipped = imagenet.TALK.replace("20.9 <0.0", "20.9 0.0", 1)
    slipped = slipped.replace("22.9", "2.29")
    found = [d for d in imagenet.differences(slipped) if d > 0]
    assert found == pytest.approx([20.61])
    assert imagenet.differences(imagenet.TALK.replace("0.11", "0.1"))[7] > 0


def test_a_line_without_its_columns_is_refused():
    with pytest.raises(ValueError, match=r"line '50 100 22.5'.*10 columns"):
        imagenet.read("50 100 22.5")


@pytest.mark.parametrize(
    ("within", "possible", "at_most"),
    [
        ("0.1", True, 0.15),
        ("0.08", True, 0.085),
        ("<0.01", True, 0.01),
        ("<0.0", False, 0.05),
    ],
)
def test_half_widths(within, possible, at_most):
    entry = Entry("20.4", within)
    assert entry.possible is possible
    assert entry.at_most == pytest.approx(at_most)
    assert entry.rounding == pytest.approx(0.05)


def test_which_half_widths_are_impossible():
    found = {cell for (cell, _), entry in TABLE.items() if not entry.possible}
    assert found == {(152, 100, "plain"), (152, 400, "plain")}
    assert imagenet.printed().map(lambda text: "(!)" in text).sum().sum() == 2


def test_a_gain_by_hand():
    found = imagenet.contrast(imagenet.gain(50, 100))
    assert found.value == pytest.approx(22.9 - 22.5)
    half = math.hypot(0.15, 0.15) + 0.05 + 0.05
    assert (found.low, found.high) == pytest.approx((0.4 - half, 0.4 + half))
    longer = imagenet.contrast(imagenet.gain(50, 100, 200), "top-5")
    assert longer.value == pytest.approx(6.37 - 6.28)


def test_the_interval_covers_what_was_rounded():
    """True means and half-widths drawn at random, printed, read and compared."""
    rng = np.random.default_rng(0)
    trials, covered = 2000, 0
    weights = imagenet.minus(imagenet.gain(50, 400), imagenet.gain(50, 100))
    for _ in range(trials):
        halves = rng.uniform(0.06, 0.2, 4)
        truth = rng.uniform(18, 23, 4)
        means = truth + rng.normal(size=4) * halves / 1.96
        text = "\n".join(
            f"50 {epochs} {means[2 * k]:.1f} {halves[2 * k]:.1f} 5.0 0.1 "
            f"{means[2 * k + 1]:.1f} {halves[2 * k + 1]:.1f} 5.0 0.1"
            for k, epochs in enumerate((100, 400))
        )
        found = imagenet.contrast(weights, text=text)
        wanted = (truth[3] - truth[2]) - (truth[1] - truth[0])
        covered += found.low <= wanted <= found.high
    assert covered / trials >= 0.95


@given(st.lists(st.sampled_from(sorted(imagenet.DEPTHS)), min_size=1, max_size=4))
def test_a_mean_of_gains_is_the_mean(depths):
    sums = [imagenet.gain(depth, 200) for depth in depths]
    found = imagenet.contrast(imagenet.mean(sums)).value
    each = [imagenet.contrast(one).value for one in sums]
    assert found == pytest.approx(np.mean(each))
    assert imagenet.least(sums).low == min(imagenet.contrast(s).low for s in sums)


def test_a_difference_with_itself_is_nothing():
    same = imagenet.minus(imagenet.gain(101, 400), imagenet.gain(101, 400))
    assert imagenet.contrast(same) == imagenet.Estimate(0.0, 0.0, 0.0)
