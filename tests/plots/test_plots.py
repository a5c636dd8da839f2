"""What every figure draws, on tables made by hand; nobody looks at pixels here."""

import io
import sys
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from flatminima.plots.flatness import flat_against_right, seed_grid, verdict_map
from flatminima.plots.style import (
    ARCHITECTURES,
    INLINE,
    RULE_STYLES,
    WIDTH,
    plain_log_ticks,
    use_style,
)
from flatminima.plots.training import CEILING, training_curves
from flatminima.plots.units import largest_units, units
from flatminima.sources import wen_li_ma
from flatminima.sources.controls import RULES, SETTINGS
from flatminima.studies.xor.plots import memorising_plane
from flatminima.sweeps.table import ALL_DIVERGED, NOT_HELD_OUT, NOT_NEAR
from flatminima.theory.constructions.memorising_networks import memorising_bias
from tests.tables import runs

NAN = float("nan")
# Libraries deprecate each other's functions: no figure can help it.
without_warnings = pytest.mark.filterwarnings("error", "ignore::DeprecationWarning")


def table(architectures=("bias",), rules=("GD + wd", "1-SAM"), **columns):
    """Three seeds, measured at steps 0, 10 and 3000."""
    parts = []
    for architecture in architectures:
        for k, rule in enumerate(rules):
            rows = runs(
                3,
                architecture=architecture,
                rule=rule,
                test_accuracy=[0.6, 0.7 + 0.05 * k, 0.9],
                retracted_trace=[1.5, 2.0 + k, 4.0],
                **columns,
            )
            early = rows[rows["last"]].assign(
                step=10, last=False, retracted_trace=NAN, trace=3.0, train_loss=0.5
            )
            parts += [rows, early]
    return pd.concat(parts, ignore_index=True)


SQUARE = np.array([[1.0, 1], [-1, 1], [-1, -1], [1, -1]])
FIGURES = {
    "training_curves": lambda: training_curves(table(), ["GD + wd", "1-SAM"]),
    "units": lambda: units(
        {"SGD": np.eye(5, 3), "1-SAM": -np.eye(5, 3)}, has_bias=True
    ),
    "flat_against_right": lambda: flat_against_right(
        table(["bias", "sim_ln"]), ["bias", "sim_ln"]
    ),
    "memorising_plane": lambda: memorising_plane(
        SQUARE, *memorising_bias(SQUARE, SQUARE.prod(axis=1))
    ),
    "verdict_map": lambda: verdict_map(
        table(["bias", "no_bias"]), ["GD + wd", "1-SAM"]
    ),
    "seed_grid": lambda: seed_grid(GRID, "test_accuracy", "accuracy")[0],
}
GRID = pd.DataFrame(
    [
        {
            "data_seed": i,
            "init_seed": j,
            "test_accuracy": 0.1 * i + 0.3 * j,
            "last": True,
        }
        for i in range(2)
        for j in range(3)
    ]
)
each_figure = pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)


def svg(figure: Figure) -> bytes:
    """The bytes that a page would show."""
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "flatminima", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


# --- all figures --------------------------------------------------------------


@each_figure
def test_the_same_bytes_twice(draw):
    assert svg(draw()) == svg(draw())


@each_figure
def test_one_figure_is_opened_and_no_setting_changed(draw):
    before = dict(mpl.rcParams)
    figure = draw()
    assert [plt.figure(number) for number in plt.get_fignums()] == [figure]
    assert dict(mpl.rcParams) == before
    assert figure.get_size_inches()[0] <= WIDTH


@each_figure
def test_every_axis_says_what_it_shows(draw):
    for axis in draw().axes:
        assert axis.get_xlabel() or axis.get_ylabel() or axis.get_title()


HOSTILE = {
    "font.size": 40,
    "font.family": "serif",
    "axes.grid": True,
    "axes.titlelocation": "left",
    "axes.formatter.useoffset": False,
    "figure.max_open_warning": 1,
    "lines.marker": "x",
    "savefig.bbox": "tight",
    "svg.fonttype": "none",
    "xtick.direction": "in",
    "mathtext.fontset": "cm",
    "image.cmap": "jet",
    "legend.loc": "upper left",
    "timezone": "Asia/Tokyo",
}


@pytest.mark.filterwarnings("ignore:More than 1 figures")
@pytest.mark.parametrize("name", ["training_curves", "seed_grid", "verdict_map"])
def test_settings_of_the_readers_change_no_figure(name):
    before = svg(FIGURES[name]())
    mpl.rcParams.update(HOSTILE)
    sns.set_theme("poster", "darkgrid", "dark")
    assert svg(FIGURES[name]()) != before
    use_style()
    assert svg(FIGURES[name]()) == before


def test_a_style_file_of_the_readers_changes_nothing(tmp_path):
    usual = dict(mpl.rcParams)
    (tmp_path / "mine.mplstyle").write_text("axes.grid: True\nlines.linewidth: 9\n")
    plt.style.use(tmp_path / "mine.mplstyle")
    use_style()
    assert dict(mpl.rcParams) == usual


@pytest.mark.parametrize(
    ("chosen", "kept"),
    [("agg", False), (INLINE, True), ("module://ipympl.backend_nbagg", True)],
)
def test_a_notebook_gets_figures_that_it_can_show(chosen, kept, monkeypatch):
    """As with MPLBACKEND = TkAgg on a machine without a screen."""
    asked = []
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    monkeypatch.setattr(mpl, "get_backend", lambda: chosen)
    monkeypatch.setattr(mpl, "use", asked.append)
    use_style()
    assert asked == ([] if kept else [INLINE])


# --- empty panels ---------------------------------------------------------------


def words(figure):
    shown = (text.get_text() for axis in figure.axes for text in axis.texts)
    return {" ".join(text.split()) for text in shown}


@without_warnings
@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"diverged": True}, ALL_DIVERGED),
        ({"test_accuracy": NAN, "test_points": 0}, NOT_HELD_OUT),
        ({"retracted_trace": NAN, "trace": NAN}, NOT_NEAR),
    ],
    ids=["diverged", "whole cube", "far"],
)
@pytest.mark.parametrize("name", ["training_curves", "flat_against_right", "map"])
def test_an_empty_panel_says_why(name, columns, said):
    rows = table().assign(**columns)
    if "diverged" in columns:
        rows = rows[rows["step"] == 0].assign(last=True, retracted_trace=NAN)
    draw = {
        "training_curves": lambda: training_curves(rows, ["GD + wd", "1-SAM"]),
        "flat_against_right": lambda: flat_against_right(rows, ["bias"]),
        "map": lambda: verdict_map(rows, ["GD + wd", "1-SAM"]),
    }
    figure = draw[name]()
    assert words(figure) == {said}
    svg(figure)


@without_warnings
def test_a_crossed_table_of_nothing_says_why():
    rows = GRID.assign(test_accuracy=NAN, test_points=0, diverged=False)
    figure, _ = seed_grid(rows, "test_accuracy", "accuracy")
    assert words(figure) == {NOT_HELD_OUT}
    svg(figure)


@without_warnings
def test_values_on_the_way_to_infinity_are_drawn_at_the_ceiling():
    rows = table(train_loss=1e300, trace=1e300)
    figure = training_curves(rows, ["1-SAM"])
    (line,) = lines(figure.axes[0], "1-SAM")
    assert line.get_ydata().tolist() == [0.5, CEILING]
    svg(figure)


# --- training curves ----------------------------------------------------------


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def lines(axis, label):
    return [line for line in axis.lines if line.get_label() == label]


def test_training_curves_are_medians_and_bands():
    figure = training_curves(table(), ["GD + wd", "1-SAM"])
    loss, accuracy, trace = figure.axes
    assert [axis.get_title() for axis in figure.axes] == [
        "training loss",
        "test accuracy",
        "trace / bound",
    ]
    assert legend(figure) == ["GD + wd", "1-SAM"]
    (line,) = lines(loss, "1-SAM")
    assert line.get_xdata().tolist() == [10, 3000]  # step 0 has no place on a log axis
    assert line.get_ydata().tolist() == [0.5, 1e-3]
    (line,) = lines(accuracy, "1-SAM")
    assert line.get_ydata().tolist() == pytest.approx([0.75, 0.75])
    (line,) = lines(trace, "1-SAM")
    assert (line.get_xdata().tolist(), line.get_ydata().tolist()) == ([3000], [3.0])
    for axis, extra in ((loss, 0), (accuracy, 1), (trace, 1 + 2)):
        assert len(axis.lines) == 2 + extra  # chance or bound; thin raw traces
        assert len(axis.collections) == 2
    band = accuracy.collections[0].get_datalim(accuracy.transData)
    assert (band.y0, band.y1) == pytest.approx((0.62, 0.86))  # 10 and 90 %


def test_tiny_losses_are_drawn_at_the_floor():
    figure = training_curves(table(train_loss=1e-30), ["1-SAM"], loss_floor=1e-8)
    (line,) = lines(figure.axes[0], "1-SAM")
    assert line.get_ydata().tolist() == [0.5, 1e-8]


def test_a_negative_trace_of_an_iterate_leaves_a_gap():
    figure = training_curves(table(trace=-1.0), ["1-SAM"])
    thin = next(line for line in figure.axes[2].lines if line.get_lw() < 1)
    np.testing.assert_array_equal(thin.get_ydata(), [3.0, NAN])


def test_a_rule_that_diverged_at_once_keeps_its_legend():
    rows = table()
    rows = rows[(rows["rule"] == "GD + wd") | (rows["step"] == 0)]
    figure = training_curves(rows, ["GD + wd", "1-SAM"])
    assert legend(figure) == ["GD + wd", "1-SAM"]
    assert len(lines(figure.axes[0], "1-SAM")[0].get_xdata()) == 0
    svg(figure)


# --- weights ------------------------------------------------------------------


def test_largest_units_by_the_product_of_their_layers():
    w = np.array([[3.0, 1.0, 0.0, 2.0], [4.0, 0.0, 9.0, 0.0]])
    v = np.array([1.0, -10.0, 0.0, 2.0])  # products 5, 10, 0, 4
    found = largest_units(w, v, 3)
    np.testing.assert_array_equal(found, [[10.0, 3.0, 4.0], [0.0, 4.0, 0.0]])
    assert largest_units(w, v, 9).shape == (2, 4)


def test_units_are_scaled_panel_by_panel():
    figure = units(
        {"a": np.array([[2.0, -4.0]]), "b": np.array([[1.0, 0.5]])}, has_bias=False
    )
    images = [axis.images[0] for axis in figure.axes[:2]]
    assert [axis.get_title() for axis in figure.axes[:2]] == ["a", "b"]
    np.testing.assert_array_equal(images[0].get_array(), [[0.5, -1.0]])
    np.testing.assert_array_equal(images[1].get_array(), [[1.0, 0.5]])
    assert {image.get_clim() for image in images} == {(-1, 1)}


@without_warnings
@pytest.mark.parametrize("value", [0.0, NAN], ids=["dead", "diverged"])
def test_units_without_weights_are_drawn_empty(value):
    columns = largest_units(np.full((4, 6), value), np.full(6, value), 3)
    svg(units({"1-SAM": columns}, has_bias=True))


@pytest.mark.parametrize(
    ("num_inputs", "has_bias", "labels"),
    [
        (31, True, ["1", "2", "10", "20", "bias"]),
        (30, False, ["1", "2", "10", "20", "30"]),
        (7, True, ["1", "2", "bias"]),
        (10, True, ["1", "2", "bias"]),
        (10, False, ["1", "2", "10"]),
        (3, True, ["1", "2", "bias"]),
        (2, False, ["1", "2"]),
    ],
)
def test_inputs_are_labelled_once(num_inputs, has_bias, labels):
    figure = units({"a": np.ones((num_inputs, 2))}, has_bias=has_bias)
    axis = figure.axes[0]
    ticks = [tick.get_text() for tick in axis.get_yticklabels()]
    assert ticks == labels
    assert axis.get_yticks()[-1] == num_inputs - 1


# --- accuracy against trace ---------------------------------------------------


def test_flat_against_right_shows_interpolating_checkpoints_and_ends():
    figure = flat_against_right(
        table(["bias", "sim_ln"], rules=["1-SAM", "SGD"]), ["bias", "sim_ln"]
    )
    assert [axis.get_title() for axis in figure.axes] == ["2-MLP-Bias", "2-MLP-Sim-LN"]
    assert legend(figure) == ["SGD", "1-SAM"]  # once, in the order of the rules
    for axis in figure.axes:
        clouds = axis.collections
        assert len(clouds) == 4
        ends = next(c for c in clouds if c.get_label() == "1-SAM")
        # every end is drawn at trace / bound and its accuracy
        found = sorted(map(tuple, ends.get_offsets().tolist()))
        assert found == [(1.5, 0.6), (2.0, 0.7), (4.0, 0.9)]


@without_warnings
def test_flat_against_right_when_nothing_interpolates():
    rows = table().assign(retracted_trace=NAN)
    svg(flat_against_right(rows, ["bias"]))


def test_verdict_map_has_one_marker_a_pair_in_the_order_of_the_rules():
    rows = table(["bias", "no_bias"], rules=["GD + wd", "1-SAM", "SGD"])
    figure = verdict_map(rows, ["GD + wd", "1-SAM"])
    assert legend(figure) == [
        "GD + wd, 2-MLP-No-Bias",
        "GD + wd, 2-MLP-Bias",
        "1-SAM, 2-MLP-No-Bias",
        "1-SAM, 2-MLP-Bias",
    ]
    (axis,) = figure.axes
    marker, _, bars = axis.containers[-1].lines
    assert (marker.get_xdata()[0], marker.get_ydata()[0]) == (3.0, 0.75)
    (across,), (along,) = (bar.get_segments() for bar in bars)
    np.testing.assert_allclose(across, [[1.8, 0.75], [3.8, 0.75]])  # 10 and 90 %
    np.testing.assert_allclose(along, [[3.0, 0.63], [3.0, 0.87]])


def test_verdict_map_is_of_seeds_that_interpolate():
    rows = table(rules=["1-SAM"])
    rows.loc[rows["data_seed"] == 1, "retracted_trace"] = NAN
    (axis,) = verdict_map(rows, ["1-SAM"]).axes
    marker = axis.containers[0].lines[0]
    assert marker.get_xdata()[0] == (1.5 + 4.0) / 2
    assert marker.get_ydata()[0] == (0.6 + 0.9) / 2


@without_warnings
def test_verdict_map_when_nothing_interpolates():
    figure = verdict_map(table().assign(retracted_trace=NAN), ["1-SAM"])
    assert len(figure.axes[0].containers) == 0
    svg(figure)


def test_seed_grid_annotates_every_pair():
    _, axis = seed_grid(GRID, "test_accuracy", "accuracy")
    shown = [text.get_text() for text in axis.texts]
    assert shown == ["0.00", "0.30", "0.60", "0.10", "0.40", "0.70"]
    assert (axis.get_xlabel(), axis.get_ylabel()) == (
        "initialisation seed",
        "data seed",
    )


def test_memorising_plane_marks_points_by_label():
    figure = FIGURES["memorising_plane"]()
    axis = figure.axes[0]
    names = [text.get_text() for text in axis.get_legend().get_texts()]
    assert names == ["y = +1", "y = -1"]
    points = {c.get_label(): c.get_offsets() for c in axis.collections}
    assert sorted(points["y = +1"].tolist()) == [[-1, -1], [1, 1]]
    assert sorted(points["y = -1"].tolist()) == [[-1, 1], [1, -1]]


# --- colours ------------------------------------------------------------------

# Machado, Oliveira & Fernandes 2009, deuteranopia, on linear RGB.
DEUTERANOPIA = np.array(
    [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]
)
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
WHITE = TO_XYZ.sum(axis=1)


def lab(colour, vision):
    """CIELAB of an sRGB colour as an eye of this vision sees it."""
    srgb = np.asarray(colour)
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    t = TO_XYZ @ np.clip(vision @ linear, 0, 1) / WHITE
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_lab_of_known_colours():
    assert lab((1, 1, 1), np.eye(3)) == pytest.approx([100, 0, 0], abs=1e-9)
    assert lab((1, 0, 0), np.eye(3)) == pytest.approx([53.24, 80.09, 67.20], abs=0.01)


@pytest.mark.parametrize(
    ("vision", "least"), [(np.eye(3), 20), (DEUTERANOPIA, 10)], ids=["all", "deutan"]
)
def test_rules_of_a_figure_are_told_apart(vision, least):
    # a difference of 2.3 is just noticeable; the dashes tell rules apart too
    together = [
        {rule: style for rule, style in RULE_STYLES.items() if projected(rule)},
        {r: style for r, style in RULE_STYLES.items() if not projected(r)},
    ]
    for styles in together:
        colours = {rule: lab(colour, vision) for rule, (colour, _) in styles.items()}
        for one, other in combinations(colours, 2):
            distance = np.linalg.norm(colours[one] - colours[other])
            assert distance >= least, (one, other)


def projected(rule):
    return rule.endswith("projected")


def test_dashes_tell_neighbouring_colours_apart():
    styles = RULE_STYLES
    for one, other in (("1-SAM", "1-SAM + wd"), ("n-SAM", "SGD"), ("SGD", "SGD + wd")):
        assert styles[one][1] != styles[other][1]


def test_every_rule_and_architecture_has_its_look():
    rules = {*RULES, *wen_li_ma.fixed_scale(d=4, n=4, width=4, phase_epochs=1)}
    figures = wen_li_ma.figures(list(wen_li_ma.FIGURES)).values()
    assert set(RULE_STYLES) == rules | {config.rule for config in figures}
    architectures = {config.architecture for config in figures}
    assert set(ARCHITECTURES) == architectures >= set(SETTINGS)
    markers = [marker for _, marker in ARCHITECTURES.values()]
    assert len(set(markers)) == len(markers)


@pytest.mark.parametrize(
    ("ends", "shown"),
    [((6.5, 40.0), ["10", "20", "30"]), ((1.15, 2.1), ["1.4", "2"])],
)
def test_a_logarithmic_axis_is_labelled_without_powers_of_ten(ends, shown):
    figure, axis = plt.subplots()
    axis.plot([0, 1], ends)
    axis.set_yscale("log")
    plain_log_ticks(axis)
    figure.canvas.draw()
    labels = [label.get_text() for label in axis.get_yticklabels(which="both")]
    assert set(shown) <= set(labels)
    assert not any("10^" in label for label in labels)
    plt.close(figure)
