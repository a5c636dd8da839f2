"""What the figures on sample complexity draw, on errors made by hand."""

import numpy as np
import pandas as pd

from flatminima.statistics import growth
from flatminima.studies.sample_complexity import plots


def errors(power: int = 1, method: str = "1-SAM", top: float = 4.0) -> pd.DataFrame:
    """Ten equal seeds whose errors fall linearly in log n from d^power on."""
    rows = [
        {
            "method": method,
            "d": d,
            "n": round(share * d**power),
            "seed": seed,
            "zero_one": max(0.5 - np.log2(share) / 4, 0),
            "mse": max(1 - np.log2(share) / 2, 0),
            "ratio": np.nan if method == "NTK" else 1 + share / 10,
            "diverged": False,
        }
        for d in (10, 20)
        for share in (1, 2, top)
        for seed in range(10)
    ]
    return pd.DataFrame(rows)


BOTH = pd.concat([errors(), errors(2, "NTK")], ignore_index=True)


def test_error_curves():
    figure = plots.error_curves(BOTH, growth.needs(BOTH))
    assert [axis.get_title() for axis in figure.axes[:2]] == [
        "1-SAM",
        "NTK regression",
    ]
    dots, line, *_ = figure.axes[0].get_lines()
    np.testing.assert_allclose(dots.get_xdata(), [10, 20, 40])
    np.testing.assert_allclose(dots.get_ydata(), [0.5, 0.25, 0])
    np.testing.assert_allclose(line.get_ydata(), [0.5, 0.25, 0])
    diamonds = [
        part.get_data()
        for part in figure.axes[0].get_lines()
        if part.get_marker() == "D"
    ]
    # 0.25 at n = 2 d, 0 at 4 d: 0.1 after three fifths of the doubling
    np.testing.assert_allclose([x[0] for x, _ in diamonds], [20 * 2**0.6, 40 * 2**0.6])


def test_a_method_with_one_dimension_has_no_panel():
    search = errors(method="search")
    both = pd.concat([errors(), search[search["d"] == 10]], ignore_index=True)
    needs = growth.needs(both)
    figure = plots.error_curves(both, needs)
    assert len(figure.axes) == 2
    _, labels = plots.growth(needs).axes[0].get_legend_handles_labels()
    assert labels == ["1-SAM", "convex search"]


def test_growth_draws_lines_of_the_exponents():
    figure = plots.growth(growth.needs(BOTH))
    slopes = []
    for line in figure.axes[0].get_lines():
        x, y = (np.asarray(part, dtype=float) for part in line.get_data())
        if line.get_marker() == "None" and len(x) == 2 and line.get_ls() == "-":
            slopes.append(np.polyfit(np.log(x), np.log(y), 1)[0])
    np.testing.assert_allclose(slopes, [1, 2], atol=1e-6)
    assert [text.get_text() for text in figure.axes[0].texts] == ["slope 1", "slope 2"]


def test_what_is_censored_is_not_drawn():
    part = errors()
    lost = part[part["n"] < 40].assign(zero_one=0.5, mse=1.0)
    figure = plots.growth(growth.needs(lost))
    assert [axis.get_title() for axis in figure.axes] == [
        "test zero-one error = 0.1",
        "test MSE = 0.25",
    ]
    assert all(not axis.get_lines() for axis in figure.axes)
    figure = plots.error_curves(lost, growth.needs(lost))
    markers = {line.get_marker() for line in figure.axes[0].get_lines()}
    assert "D" not in markers


def test_an_open_interval_is_drawn_as_far_as_it_is_known():
    part = errors(top=8.0)
    lost = part["seed"] < 4
    part.loc[lost, ["zero_one", "mse"]] = [0.5, 1.0]
    needs = growth.needs(part)
    figure = plots.growth(needs)
    figure.canvas.draw()


def test_flatness_leaves_out_what_has_no_trace():
    figure = plots.flatness(BOTH)
    *lines, level = figure.axes[0].get_lines()
    assert len(lines) == 2
    for line in lines:
        np.testing.assert_allclose(line.get_xdata(), [1, 2, 4])
        np.testing.assert_allclose(line.get_ydata(), [1.1, 1.2, 1.4])
    _, labels = figure.axes[0].get_legend_handles_labels()
    assert labels == ["1-SAM"]
    np.testing.assert_allclose(level.get_ydata(), 1)


def test_methods_are_drawn_against_1_sam():
    """A method that needs twice as much everywhere lies at 2, at its trace."""
    double = errors(method="SGD + wd").assign(ratio=3.0)
    double["n"] *= 2
    both = pd.concat([errors(), double, errors(2, "NTK")], ignore_index=True)
    figure = plots.against_sam(both, growth.needs(both))
    left, _, right = figure.axes
    middles = [bar.lines[0].get_xydata()[0] for bar in left.containers]
    assert [round(x) for x, _ in middles] == [10, 20]
    np.testing.assert_allclose([y for _, y in middles], 2)
    (bar,) = right.containers
    np.testing.assert_allclose(bar.lines[0].get_xydata(), [[3, 2]])
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["1-SAM", "SGD + wd"]


def test_what_is_censored_is_not_set_against_1_sam():
    lost = errors(method="SGD + wd").assign(zero_one=0.5, mse=1.0)
    both = pd.concat([errors(), lost], ignore_index=True)
    figure = plots.against_sam(both, growth.needs(both))
    assert not any(axis.containers for axis in figure.axes)
