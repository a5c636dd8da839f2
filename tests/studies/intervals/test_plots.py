"""The figure of coverage draws every number of its table."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from flatminima.studies.intervals import plots


def test_a_panel_a_kind_of_outcomes_and_a_line_an_interval():
    mpl.use("agg")
    rows = [
        {"outcomes": name, "kind": name, "interval": label}
        | {n: 0.5 + 0.01 * k + 0.001 * n for n in (3, 20)}
        for name in ("a, b", "c", "d", "e", "f")
        for k, label in enumerate(plots.LOOKS)
    ]
    figure = plots.coverage(pd.DataFrame(rows))
    drawn = [axis for axis in figure.axes if axis.axison]
    assert [axis.get_title() for axis in drawn] == ["a,\nb", "c", "d", "e", "f"]
    for axis in drawn:
        for k, line in enumerate(axis.get_lines()[:3]):
            np.testing.assert_allclose(line.get_xdata(), [3, 20])
            np.testing.assert_allclose(
                line.get_ydata(), [0.503 + 0.01 * k, 0.52 + 0.01 * k]
            )
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(plots.LOOKS)
    plt.close(figure)
