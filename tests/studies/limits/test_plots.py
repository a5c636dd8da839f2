"""What the figures on noise and networks draw, on tables made by hand."""

import numpy as np
import pandas as pd

from flatminima.plots.style import ARCHITECTURES
from flatminima.studies.limits import plots
from flatminima.studies.limits import runs as limits_runs
from tests.tables import runs


def table(architecture: str, level: float, **columns) -> pd.DataFrame:
    """Ten seeds of every rule."""
    return pd.concat(
        [
            runs(
                10,
                architecture=architecture,
                rule=rule,
                label_noise=level,
                test_accuracy=[0.9 - level - 0.01 * (k + j) for j in range(10)],
                **columns,
            )
            for k, rule in enumerate(limits_runs.RULES)
        ],
        ignore_index=True,
    )


def test_accuracy_against_noise():
    names = ["bias", "deep", "sim_bn", "softplus"]
    parts = [table(name, level) for name in names for level in (0.0, 0.1, 0.2)]
    figure = plots.accuracy_against_noise(pd.concat(parts, ignore_index=True))
    panels = [axis for axis in figure.axes if axis.axison]
    assert [axis.get_title() for axis in panels] == [ARCHITECTURES[n][0] for n in names]
    for axis in panels:
        assert len(axis.containers) == 3
        for k, (line, _, bars) in enumerate(axis.containers):
            np.testing.assert_array_equal(line.get_xdata(), [0, 0.1, 0.2])
            means = [0.855 - level - 0.01 * k for level in (0, 0.1, 0.2)]
            np.testing.assert_allclose(line.get_ydata(), means)
            for mean, segment in zip(means, bars[0].get_segments(), strict=True):
                assert segment[0, 1] < mean < segment[1, 1]
    (legend,) = figure.legends
    assert tuple(text.get_text() for text in legend.get_texts()) == limits_runs.RULES


def test_dots_by_network():
    tables = {
        "ReLU, 2 layers, no bias": table("no_bias", 0.0),
        "ReLU, 2 layers, bias": table("bias", 0.0),
        "softplus, 2 layers, bias": table("softplus", 0.0, bound=np.nan),
    }
    left, right = plots.dots_by_network(tables).axes
    assert [tick.get_text() for tick in left.get_yticklabels()] == list(tables)
    assert [len(axis.containers) for axis in (left, right)] == [9, 9]
    found = [container[0].get_xdata()[0] for container in left.containers[:3]]
    np.testing.assert_allclose(found, [0.855, 0.845, 0.835])
    ratios = [container[0].get_xdata()[0] for container in right.containers]
    np.testing.assert_allclose(ratios[:6], 2.0)
    assert np.isnan(ratios[6:]).all()


def test_accuracy_against_size():
    sized = [
        table(name, level, n=n)
        for name in ("bias", "sim_ln")
        for level in (0.0, 0.2)
        for n in (100, 400)
    ]
    figure = plots.accuracy_against_size(pd.concat(sized, ignore_index=True))
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == [ARCHITECTURES[name][0] for name in ("bias", "sim_ln")]
    for axis in figure.axes:
        assert len(axis.containers) == 6
        for line, _, _ in axis.containers:
            assert line.get_xdata().tolist() == [100, 400]
        found = {line.get_markerfacecolor() == "white" for line, *_ in axis.containers}
        assert found == {True, False}
        noisy = [c[0] for c in axis.containers if c[0].get_markerfacecolor() != "white"]
        np.testing.assert_allclose(noisy[0].get_ydata(), 0.655)
