"""What the figure of variations draws, on a table made by hand."""

import numpy as np
import pandas as pd
import pytest

from flatminima.statistics.intervals import centre
from flatminima.studies.robust import plots
from flatminima.studies.robust.runs import BASE, RULES
from tests.tables import runs, some


def table(lost: int = 0) -> pd.DataFrame:
    """A base and one variation of ten seeds, of whose 1-SAM runs some diverged."""
    parts = []
    for architecture in ("no_bias", "sim_ln"):
        for field, factor in (BASE, ("lr", 0.5)):
            for rule in RULES:
                mine = rule == "1-SAM" and field == "lr"
                rows = runs(
                    10,
                    architecture=architecture,
                    rule=rule,
                    test_accuracy=[0.5 + 0.05 * k for k in range(10)],
                    retracted_trace=[1.0 + k for k in range(10)],
                    bound=0.5,
                    diverged=some(lost if mine else 0),
                )
                parts.append(rows[rows["last"]].assign(field=field, factor=factor))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    ("metric", "middle"), [("test_accuracy", 0.725), ("ratio", 11)]
)
def test_dots_and_bars(metric, middle):
    figure = plots.dots(table(), metric)
    names = [axis.get_title() for axis in figure.axes]
    assert names == ["2-MLP-No-Bias", "2-MLP-Sim-LN"]
    left = figure.axes[0]
    labels = [tick.get_text() for tick in left.get_yticklabels()]
    assert labels == ["base", "η × 1/2"]
    assert len(left.containers) == 4
    for dot, _, bars in left.containers:
        assert dot.get_xdata()[0] == pytest.approx(middle)
        low, high = bars[0].get_segments()[0][:, 0]
        assert low < middle < high
    assert left.get_xlabel() == plots.METRICS[metric][0]


def test_diverged_runs_are_marked():
    some_lost = plots.dots(table(lost=3), "test_accuracy").axes[0]
    faces = [dot[0].get_markerfacecolor() for dot in some_lost.containers]
    assert [face == "white" for face in faces].count(True) == 1
    all_lost = plots.dots(table(lost=10), "test_accuracy").axes[0]
    crosses = [line for line in all_lost.get_lines() if line.get_marker() == "x"]
    assert len(crosses) == 1
    assert len(all_lost.containers) == 3


def test_a_diverged_run_counts_as_0_in_the_accuracy_and_is_no_ratio():
    rows = table(lost=3)
    chosen = (rows["field"] == "lr") & (rows["rule"] == "1-SAM")
    mine = rows[chosen & (rows["architecture"] == "sim_ln")]
    accuracy = mine["test_accuracy"].tolist()
    mean, *_ = centre(mine, "test_accuracy")
    assert mean == pytest.approx(sum(accuracy[3:]) / 10)
    ratios = (mine["retracted_trace"] / 0.5).tolist()
    median, *_ = centre(mine, "ratio")
    assert median == np.median(ratios[3:])


def test_nothing_to_average():
    rows = table()
    rows["retracted_trace"] = np.nan
    base = rows[(rows["field"] == "base") & (rows["rule"] == "SGD")]
    one = base[base["architecture"] == "no_bias"]
    assert np.isnan(centre(one, "ratio")).all()


def test_another_metric_is_refused():
    with pytest.raises(ValueError, match="metric = 'trace': must be one of test_acc"):
        plots.dots(table(), "trace")
