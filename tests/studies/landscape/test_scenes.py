"""Changes of a network that leave its function alone, and the plane of a curve."""

import numpy as np
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator

from flatminima.runs import loop
from flatminima.runs.landscape import connect, view
from flatminima.runs.landscape.config import PathConfig, ViewConfig
from flatminima.runs.nets.config import NetConfig
from flatminima.studies.landscape import scenes

NET = NetConfig(n=40, width=6, num_steps=40, num_checkpoints=2)
VIEW = ViewConfig(net=NET, points=5, probes=2)


@pytest.mark.parametrize("change", [scenes._by_unit, lambda s: scenes._by_layer(s, 3)])
def test_the_function_stays(change):
    scene = view.at_end(VIEW, loop.run(VIEW))
    theta = change(scene)
    assert float((theta - scene.theta).norm()) > 1
    torch.testing.assert_close(scene.outputs(theta), scene.outputs())


def test_the_picture_stays_for_layers_and_changes_for_units(store):
    found = scenes.rescaled(VIEW, [0, 1], 5)
    assert found["layers"].max() < 1e-9
    assert found["units"].min() > 0.01


def test_the_plane_holds_the_ends_and_the_curve(store):
    config = PathConfig(net=NET, points=5, curve_steps=20).with_seeds(3, 4)
    run = loop.run(config)
    found = scenes.bend(config, 41)
    first, inner, second = run.arrays["curve"]
    length = np.linalg.norm(second - first)
    np.testing.assert_allclose(found.ends, [[0, 0], [length, 0]], atol=1e-9)
    np.testing.assert_allclose(found.curve[[0, -1]], found.ends, atol=1e-9)
    middle = np.linalg.norm((first + 2 * inner + second) / 4 - first)
    assert np.linalg.norm(found.curve[50]) == pytest.approx(middle)
    picture = found.slice
    at_curve = RegularGridInterpolator((picture.y, picture.x), picture.loss)
    seen = at_curve(found.curve[[0, 25, 50, 75, 100], ::-1])
    np.testing.assert_allclose(seen, run.arrays["curve_loss"], rtol=0.2)
    straight = PathConfig(net=NET, points=5, curve_steps=0)
    assert scenes.bend(straight, 5) is None


def test_paths_join_the_networks_that_were_trained():
    config = PathConfig(net=NET, points=5, curve_steps=20)
    run = loop.run(config)
    losses = [each.history["train_loss"].iloc[-1] for each in connect.networks(config)]
    assert run.arrays["curve_loss"][[0, -1]] == pytest.approx(losses[:2])
    assert run.arrays["straight_loss"][[0, -1]] == pytest.approx(losses[:2])
    assert run.arrays["matched_loss"][[0, -1]] == pytest.approx(losses[:2])
    assert run.arrays["order_loss"][-1] == pytest.approx(losses[2])
