"""What the figures of the hinge draw, on tables made by hand."""

import numpy as np
import pandas as pd

from flatminima.studies.hinge import plots
from tests.tables import runs


def table() -> pd.DataFrame:
    parts = [
        runs(
            10,
            rule=rule,
            eps=eps,
            epoch=30.0,
            test_accuracy=[mean + 0.01 * (k % 2) for k in range(10)],
            ratio=[np.nan] * 10 if eps == 10.0 else 2.0,
        )
        for rule in ("1-SAM", "SGD")
        for eps, mean in ((0.1, 0.9), (1.0, 0.8), (10.0, 0.5))
    ]
    return pd.concat(parts, ignore_index=True)


def test_along_draws_means_with_bands():
    figure = plots.along(
        table(), "eps", "test_accuracy", [3000], ("ε", "accuracy"), logarithmic=True
    )
    assert [axis.get_title() for axis in figure.axes] == ["1-SAM", "SGD"]
    axis = figure.axes[0]
    (line,) = axis.get_lines()
    assert line.get_xdata().tolist() == [0.1, 1.0, 10.0]
    np.testing.assert_allclose(line.get_ydata(), [0.905, 0.805, 0.505])
    low, high = axis.collections[0].get_paths()[0].get_extents().get_points()[:, 1]
    assert 0.5 < low < 0.505 and 0.905 < high < 0.91
    assert (axis.get_xscale(), axis.get_xlabel()) == ("log", "ε")
    assert figure.legends[0].get_texts()[0].get_text() == "30 epochs"


def test_along_leaves_out_what_was_not_measured():
    figure = plots.along(table(), "eps", "ratio", [3000], ("ε", "ratio"), reference=1.0)
    line, reference = figure.axes[0].get_lines()
    assert line.get_xdata().tolist() == [0.1, 1.0]
    assert reference.get_ydata() == [1.0, 1.0]
    nothing = table().assign(ratio=np.nan)
    figure = plots.along(
        nothing, "eps", "ratio", [3000], ("ε", "ratio"), logarithmic=True
    )
    figure.canvas.draw()
    assert figure.axes[0].get_xlim() == (0.1 / 1.5, 15.0)


def test_crossings_show_what_leaves_the_grid():
    inf = np.inf
    found = {
        "1-SAM": pd.DataFrame(
            {
                "epoch": [10.0, 20.0],
                "estimate": [1.0, inf],
                "low": [0.5, 1.5],
                "high": [inf, inf],
            }
        ),
        "SGD": pd.DataFrame(
            {"epoch": [10.0], "estimate": [-inf], "low": [-inf], "high": [-inf]}
        ),
    }
    figure = plots.crossings(found, [0.0, 2.0], "c")
    (axis,) = figure.axes
    drawn = {
        (round(float(x), 1), float(y))
        for collection in axis.collections
        if hasattr(collection, "get_offsets")
        for x, y in collection.get_offsets()
    }
    heights = sorted({y for _, y in drawn})
    assert heights == [0.0, 1.0, 2.0]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["1-SAM", "SGD"]
    assert axis.get_ylabel() == "c"


def test_causes_draws_a_line_for_each():
    one = pd.concat(
        [
            runs(bias_input=c, test_accuracy=[mean + 0.01 * (k % 2) for k in range(10)])
            for c, mean in ((0.0, 0.9), (1.0, 0.7))
        ]
    )
    other = one.assign(bias_init_scale=one["bias_input"], diverged=True)
    given = {"all": (one, "bias_input"), "start": (other, "bias_init_scale")}
    figure = plots.causes(given, "c", reference=0.9)
    (axis,) = figure.axes
    line, lost, reference = axis.get_lines()
    assert line.get_xdata().tolist() == lost.get_xdata().tolist() == [0.0, 1.0]
    np.testing.assert_allclose(line.get_ydata(), [0.905, 0.705])
    assert lost.get_ydata().tolist() == [0.0, 0.0]
    assert reference.get_ydata() == [0.9, 0.9]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["all", "start"]
    assert not axis.texts
    nothing = plots.causes({"start": given["start"]}, "c")
    assert nothing.axes[0].texts
