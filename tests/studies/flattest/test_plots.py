"""What the figures on flattest models draw, on tables made by hand."""

import numpy as np
import pandas as pd

from flatminima.studies.flattest import plots
from flatminima.studies.flattest.faces import FATES


def test_certified():
    table = pd.DataFrame(
        {"d": [4, 4, 5], "n": [8, 12, 10], "pointwise": 8.0, "value": [8, 10, 9]}
    ).assign(gap=[1e-6, 2e-6, 3e-6])
    left, right = plots.certified(table).axes
    first, second = left.get_lines()[:2]
    np.testing.assert_array_equal(first.get_xdata(), [2, 3])
    np.testing.assert_array_equal(first.get_ydata(), [1, 1.25])
    np.testing.assert_array_equal(second.get_ydata(), [1.125])
    np.testing.assert_array_equal(right.get_lines()[0].get_ydata(), [1e-6, 2e-6])
    assert right.get_legend_handles_labels()[1] == ["d = 4", "d = 5"]


def held_out():
    """Two draws, two sizes; every fate once at the smaller one of seed 0."""
    rows = [
        (8, 0, 1.0, 0.5, 1.0, "right"),
        (8, 0, -1.0, 0.5, 1.0, "wrong"),
        (8, 0, -1.0, -0.5, 2.0, "undecided"),
        (8, 0, 1.0, -np.inf, np.inf, "unbounded"),
        (10, 0, 1.0, 1.0, 1.0, "right"),
        (8, 1, 1.0, -np.inf, np.inf, "unbounded"),
    ]
    columns = ["n", "seed", "y", "low", "high", "fate"]
    return pd.DataFrame(rows, columns=columns).assign(architecture="no_bias", d=4)


def test_faces():
    figure = plots.faces(held_out(), seed=0)
    few, many = figure.axes
    assert [axis.get_title() for axis in figure.axes] == ["n = 8", "n = 10"]
    spans = [(b.get_y(), b.get_y() + b.get_height()) for b in few.patches]
    # times the label, in the order of the fates, infinite ends at those of the panel
    expected = [(0.5, 1.0), (-1.0, -0.5), (-2.0, 0.5), few.get_ylim()]
    np.testing.assert_allclose(spans, expected)
    (only,) = many.patches
    assert only.get_y() < 1 < only.get_y() + only.get_height()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(FATES)


def test_face_shares():
    (axis,) = plots.face_shares(held_out()).axes
    heights = np.array([bar.get_height() for bar in axis.patches]).reshape(4, 2)
    np.testing.assert_allclose(heights.sum(axis=0), 1)
    # mean over draws, not over points
    np.testing.assert_allclose(heights[:, 0], [0.125, 0.125, 0.125, 0.625])
    np.testing.assert_allclose(heights[:, 1], [1, 0, 0, 0])
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["8", "10"]
