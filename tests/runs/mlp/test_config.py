"""A config accepts what can be run and refuses the rest by name."""

import math

import pytest
from pydantic import ValidationError

from flatminima.runs.mlp.config import Config


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("architecture", "resnet", "'no_bias', 'bias', 'sim_ln', 'softplus', 'sim"),
        ("d", 1, "greater than or equal to 2"),
        ("d", 1001, "less than or equal to 1000"),
        ("d", 30.0, "valid integer"),
        ("n", 0, "greater than or equal to 1"),
        ("n", "100", "valid integer"),
        ("n", True, "valid integer"),
        ("width", 0, "greater than or equal to 1"),
        ("batch", "two", "'one' or 'full'"),
        ("batch", 1, "greater than or equal to 2"),
        ("batch", 10.0, "valid integer"),
        ("data", "sphere", "'xor' or 'ball'"),
        ("loss", "hinge", "'squared' or 'logistic'"),
        ("label_smoothing", 0.5, "less than 0.5"),
        ("label_smoothing", -0.1, "greater than or equal to 0"),
        ("label_noise", 1.1, "less than or equal to 1"),
        ("label_noise", math.nan, "less than or equal to 1"),
        ("bias_input", -1.0, "greater than or equal to 0"),
        ("bias_input", math.inf, "finite number"),
        ("lr", 0.0, "greater than 0"),
        ("lr", math.inf, "finite number"),
        ("lr", math.nan, "finite number"),
        ("lr", "fast", "valid number"),
        ("rho", -0.1, "greater than or equal to 0"),
        ("rho", math.nan, "finite number"),
        ("weight_decay", -1.0, "greater than or equal to 0"),
        ("num_steps", 0, "greater than or equal to 1"),
        ("num_steps", 1.5, "valid integer"),
        ("num_checkpoints", 1, "greater than or equal to 2"),
        ("num_checkpoints", 1001, "less than or equal to 1000"),
        ("measure_at", (0,), "greater than or equal to 1"),
        ("init_scale", 0.0, "greater than 0"),
        ("radius", -1.0, "greater than or equal to 0"),
        ("eps", 0.0, "greater than 0"),
        ("dtype", "float16", "'float32' or 'float64'"),
        ("data_seed", -1, "greater than or equal to 0"),
        ("init_seed", 1.5, "valid integer"),
    ],
)
def test_bad_values_are_refused_by_name(field, value, allowed):
    with pytest.raises(ValidationError) as refused:
        Config(**{"architecture": "bias", field: value})
    message = str(refused.value)
    shown = value[0] if isinstance(value, tuple) else value
    assert message.splitlines()[1].startswith(field)
    assert allowed in message
    assert f"input_value={shown!r}" in message


def test_unknown_field_is_refused():
    with pytest.raises(ValidationError, match=r"seed\n.*not permitted"):
        Config(architecture="bias", seed=3)


def test_architecture_is_asked_for():
    with pytest.raises(ValidationError, match=r"architecture\n.*required"):
        Config()


def test_fewer_points_than_asked_for():
    with pytest.raises(ValidationError, match=r"n = 17: .* 2\^d .* d = 4"):
        Config(architecture="bias", d=4, n=17)
    assert Config(architecture="bias", d=4, n=16).n == 16


def test_decay_that_overshoots_is_refused():
    with pytest.raises(ValidationError, match=r"lr \* weight_decay = 1.0: .* below 1"):
        Config(architecture="bias", lr=0.5, weight_decay=2.0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"label_smoothing": 0.2},
            r"label_smoothing = 0\.2 with loss = 'squared'",
        ),
        ({"loss": "logistic"}, r"label_smoothing = 0\.0 with loss = 'logistic'"),
        ({"batch": 30}, r"batch = 30: must divide n = 100 and be below it"),
        ({"batch": 100}, r"batch = 100: must .* below it \(\"full\" is all"),
        ({"batch": 200}, "batch = 200: must divide n = 100"),
        ({"architecture": "no_bias", "bias_input": 0.5}, r"bias_input = 0\.5: must be"),
        ({"data": "ball", "label_noise": 0.1}, r"label_noise = 0\.1: must be 0 for"),
        (
            {"data": "ball", "loss": "logistic", "label_smoothing": 0.2},
            "loss = 'logistic': must be 'squared' for data = 'ball'",
        ),
        (
            {"step_noise": 0.5, "loss": "logistic", "label_smoothing": 0.2},
            r"step_noise = 0\.5: must be 0 for loss = 'logistic'",
        ),
        ({"label_noise": 0.001}, r"label_noise = 0\.001: flips none of n = 100"),
    ],
)
def test_impossible_combinations_are_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        Config(**({"architecture": "bias"} | fields))


def test_the_ball_has_as_many_points_as_asked_for():
    assert Config(architecture="bias", data="ball", d=4, n=17).n == 17


@pytest.mark.parametrize(("batch", "size"), [("one", 1), (10, 10), ("full", 100)])
def test_batch_size(batch, size):
    assert Config(architecture="bias", batch=batch).batch_size == size


def test_a_config_is_a_value():
    a, b = (Config(architecture="bias", lr=1) for _ in range(2))
    assert a == b
    assert hash(a) == hash(b)
    with pytest.raises(ValidationError, match="frozen"):
        a.lr = 0.2
    assert Config.model_validate_json(a.model_dump_json()) == a


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({}, "SGD"),
        ({"batch": "full"}, "GD"),
        ({"rho": 0.1}, "1-SAM"),
        ({"rho": 0.1, "batch": "full"}, "n-SAM"),
        ({"weight_decay": 0.1, "batch": "full"}, "GD + wd"),
        ({"weight_decay": 0.1, "rho": 0.1}, "1-SAM + wd"),
        ({"batch": 10}, "SGD, batch 10"),
        ({"batch": 10, "weight_decay": 0.1}, "SGD + wd, batch 10"),
        ({"batch": 10, "rho": 0.1, "weight_decay": 0.1}, "10-SAM + wd"),
        ({"radius": 10.0, "rho": 0.1}, "1-SAM, projected"),
        ({"radius": 10.0, "weight_decay": 0.1}, "SGD + wd, projected"),
    ],
)
def test_rule_names(fields, rule):
    assert Config(architecture="bias", **fields).rule == rule


def test_with_seeds():
    config = Config(architecture="bias", lr=0.3).with_seeds(4, 5)
    assert (config.data_seed, config.init_seed, config.lr) == (4, 5, 0.3)


@pytest.mark.parametrize("seeds", [(-1, 0), (0, -1), (0.5, 0), ("0", 0)])
def test_with_bad_seeds(seeds):
    with pytest.raises(ValidationError, match=r"(data|init)_seed"):
        Config(architecture="bias").with_seeds(*seeds)


PHASE = {"lr": 0.1, "rho": 0.2}


@pytest.mark.parametrize("starts", [(20, 10), (10, 10), (100,), (10, 200)])
def test_phases_that_cannot_follow_are_refused(starts):
    phases = [PHASE | {"start": start} for start in starts]
    message = rf"phases start at \[{starts[0]}.*: must ascend .* num_steps = 100"
    with pytest.raises(ValidationError, match=message):
        Config(architecture="bias", num_steps=100, phases=phases)


def test_bad_phases_are_refused_by_name():
    with pytest.raises(ValidationError, match=r"phases\.0\.start\n.*greater than or"):
        Config(architecture="bias", phases=[PHASE | {"start": 0}])
    with pytest.raises(ValidationError, match=r"phases\.0\.momentum\n.*not permitted"):
        Config(architecture="bias", phases=[PHASE | {"start": 5, "momentum": 1}])
    with pytest.raises(ValidationError, match=r"lr \* weight_decay = 1\.0"):
        Config(
            architecture="bias",
            weight_decay=10.0,
            phases=[{"start": 5, "lr": 0.1, "rho": 0.0}],
        )


def test_rates_follow_the_phases():
    config = Config(
        architecture="bias",
        rho=0.05,
        num_steps=100,
        phases=[PHASE | {"start": 30}, {"start": 70, "lr": 0.5, "rho": 0.0}],
    )
    assert config.rates(0) == (0.01, 0.05, 30)
    assert config.rates(29) == (0.01, 0.05, 30)
    assert config.rates(30) == (0.1, 0.2, 70)
    assert config.rates(70) == (0.5, 0.0, 100)
    assert config.rule == "1-SAM"
    later = Config(architecture="bias", phases=[PHASE | {"start": 30}])
    assert later.rule == "1-SAM"
