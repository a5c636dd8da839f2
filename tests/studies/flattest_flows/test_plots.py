"""What the figures on flows draw, on tables made by hand."""

import numpy as np
import pandas as pd
import pytest

from flatminima.studies.flattest_flows import contest, plots
from flatminima.sweeps.table import ALL_DIVERGED


def contenders():
    """Two seeds of every contender; the second flow of each stops early."""
    tables = {}
    for name in (
        contest.NAIVE,
        contest.NAIVE_TRUE,
        contest.KINK_AWARE,
        contest.WIDER,
        contest.SAM,
    ):
        rows = []
        for seed, steps in ((0, [0, 5, 10]), (1, [0, 5])):
            for step in steps:
                row = {"data_seed": seed, "init_seed": seed, "step": step}
                row |= {"retracted_trace": 3.0 - step / 10, "bound": 1.0}
                row |= {"test_accuracy": 0.5 + step / 50, "last": step == steps[-1]}
                row |= {"rising_share": 0.2 + 0.2 * seed, "jump_share": 0.1}
                row |= {"rule": "1-SAM", "diverged": False}
                rows.append(row)
        tables[name] = pd.DataFrame(rows)
        if name != contest.SAM:
            tables[name] = tables[name].assign(
                max_iterations=10, accepted_rising_share=0.3, rule="naive flow"
            )
    return tables


def test_flow_paths():
    tables = contenders()
    figure = plots.flow_paths(tables)
    excess, accuracy, plane = figure.axes
    assert len(excess.get_lines()) == 4  # training has another time
    np.testing.assert_allclose(excess.get_lines()[0].get_xdata(), [0, 5, 10])
    # at step 10 the flow that stopped at 5 counts with its last value
    np.testing.assert_allclose(excess.get_lines()[0].get_ydata(), [2, 1.5, 1.25])
    np.testing.assert_allclose(accuracy.get_lines()[0].get_ydata(), [0.5, 0.6, 0.65])
    assert len(plane.collections) == 5
    ends = np.asarray(plane.collections[-1].get_offsets())
    np.testing.assert_allclose(sorted(ends[:, 1]), [0.6, 0.7])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(tables)


@pytest.mark.usefixtures("pandas_2")
def test_rising_where_no_run_has_moved():
    tables = {k: t.assign(rising_share=np.nan) for k, t in contenders().items()}
    plots.rising(tables)


def test_rising():
    tables = contenders()
    figure = plots.rising(tables)
    shares, jumps, accepted = figure.axes
    assert [tick.get_text() for tick in shares.get_yticklabels()] == list(tables)
    points, median = shares.get_lines()[:2]
    np.testing.assert_allclose(points.get_xdata(), [0.2, 0.4])
    np.testing.assert_allclose(median.get_xdata(), 0.3)
    assert len(jumps.get_lines()) == 10
    assert len(accepted.get_lines()) == 8  # 1-SAM accepts everything


@pytest.mark.filterwarnings("error", "ignore::DeprecationWarning")
def test_flows_without_a_start_leave_panels_that_say_so():
    tables = {
        name: table.assign(diverged=True, rising_share=np.nan, jump_share=np.nan)
        for name, table in contenders().items()
    }
    for draw in (plots.flow_paths, plots.rising):
        figure = draw(tables)
        figure.draw_without_rendering()
        words = [text.get_text() for axis in figure.axes[:2] for text in axis.texts]
        assert words == [ALL_DIVERGED] * 2


@pytest.mark.filterwarnings("error", "ignore::DeprecationWarning")
def test_one_flow_without_a_start_leaves_the_others():
    tables = contenders()
    tables[contest.NAIVE] = tables[contest.NAIVE].assign(diverged=True)
    excess, *_ = plots.flow_paths(tables).axes
    assert [len(line.get_xdata()) for line in excess.get_lines()] == [0, 3, 3, 3]
    assert not excess.texts
