"""Figures draw what there is, also where there is nothing."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from flatminima.studies.stability import edge, landing, plots

TASK = {"sizes": (1, 4, 1), "degree": 2, "points": 6, "seeds": [3]}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def drawn(figure) -> str:
    figure.canvas.draw()
    return " ".join(text.get_text() for axis in figure.axes for text in axis.texts)


@pytest.mark.parametrize("lowest", [20.0, 1e-3])
def test_edge(lowest):
    found = edge.paths(edge=lowest, momentum=0.5, updates=30, **TASK)
    figure = plots.edge(found)
    assert not drawn(figure)
    assert [axis.get_title() for axis in figure.axes[:2]] == ["GD", "heavy ball"]


@pytest.mark.parametrize("converged", [True, False])
def test_ends(converged):
    found = landing.ends([0.1, 0.3], [1], updates=5)
    found = found.assign(converged=converged, lambda_max=4.0)
    assert ("no run converged" in drawn(plots.ends(found))) == (not converged)


def test_batches():
    columns = [*plots.BATCH_METRICS, "diverged", "data_seed", "scaled", "batch"]
    nothing = pd.DataFrame(columns=columns)
    row = {"lambda_max": 1.0, "trace": 2.0, "test_accuracy": 0.9, "diverged": False}
    live = pd.DataFrame(
        [row | {"data_seed": 1, "scaled": False, "batch": b} for b in (4, 8)]
    )
    assert not drawn(plots.batches(live, nothing))
    lost = live.assign(diverged=True, lambda_max=np.nan)
    assert "every run diverged" in drawn(plots.batches(lost, nothing))


def test_thresholds():
    distances = pd.DataFrame({0.9: [1.0, 0.5], 1.1: [1.0, 2.0]})
    rows = [
        {"method": method, "model": "quadratic", "ratio": np.nan}
        for method in plots.METHOD_LABELS
    ]
    words = drawn(plots.thresholds(distances, pd.DataFrame(rows)))
    assert "no threshold found" in words
