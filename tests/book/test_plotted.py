"""The numbers of a figure: what was plotted, and what its picture shows."""

import io

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter
from matplotlib import pyplot as plt

from flatminima_book.plotted import COLUMNS, numbers
from flatminima_book.shown import FIGURE, MIME, TABLE, flat, packed, show_data
from tests.book.svg_marks import read, strays

X = np.array([1.0, 10.0, 100.0])
Y = np.array([0.1, 1 / 3, 0.7])


@pytest.fixture(autouse=True)
def headless():
    """Figures without a window, closed afterwards."""
    before = mpl.get_backend()
    plt.switch_backend("agg")
    yield
    plt.close("all")
    plt.switch_backend(before)


def rows(table, **wanted):
    """The rows that have given values."""
    for name, value in wanted.items():
        table = table[table[name] == value]
    return table


def test_a_line_has_its_points_its_name_and_its_axes():
    fig, axis = plt.subplots()
    axis.plot(X, Y, label="1-SAM", color="#ff0000")
    axis.set(xscale="log", xlabel="steps", ylabel="accuracy", title="bias")
    table = numbers(fig)
    assert table["x"].tolist() == X.tolist() and table["y"].tolist() == Y.tolist()
    first = table.iloc[0]
    assert first["series"] == "1-SAM" and first["mark"] == "line"
    assert (first["x_axis"], first["y_axis"]) == ("steps", "accuracy")
    assert (first["title"], first["colour"]) == ("bias", "#ff0000")


def test_a_band_has_both_edges():
    fig, axis = plt.subplots()
    axis.fill_between(X, Y - 0.1, Y + 0.1)
    axis.fill_betweenx(X, Y, Y + 1)
    table = numbers(fig)
    upright, sideways = (rows(table, number=number) for number in (1, 2))
    assert set(table["mark"]) == {"band"}
    assert np.array_equal(upright["x"], X)
    assert np.array_equal(upright["y"], Y - 0.1)
    assert np.array_equal(upright["y_to"], Y + 0.1)
    assert np.array_equal(sideways["y"], X)
    assert np.array_equal(sideways["x_to"], Y + 1)


def test_a_gap_splits_a_band_and_loses_no_edge():
    fig, axis = plt.subplots()
    x = np.arange(5.0)
    axis.fill_between(x, x, x + 1, where=x != 2)
    assert numbers(fig)["x"].tolist() == [0.0, 1.0, 3.0, 4.0]


def test_errors_and_bars_run_from_end_to_end():
    fig, axis = plt.subplots()
    axis.errorbar(X, Y, yerr=[Y / 2, Y / 4], fmt="o", label="mean")
    axis.bar(["u", "v", "w"], Y, width=0.5)
    table = numbers(fig)
    errors, bars = rows(table, mark="segments"), rows(table, mark="bars")
    assert np.allclose(errors["y"], Y / 2) and np.allclose(errors["y_to"], 1.25 * Y)
    assert set(errors["series"]) == {"mean"}
    assert np.allclose(bars["y_to"], Y) and np.allclose(bars["x"], [-0.25, 0.75, 1.75])


def test_words_of_an_axis_stand_beside_positions():
    fig, axis = plt.subplots()
    axis.plot([0, 1], Y[:2], "o")
    axis.set_xticks([0, 1], ["SGD", "SAM"])
    table = numbers(fig)
    assert table["x_name"].tolist() == ["SGD", "SAM"]
    assert set(table["mark"]) == {"points"}


def test_lines_over_the_whole_panel_have_one_coordinate():
    fig, axis = plt.subplots()
    axis.plot(X, Y)
    axis.axhline(0.9)
    axis.axvline(7)
    axis.axvspan(2, 3)
    table = numbers(fig)
    level, place, span = (rows(table, number=number).iloc[0] for number in (2, 3, 4))
    assert level["y"] == 0.9 and pd.isna(level["x"])
    assert place["x"] == 7 and pd.isna(place["y"])
    assert (span["x"], span["x_to"]) == (2, 3) and pd.isna(span["y"])


def test_cells_contours_and_points_have_values():
    fig, (left, right) = plt.subplots(1, 2)
    z = np.arange(6.0).reshape(2, 3)
    bar = fig.colorbar(left.imshow(z), ax=left)
    bar.set_label("loss")
    right.pcolormesh(z)
    right.scatter(X, Y, c=[1, 2, 3])
    right.contour(z, levels=[2.5], colors="k")
    table = numbers(fig)
    image = rows(table, panel=1)
    assert image["value"].tolist() == z.ravel().tolist()
    assert set(image["value_axis"]) == {"loss"}
    assert image.iloc[0][["x", "x_to", "y", "y_to"]].tolist() == [-0.5, 0.5, -0.5, 0.5]
    mesh = rows(table, panel=2, mark="cells")
    assert mesh["value"].tolist() == z.ravel().tolist()
    assert mesh.iloc[-1][["x", "x_to", "y", "y_to"]].tolist() == [2, 3, 1, 2]
    assert rows(table, mark="points")["value"].tolist() == [1, 2, 3]
    # between the rows of z lies 2.5 where 3 y + x = 2.5
    level = rows(table, mark="contour")
    assert np.allclose(3 * level["y"] + level["x"], 2.5)
    assert set(level["value"]) == {2.5}


def test_a_legend_of_the_figure_names_marks_by_their_colour():
    fig, axis = plt.subplots()
    axis.plot(X, Y, color="#0000ff", label="SGD")
    axis.scatter(X, Y, color="#0000ff")
    axis.scatter(X, Y, color="#00ff00")
    axis.legend()
    table = numbers(fig)
    names = [rows(table, number=number)["series"].iloc[0] for number in (1, 2, 3)]
    assert names == ["SGD", "SGD", ""]


def test_text_keeps_its_place_and_an_empty_figure_is_empty():
    fig, axis = plt.subplots()
    axis.text(2, 3, "here")
    axis.text(0.5, 0.5, "every run\ndiverged", transform=axis.transAxes)
    table = numbers(fig)
    assert table["text"].tolist() == ["here", "every run diverged"]
    assert table["x"].tolist()[0] == 2 and pd.isna(table["x"].iloc[1])
    assert numbers(plt.figure()).empty


def test_columns_that_say_nothing_are_left_out():
    fig, axis = plt.subplots()
    axis.plot(X, Y)
    names = list(numbers(fig).columns)
    assert names == ["panel", "mark", "number", "colour", "x", "y"]
    assert set(names) < set(COLUMNS)


def test_the_picture_shows_what_the_table_says():
    fig, axis = plt.subplots()
    random = np.random.default_rng(0)
    x, y = 10 ** random.uniform(0, 3, 40), random.uniform(0, 1, 40)
    axis.scatter(x, y)
    axis.set(xscale="log", xlim=(1, 1000), ylim=(0, 1))
    text = io.StringIO()
    fig.savefig(text, format="svg")
    (panel,) = read(text.getvalue())
    table = numbers(fig)
    assert strays(panel, table["x"].to_numpy(), table["y"].to_numpy(), 0.05) == 0
    assert strays(panel, table["x"].to_numpy(), table["y"].to_numpy() + 0.05, 0.05)


def test_a_shell_shows_numbers_to_the_last_bit_even_after_a_change_of_backend():
    from IPython.core.pylabtools import select_figure_formats

    class Shell:
        display_formatter = DisplayFormatter()

    show_data(Shell.display_formatter)
    select_figure_formats(Shell, {"svg"})
    fig, axis = plt.subplots()
    axis.plot(X, Y)
    bundle, _ = Shell.display_formatter.format(fig)
    assert bundle[MIME]["kind"] == FIGURE
    back = pd.read_csv(io.StringIO(bundle[MIME]["csv"]))
    assert np.array_equal(back["y"], Y)
    frame = pd.DataFrame({"a": Y}, index=pd.Index(["u", "v", "w"], name="rule"))
    bundle, _ = Shell.display_formatter.format(frame)
    assert bundle[MIME] == packed(TABLE, flat(frame))
    assert MIME not in Shell.display_formatter.format("a text")[0]


def test_a_table_has_one_row_of_headings():
    columns = pd.MultiIndex.from_tuples([("n", ""), ("loss", "mean")])
    index = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["rule", None])
    frame = pd.DataFrame([[1, 0.5], [2, 0.25]], columns=columns, index=index)
    assert list(flat(frame).columns) == ["rule", "row 1", "n", "loss / mean"]
    assert list(flat(pd.DataFrame({"x": [1]})).columns) == ["x"]
    named = pd.DataFrame({"row": [1]}, index=["a"])
    assert len(set(flat(named).columns)) == 2
