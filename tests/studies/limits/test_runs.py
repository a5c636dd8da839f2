"""The configs behind noise, depth and activations, and what is counted at the end."""

import numpy as np
import pandas as pd
import pytest
import torch

from flatminima.data.xor import sample_xor
from flatminima.runs.mlp.problem import initial_state, problem
from flatminima.sources.wen_li_ma import FIGURES
from flatminima.studies.limits import runs as limits_runs
from flatminima.sweeps.sweep import fetch, sweep
from tests.tables import runs

SIZE = {"d": 4, "n": 10, "width": 8, "num_steps": 30}


@pytest.mark.parametrize("architecture", limits_runs.PHASES)
def test_rules_differ_in_radius_and_decay_only(architecture):
    found = limits_runs.rules(architecture, label_noise=0.2, **SIZE)
    assert tuple(found) == limits_runs.RULES
    plain = found["SGD"].model_dump()
    for rule, field in (("1-SAM", "rho"), ("SGD + wd", "weight_decay")):
        other = found[rule].model_dump()
        assert {k for k in plain if plain[k] != other[k]} == {field}
    assert found["SGD"].architecture == architecture
    assert found["SGD"].batch == "one"
    assert found["SGD"].label_noise == 0.2


# Written out from the source's table: learning rate, radius, first-layer scale.
SOURCE = {
    "no_bias": (0.01, 0.05, 1),
    "bias": (0.01, 0.05, 1),
    "sim_ln": (0.1, 0.1, 0.01),
    "softplus": (0.001, 0.1, 1),
    "sim_bn": (0.005, 0.1, 1),
    "deep": (0.01, 0.05, 1),
}


def test_values_are_the_sources():
    assert set(SOURCE) == set(limits_runs.PHASES)
    for architecture, (lr, rho, scale) in SOURCE.items():
        sam = limits_runs.rules(architecture, **SIZE)["1-SAM"]
        assert (sam.lr, sam.rho, sam.init_scale) == (lr, rho, scale)
        assert (
            FIGURES[limits_runs.PHASES[architecture][0]].fields.get("data", "xor")
            == "xor"
        )
    assert limits_runs.WEIGHT_DECAY == 0.05


def test_noise_is_every_level_under_every_rule():
    configs = limits_runs.noise("bias", [0, 0.2], **SIZE)
    found = [(config.label_noise, config.rule) for config in configs]
    assert found == [(p, rule) for p in (0, 0.2) for rule in limits_runs.RULES]


@pytest.mark.parametrize("levels", [[], [0], [0.2, 0.2]])
def test_levels_without_noise_or_twice_are_refused(levels):
    with pytest.raises(
        ValueError, match=r"levels = \[.*\]: must be different, and one"
    ):
        limits_runs.noise("bias", levels, **SIZE)


def test_sizes_are_with_the_most_noise_and_without():
    size = {key: value for key, value in SIZE.items() if key != "n"}
    configs = limits_runs.by_size("bias", [5, 10], [0.2, 0.4], **size)
    found = [(config.n, config.label_noise, config.rule) for config in configs]
    assert found == [
        (n, p, rule) for n in (5, 10) for p in (0, 0.4) for rule in limits_runs.RULES
    ]
    for sizes in ([], [5, 5]):
        with pytest.raises(ValueError, match=r"sizes = \[.*\]: must be different"):
            limits_runs.by_size("bias", sizes, [0.2], **size)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "norm"}, "architecture = 'norm': must be one of no_bias"),
        ({"label_noise": 0.001}, r"label_noise = 0\.001: flips none"),
        ({"label_noise": 2}, r"(?s)label_noise.*less than or equal to 1"),
        ({"n": 0}, r"(?s)\bn\b.*greater than or equal to 1"),
    ],
)
def test_rules_refuse(changes, message):
    with pytest.raises(ValueError, match=message):
        limits_runs.rules(**({"architecture": "bias"} | SIZE | changes))


def networks(**changes):
    return limits_runs.networks(**(SIZE | {"deep_width": 6} | changes))


def test_networks_without_and_with_a_bias():
    found = networks()
    assert len(found) == 8
    for name, rules in found.items():
        config = rules["1-SAM"]
        has_bias = not name.endswith("no bias")
        layers = int(name.split(", ")[1][0])
        if layers > 2:
            assert (config.architecture, config.depth) == ("deep", layers)
            assert config.width == 6
        else:
            assert config.width == 8
        start = initial_state(config)
        assert len(start.params) == (3 if layers > 2 else 2)
        # moving the bias row changes the outputs if and only if there is a bias
        setting = problem(config)
        moved = [p.astype(float) for p in start.params]
        before = setting.architecture.forward(setting.model, *moved, setting.inputs)
        if len(moved[0]) > config.d:
            moved[0][config.d] += 0.5
        after = setting.architecture.forward(setting.model, *moved, setting.inputs)
        assert np.allclose(before, after) != has_bias


def test_a_network_without_a_bias_is_the_plain_product_of_layers():
    config = networks()["ReLU, 4 layers, no bias"]["SGD"]
    setting, (w, middle, v) = problem(config), initial_state(config).params
    hidden = torch.as_tensor(sample_xor(config.n, config.d, 0).x, dtype=torch.float32)
    for weights in (w, *middle):
        hidden = torch.relu(hidden @ torch.as_tensor(weights))
    f = setting.architecture.forward(setting.model, w, middle, v, setting.inputs)
    np.testing.assert_allclose(hidden @ torch.as_tensor(v), f, rtol=1e-5, atol=1e-6)


# --- what is counted ------------------------------------------------------------


def test_flipped_labels_are_fitted_by_a_network_that_interpolates():
    size = SIZE | {"width": 64, "num_steps": 20_000}
    config = limits_runs.rules("bias", label_noise=0.2, **size)["SGD"]
    assert limits_runs.flipped_fitted(config, range(3, 5)).tolist() == [1.0, 1.0]


def test_flipped_labels_by_hand():
    config = limits_runs.rules("sim_bn", label_noise=0.3, **SIZE)["1-SAM"]
    (found, _) = limits_runs.flipped_fitted(config, 2)
    run, setting = fetch(config), problem(config)
    clean = sample_xor(config.n, config.d, 0).y
    params = [p.astype(float) for p in run.params]
    f = setting.architecture.forward(setting.model, *params, setting.inputs)
    hits = [f[i] * setting.y[i] > 0 for i in range(10) if clean[i] != setting.y[i]]
    assert len(hits) == 3
    assert found == sum(hits) / 3


@pytest.mark.filterwarnings("error:invalid value")
def test_a_diverged_run_gives_no_label_back():
    wild = limits_runs.rules("bias", label_noise=0.2, **SIZE)["SGD"]
    wild = type(wild)(**(wild.model_dump() | {"lr": 100.0}))
    with pytest.warns(UserWarning, match="diverged"):
        assert limits_runs.flipped_fitted(wild, 1).tolist() == [0.0]


def test_without_flips_there_is_nothing_to_count():
    config = limits_runs.rules("bias", **SIZE)["SGD"]
    with pytest.raises(ValueError, match=r"label_noise = 0\.0: must be above 0"):
        limits_runs.flipped_fitted(config, 1)


def test_the_table_of_noise():
    table = pd.concat(
        [
            runs(4, rule="1-SAM", test_accuracy=[0.5, 0.6, 0.7, 0.8]),
            runs(
                4, rule="SGD", test_accuracy=0.8, diverged=[True, False, False, False]
            ),
        ],
        ignore_index=True,
    )
    fitted = pd.Series({("bias", "SGD"): 1.0, ("bias", "1-SAM"): 0.25})
    found = limits_runs.noise_table(table, fitted)
    assert found.index.tolist() == [("2-MLP-Bias", "1-SAM"), ("2-MLP-Bias", "SGD")]
    assert found["test accuracy"].tolist() == [0.65, 0.6]
    assert found["flipped labels fitted"].tolist() == [0.25, 1.0]
    assert found["diverged"].tolist() == [0, 1]


def test_noise_changes_training_labels_and_no_test_label():
    noisy = limits_runs.rules("bias", label_noise=0.2, **SIZE)["SGD"]
    clean = limits_runs.rules("bias", **SIZE)["SGD"]
    one, other = problem(noisy), problem(clean)
    assert (one.y != other.y).sum() == 2
    np.testing.assert_array_equal(one.test.y, other.test.y)
    assert len(sweep([noisy], 1)) > 1
