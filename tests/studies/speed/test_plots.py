"""What the figures on speed draw, on measurements made by hand."""

import numpy as np

from flatminima.studies.speed import plots, tables
from flatminima.studies.speed.tables import ACTIVE, ENGINE, GRAM
from tests.studies.speed.test_tables import measurements, stored


def test_race_times(tmp_path):
    race = stored(tmp_path)
    figure = plots.race_times(race)
    assert [axis.get_title() for axis in figure.axes] == [
        "2-MLP-Bias, float64",
        "2-MLP-Bias, float32",
    ]
    early, late = figure.axes[0].get_lines()
    assert early.get_xdata().tolist() == [2, 4, 5]
    assert late.get_xdata().tolist() == [1, 2, 2.5]
    ticks = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert ticks == [ENGINE, ACTIVE, GRAM]
    assert figure.get_supxlabel() == race.origin


def test_no_point_of_the_roofline_is_drawn_above_its_own_roof(tmp_path):
    race = stored(tmp_path)
    figure = plots.race_roofline(race)
    for axis, dtype in zip(figure.axes, race.peak, strict=True):
        lines = {line.get_label(): line for line in axis.get_lines()}
        roof = lines["L2"]
        assert roof.get_ydata().max() == race.peak[dtype]
        points = lines[ENGINE]
        ceiling = np.interp(points.get_xdata(), *roof.get_data())
        rows = tables.roofline(race)
        rows = rows[(rows["dtype"] == dtype) & (rows["candidate"] == ENGINE)]
        np.testing.assert_allclose(points.get_ydata(), rows["speed"])
        np.testing.assert_allclose(ceiling, rows["ceiling"], rtol=0.02)


def test_architecture_times(tmp_path):
    rows = [row | {"peer": 100.0, "weights": 10} for row in measurements()["rows"]]
    costs = stored(tmp_path, rows=rows)
    figure = plots.architecture_times(costs)
    least, ours, peer = figure.axes[0].get_lines()
    assert ours.get_xdata().tolist() == [2, 4, 5]
    assert peer.get_xdata().tolist() == [100] * 3
    assert (least.get_xdata() < ours.get_xdata()).all()
