"""Alignment with x1 and x2, on weights whose answer is plain."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatminima.measures import alignment
from flatminima.runs.mlp.config import Config
from flatminima.studies.paper_figures import units
from flatminima.sweeps.sweep import fetch

# The four largest units of the source's figure 2b: (+-18.6, +-18.6 | rest 0.02), ...
SIZES = np.array([18.6, 14.4, 13.8, 12.6])
SIGNS = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]]).T
SOURCE = np.vstack([SIZES * SIGNS, np.full((28, 4), 0.02)])


def test_the_units_that_the_source_lists_are_aligned():
    # by hand: sqrt(2) * 12.6 against 28 entries of 0.02 beside it, in the worst unit
    worst = 2 * 12.6 / math.sqrt(2) / math.sqrt(2 * 12.6**2 + 28 * 0.02**2)
    assert worst < alignment.alignment(SOURCE) < 1
    others = 28 * 4 * 0.02**2
    relevant = 2 * (SIZES**2).sum()
    expected = relevant / (relevant + others)
    assert alignment.column_share(SOURCE) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("unit", "cosine", "share"),
    [
        ([1, 1, 0], 1, 1),
        ([1, -1, 0], 1, 1),
        ([1, 0, 0], math.sqrt(0.5), 1),
        ([0, 0, 5], 0, 0),
        ([1, 1, 1], math.sqrt(2 / 3), 2 / 3),
    ],
)
def test_single_units(unit, cosine, share):
    w = np.array(unit, dtype=float)[:, None]
    assert alignment.alignment(w) == pytest.approx(cosine)
    assert alignment.column_share(w) == pytest.approx(share)


def test_a_unit_weighs_as_much_as_its_squared_norm():
    w = np.array([[3.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    assert alignment.column_share(w) == pytest.approx(0.9)
    assert alignment.column_share(w, 1) == 1
    assert alignment.column_share(w, 2) == pytest.approx(0.9)


def test_units_are_ranked_by_their_norm():
    w = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 2.0, 3.0]])
    np.testing.assert_array_equal(alignment.largest_columns(w, 2), w[:, [2, 1]])
    assert alignment.alignment(w, 2) == 0
    assert alignment.alignment(w, 3) == pytest.approx(1 / 3)


def test_dead_units():
    dead = np.zeros((3, 2))
    assert math.isnan(alignment.column_share(dead))
    assert alignment.alignment(dead) == 0


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10))
def test_order_scale_and_signs_do_not_matter(seed, factor):
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((5, 7))
    other = factor * rng.choice([-1, 1], (5, 1)) * w[:, rng.permutation(7)]
    for k in (1, 4, 7):
        assert alignment.alignment(other, k) == pytest.approx(alignment.alignment(w, k))
        share = alignment.column_share(w, k)
        assert alignment.column_share(other, k) == pytest.approx(share)
        assert 0 <= share <= 1


@pytest.mark.parametrize("call", [alignment.alignment, alignment.column_share])
def test_no_unit_is_refused(call):
    with pytest.raises(ValueError, match="count = 0: must be at least 1"):
        call(SOURCE, 0)


SMALL = Config(architecture="bias", d=4, n=5, width=6, num_steps=20, num_checkpoints=3)


def test_the_table_of_largest_units_is_of_the_run():
    table = units.largest_units(SMALL, 3)
    w = alignment.largest_columns(fetch(SMALL).params[0], 3)
    np.testing.assert_array_equal(table["weight on x1"], w[0])
    np.testing.assert_array_equal(table["weight on x2"], w[1])
    np.testing.assert_array_equal(table["largest other"], np.abs(w[2:]).max(axis=0))
    assert table["norm"].is_monotonic_decreasing
    assert table.index.tolist() == [1, 2, 3]


def test_alignments_have_a_row_a_seed():
    table = units.alignments(SMALL, 2)
    assert table["init_seed"].tolist() == [0, 1]
    assert table["last"].all()
    for seed, row in table.iterrows():
        w = fetch(SMALL.with_seeds(seed, seed)).params[0]
        assert row["alignment"] == alignment.alignment(w, 4)
        assert row["share_4"] == alignment.column_share(w, 4)
        assert row["share_16"] == alignment.column_share(w, 16)
        assert row["share_all"] == alignment.column_share(w)


def test_a_diverged_run_has_none():
    wild = SMALL.model_copy(update={"lr": 0.2, "init_scale": 1e3, "num_steps": 500})
    with pytest.warns(UserWarning, match="diverged"):
        table = units.alignments(wild, 1)
    assert table["diverged"].all()
    assert table[list(alignment.SUMMARY)].isna().all(axis=None)
