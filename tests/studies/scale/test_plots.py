"""What the figures on scale draw, on measurements made by hand."""

import numpy as np

from flatminima.studies.scale import plots
from flatminima.studies.scale.task_farm import Farm, grid, simulate_all
from tests.measured import costs


def test_cell_seconds(tmp_path):
    measured = costs(tmp_path)
    figure = plots.cell_seconds(measured)
    axes = figure.axes
    assert [axis.get_xlabel() for axis in axes[:3]] == [
        "updates",
        "width",
        "input dimension d",
    ]
    _, labels = axes[0].get_legend_handles_labels()
    assert labels == ["batch size 1", "full batch"]
    _, labels = axes[3].get_legend_handles_labels()
    assert labels == ["1 worker", "2 workers"]
    # points lie on their lines: the measurements are exact
    fitted, points = axes[1].get_lines()
    x, y = points.get_data()
    np.testing.assert_allclose(np.interp(x, *fitted.get_data()), y, rtol=1e-3)
    assert figure.get_supxlabel() == measured.origin


def test_farm_efficiency(tmp_path):
    farms = grid(Farm(1, client_per_task=0.01), [1, 10, 1000], [1, 10])
    table = simulate_all(np.ones(5000), farms)
    figure = plots.farm_efficiency(table, costs(tmp_path))
    left, right = figure.axes
    for axis, column in ((left, "efficiency"), (right, "makespan")):
        for line, (_, rows) in zip(
            axis.get_lines(), table.groupby("batch"), strict=False
        ):
            np.testing.assert_array_equal(line.get_xdata(), rows["workers"])
            np.testing.assert_array_equal(line.get_ydata(), rows[column])
    perfect = right.get_lines()[-1]
    np.testing.assert_allclose(perfect.get_ydata(), [5000, 5])
    figure.canvas.draw()
    names = [tick.get_text() for tick in right.get_yticklabels()]
    assert names == ["1 minute", "1 hour"]


def test_a_range_within_one_unit_keeps_its_numbers(tmp_path):
    table = simulate_all(np.full(4, 5.0), grid(Farm(1), [1, 2], [1]))
    figure = plots.farm_efficiency(table, costs(tmp_path))
    figure.canvas.draw()
    assert any(tick.get_text() for tick in figure.axes[1].get_yticklabels(which="both"))
