"""What the redrawn figures of the paper show, on tables made by hand."""

import io
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from flatminima.plots.style import WIDTH
from flatminima.sources import wen_li_ma
from flatminima.studies.paper_figures import plots as paper_figures_plots
from flatminima.studies.paper_figures.runs import FigureRuns
from tests.tables import runs


def table(config, epochs, accuracy, **columns):
    """Three seeds measured at some epochs, one accuracy for each of these."""
    parts = [
        runs(
            3,
            num_steps=config.num_steps,
            test_accuracy=[value - 0.1, value, value + 0.05],
            test_r2=value,
            **columns,
        )
        .query("last")
        .assign(epoch=epoch, step=100 * epoch, last=epoch == epochs[-1])
        for epoch, value in zip(epochs, accuracy, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def shown(name, paper=True, **columns):
    quick = wen_li_ma.figure(name, epochs_factor=0.01)
    whole = wen_li_ma.figure(name)
    return FigureRuns(
        name,
        quick,
        table(quick, [0, 10, 1000], [0.5, 0.6, 0.7], **columns),
        table(whole, [0, 10, 10**5], [0.5, 0.6, 0.9], **columns)
        if paper
        else pd.DataFrame(),
    )


def dashes(line):
    return line.get_linestyle() == "--"


def test_committed_curves_are_dashed_and_behind():
    figure = paper_figures_plots.figure_curves({"4a": shown("4a")})
    upper, lower = figure.axes
    behind, front, *_ = upper.get_lines()
    assert dashes(behind) and not dashes(front)
    assert behind.get_color() != front.get_color()
    np.testing.assert_array_equal(behind.get_xdata(), [10, 10**5])
    np.testing.assert_array_equal(behind.get_ydata(), [0.6, 0.9])
    np.testing.assert_array_equal(front.get_ydata(), [0.6, 0.7])
    assert len(upper.collections) == 2  # a band each
    assert (upper.get_xscale(), lower.get_yscale()) == ("log", "log")
    assert lower.get_xlabel() == "epochs"


def test_a_band_reaches_from_the_tenth_to_the_ninetieth_percentile():
    upper, _ = paper_figures_plots.figure_curves({"4a": shown("4a", paper=False)}).axes
    (band,) = upper.collections
    edges = band.get_paths()[0].vertices[:, 1]
    low, high = np.quantile([0.5, 0.6, 0.65], [0.1, 0.9])
    assert edges.min() == pytest.approx(low)
    assert edges.max() == pytest.approx(np.quantile([0.6, 0.7, 0.75], 0.9))
    assert high < edges.max()


def test_retracted_traces_are_bold_and_iterates_thin():
    runs_ = shown("4a", paper=False, trace=3.0, retracted_trace=5.0)
    _, lower = paper_figures_plots.figure_curves({"4a": runs_}).axes
    thin, bold, _ = lower.get_lines()
    assert thin.get_linewidth() < bold.get_linewidth()
    assert set(thin.get_ydata()) == {3.0}
    assert set(bold.get_ydata()) == {5.0}


@pytest.mark.usefixtures("pandas_2")
def test_the_certified_bound_is_a_line_where_one_is_known():
    figure = paper_figures_plots.figure_curves({"4a": shown("4a", bound=22.27)})
    levels = [line.get_ydata()[0] for line in figure.axes[1].get_lines()]
    assert 22.27 in levels
    none = paper_figures_plots.figure_curves({"5a": shown("5a", bound=np.nan)})
    assert len(none.axes[1].get_lines()) == 4  # two curves of each kind


@pytest.mark.parametrize(
    ("paper", "bound", "labels"),
    [
        (True, 2.0, ["this build", "committed runs, longer", "certified bound"]),
        (False, 2.0, ["this build", "certified bound"]),
        (False, np.nan, ["this build"]),
    ],
)
def test_the_legend_names_what_is_drawn(paper, bound, labels):
    drawn = shown("4a", paper=paper, bound=bound)
    (legend,) = paper_figures_plots.figure_curves({"4a": drawn}).legends
    assert [text.get_text() for text in legend.get_texts()] == labels


def test_phases_are_ticked_on_the_time_axis_of_the_longer_runs():
    def ticks(drawn):
        _, lower = paper_figures_plots.figure_curves({"4b": drawn}).axes
        lines = [line for line in lower.get_lines() if line.get_color() == "0.2"]
        return [line.get_xdata()[0] for line in lines]

    assert ticks(shown("4b")) == [200_000]
    assert ticks(shown("4b", paper=False)) == [2000]
    assert ticks(shown("4a")) == []


def test_the_title_says_where_committed_runs_are_reduced():
    def titles(**drawn):
        axes = paper_figures_plots.figure_curves(drawn).axes
        return [axis.get_title() for axis in axes[: len(drawn)]]

    assert titles(a=shown("1a")) == ["1a: 2-MLP-No-Bias\nGD + wd"]
    half = shown("4b")
    half = replace(half, paper=half.paper.assign(num_steps=30_000_000))
    assert titles(a=shown("1a"), b=half) == [
        "1a: 2-MLP-No-Bias\nGD + wd\n",
        "4b: 2-MLP-Bias\n1-SAM\nreduced: 0.5 of the epochs",
    ]


def test_regression_has_r2_in_place_of_accuracy():
    ball = {name: shown(name) for name in ("7a", "7b")}
    axes = paper_figures_plots.figure_curves(ball).axes
    assert axes[0].get_ylabel() == "test R²"
    assert axes[0].get_ylim()[0] != 0.45  # R² has no such floor
    assert [axis.get_title().split(":")[0] for axis in axes[:2]] == ["7a", "7b"]


def test_four_figures_fit_and_draw_the_same_bytes_twice():
    drawn = {name: shown(name) for name in ("8a", "8b", "9a", "9b")}

    def svg():
        buffer = io.BytesIO()
        with mpl.rc_context({"svg.hashsalt": "flatminima"}):
            figure = paper_figures_plots.figure_curves(drawn)
            figure.savefig(buffer, format="svg", metadata={"Date": None})
        assert figure.get_size_inches()[0] <= WIDTH
        return buffer.getvalue()

    assert svg() == svg()
