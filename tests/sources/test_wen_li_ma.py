"""The settings, against the training table of the source, typed in again here."""

import math
import re

import pytest

from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.train import checkpoints
from flatminima.sources import controls
from flatminima.sources.wen_li_ma import FIGURES, figure, fixed_scale, scale_of

SIZE = {"d": 6, "n": 20, "width": 8}
LENGTH = {"epochs": 3, "full_batch_steps": 40}
PAPER = {"d": 30, "n": 100, "width": 500, "epochs": 100_000}

# Wen, Li & Ma 2023, table of training details: figure, architecture, rule, eta,
# rho, batch, weight decay; 1e5 epochs in all four.
SOURCE = [
    ("1a", "no_bias", "GD + wd", 0.01, 0.0, "full", 0.05),
    ("1b", "no_bias", "1-SAM", 0.01, 0.05, "one", 0.0),
    ("4a", "bias", "GD + wd", 0.01, 0.0, "full", 0.05),
    ("4b, first phase", "bias", "1-SAM", 0.01, 0.05, "one", 0.0),
    ("6a", "sim_ln", "1-SAM", 0.1, 0.1, "one", 0.0),
]


def scenario(architecture="bias", **changes):
    return controls.scenario(architecture, **(SIZE | LENGTH | changes))


@pytest.mark.parametrize(
    ("architecture", "rule", "lr", "rho", "batch", "weight_decay"),
    [row[1:] for row in SOURCE],
    ids=[row[0] for row in SOURCE],
)
def test_source(architecture, rule, lr, rho, batch, weight_decay):
    configs = controls.scenario(architecture, **PAPER, full_batch_steps=100_000)
    config = configs[rule]
    assert (config.lr, config.rho, config.batch) == (lr, rho, batch)
    assert config.weight_decay == weight_decay
    steps_per_epoch = 1 if batch == "full" else 100
    assert config.num_steps == 100_000 * steps_per_epoch
    assert (config.d, config.n, config.width) == (30, 100, 500)
    assert config.radius == 0
    assert config.init_scale == (0.01 if architecture == "sim_ln" else 1)


def test_projected_training_of_the_source():
    # figure 6b: eta 0.01, rho 0.1, 0.5 and 1 for 500 epochs each, norm 10
    configs = fixed_scale(d=30, n=100, width=500, phase_epochs=500)
    sam = configs["1-SAM, projected"]
    assert (sam.architecture, sam.radius, sam.num_steps) == ("sim_ln", 10, 150_000)
    assert sam.weight_decay == 0
    found = [sam.rates(step)[:2] for step in (0, 49_999, 50_000, 99_999, 100_000)]
    assert found == [(0.01, 0.1)] * 2 + [(0.01, 0.5)] * 2 + [(0.01, 1.0)]


def test_the_projected_control_differs_in_the_ascent_step_alone():
    configs = fixed_scale(**SIZE, phase_epochs=2)
    assert list(configs) == ["SGD, projected", "1-SAM, projected"]
    control, sam = configs.values()
    assert differing(control, sam) == {"rho", "phases"}
    assert {control.rates(step)[:2] for step in range(120)} == {(0.01, 0.0)}


@pytest.mark.parametrize("architecture", ["no_bias", "bias", "sim_ln"])
def test_six_distinct_rules(architecture):
    configs = scenario(architecture)
    assert tuple(configs) == controls.RULES
    assert [config.rule for config in configs.values()] == list(controls.RULES)
    assert len(set(configs.values())) == 6
    assert {config.architecture for config in configs.values()} == {architecture}


def differing(one: Config, other: Config) -> set[str]:
    a, b = one.model_dump(), other.model_dump()
    return {name for name in a if a[name] != b[name]}


@pytest.mark.parametrize(
    ("one", "other", "fields"),
    [
        ("SGD", "1-SAM", {"rho"}),
        ("SGD", "SGD + wd", {"weight_decay"}),
        ("1-SAM", "1-SAM + wd", {"weight_decay"}),
        ("SGD + wd", "1-SAM + wd", {"rho"}),
        ("SGD + wd", "GD + wd", {"batch", "num_steps"}),
        ("1-SAM", "n-SAM", {"batch", "num_steps"}),
        ("GD + wd", "1-SAM", {"batch", "num_steps", "rho", "weight_decay"}),
    ],
)
def test_controls_change_one_thing(one, other, fields):
    configs = scenario()
    assert differing(configs[one], configs[other]) == fields


def test_all_rules_are_measured_after_equally_many_updates():
    for config in scenario().values():
        assert config.num_steps == (60 if config.batch == "one" else 40)
        assert 40 in checkpoints(config)


def test_values_in_place_of_the_sources():
    configs = scenario(lr=0.3, rho=0.2, weight_decay=0.1)
    assert {config.lr for config in configs.values()} == {0.3}
    assert {config.rho for config in configs.values()} == {0.0, 0.2}
    assert {config.weight_decay for config in configs.values()} == {0.0, 0.1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rho": 0}, "rho = 0: must be above 0"),
        ({"rho": math.nan}, "rho = nan: must be above 0"),
        ({"weight_decay": 0.0}, r"weight_decay = 0\.0: must be above 0"),
        ({"epochs": 0}, "epochs = 0: must be an integer of at least 1"),
        ({"epochs": 1.5}, r"epochs = 1\.5: must be an integer of at least 1"),
        ({"full_batch_steps": -1}, "full_batch_steps = -1: must be an integer"),
        ({"n": 0}, r"(?s)\bn\b.*greater than or equal to 1"),
        ({"n": 65}, r"n = 65: allowed are 1 <= n <= 2\^d"),
        ({"d": 1}, r"(?s)\bd\b.*greater than or equal to 2"),
        ({"width": 0}, r"(?s)width.*greater than or equal to 1"),
        ({"lr": -0.1}, r"(?s)lr.*greater than 0"),
        ({"lr": 50.0}, "must be below 1"),
    ],
)
def test_scenario_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        scenario(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"radius": 0}, r"radius = 0: must be above 0 \(0 frees the first layer\)"),
        ({"radius": math.nan}, "radius = nan: must be above 0"),
        ({"phase_epochs": 0}, "phase_epochs = 0: must be an integer of at least 1"),
        ({"phase_epochs": 2.0}, r"phase_epochs = 2\.0: must be an integer"),
        ({"width": 0}, r"(?s)width.*greater than or equal to 1"),
        ({"n": 65}, r"n = 65: allowed are 1 <= n <= 2\^d"),
    ],
)
def test_fixed_scale_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        fixed_scale(**(SIZE | {"phase_epochs": 2} | changes))


def test_an_unknown_architecture_is_refused():
    with pytest.raises(KeyError, match="batch_norm"):
        scenario("batch_norm")


@pytest.mark.parametrize(
    ("arguments", "scale"),
    [
        (("no_bias", "one", 30, 100, 500, 10_000_000), "paper: .* 10000000 updates"),
        (
            ("no_bias", "one", 30, 100, 500, 9_999_999),
            "scaled-down: .* 9999999 of 10000000",
        ),
        (("bias", "one", 30, 100, 500, 10_000_000), "scaled-down: .* of 60000000"),
        (("no_bias", "full", 30, 100, 500, 100_000), "paper: .* 100000 updates"),
        (("no_bias", "one", 30, 100, 499, 10_000_000), "scaled-down: .* width 499"),
        (("no_bias", "one", 20, 100, 500, 10_000_000), "scaled-down: d = 20"),
        (("no_bias", "one", 30, 60, 500, 10_000_000), "scaled-down: d = 30, n = 60"),
        (("no_bias", "one", 30, 100, 500, 150_000, 10.0), "paper: .* 150000 updates"),
        (("no_bias", "one", 30, 100, 500, 149_999, 10.0), "scaled-down: .* of 150000"),
    ],
)
def test_scale(arguments, scale):
    assert re.match(scale, scale_of(*arguments))


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_at_its_own_scale(name):
    def scale(config):
        columns = (
            *("architecture", "batch", "d", "n", "width", "num_steps"),
            *("radius", "data", "loss", "weight_decay"),
        )
        return scale_of(**{name: getattr(config, name) for name in columns})

    whole = figure(name)
    assert scale(whole).startswith("paper: ")
    short = scale(figure(name, epochs_factor=0.5))
    assert short.startswith("scaled-down: ")
    assert short.endswith(f" of {whole.num_steps} updates")


@pytest.mark.parametrize(
    ("change", "paper"),
    [
        ({"weight_decay": 0.1}, 60_000_000),  # SGD + wd: against 4b
        ({"batch": "full", "weight_decay": 0.1}, 100_000),
        ({"loss": "logistic", "batch": "full"}, 100_000),
        ({"architecture": "sim_ln", "weight_decay": 0.1}, 10_000_000),
    ],
)
def test_a_control_is_compared_with_the_nearest_figure(change, paper):
    run = {"architecture": "bias", "batch": "one", "num_steps": 7}
    scale = scale_of(**(run | {"d": 30, "n": 100, "width": 500} | change))
    assert scale.endswith(f", 7 of {paper} updates")


# The same table, all rows: figure, architecture, data, loss, batch, weight
# decay, first-layer scale, and (eta, rho, epochs) of every phase.
TABLE = [
    ("1a", "no_bias", "xor", "squared", "full", 0.05, 1, [(0.01, 0, 1e5)]),
    ("1b", "no_bias", "xor", "squared", "one", 0, 1, [(0.01, 0.05, 1e5)]),
    ("4a", "bias", "xor", "squared", "full", 0.05, 1, [(0.01, 0, 1e5)]),
    (
        *("4b", "bias", "xor", "squared", "one", 0, 1),
        [(0.01, 0.05, 2e5), (0.01, 0.1, 4e5)],
    ),
    ("5a", "softplus", "xor", "squared", "one", 0.05, 1, [(0.001, 0, 1e5)]),
    (
        *("5b", "softplus", "xor", "squared", "one", 0, 1),
        [(5e-4, 0.05, 1e5), (1e-3, 0.1, 1e5), (5e-3, 1, 5e3)],
    ),
    ("6a", "sim_ln", "xor", "squared", "one", 0, 0.01, [(0.1, 0.1, 1e5)]),
    (
        *("6b", "sim_ln", "xor", "squared", "one", 0, 1),
        [(0.01, 0.1, 500), (0.01, 0.5, 500), (0.01, 1, 500)],
    ),
    ("7a", "no_bias", "ball", "squared", "one", 0, 1, [(0.01, 0.2, 1e5)]),
    ("7b", "bias", "ball", "squared", "one", 0, 1, [(0.01, 0.2, 1e5)]),
    ("8a", "no_bias", "xor", "logistic", 10, 0.01, 1, [(0.1, 0, 1e5)]),
    ("8b", "no_bias", "xor", "logistic", "one", 0, 1, [(0.1, 0.2, 1e5)]),
    ("9a", "bias", "xor", "logistic", "one", 0.05, 1, [(0.01, 0, 1e5)]),
    ("9b", "bias", "xor", "logistic", "one", 0, 1, [(0.1, 0.2, 1e5)]),
    (
        *("2a", "sim_bn", "xor", "squared", "one", 0, 1),
        [(0.005, 0.1, 1e5), (0.003, 1, 1e5)],
    ),
    ("10a", "sim_bn", "xor", "logistic", "one", 0, 1, [(0.1, 0.2, 4e4)]),
    ("11a", "deep", "xor", "squared", "one", 0.05, 1, [(0.01, 0, 1e5)]),
    ("11b", "deep", "xor", "squared", "one", 0, 1, [(0.01, 0.05, 1e5)]),
    ("10b", "sim_ln", "xor", "logistic", "one", 0, 0.01, [(1, 0.5, 1e3), (1, 1, 1e5)]),
]


def test_every_row_of_the_table_is_there():
    assert list(FIGURES) == [row[0] for row in TABLE]


@pytest.mark.parametrize(
    ("name", "architecture", "data", "loss", "batch", "decay", "scale", "phases"),
    TABLE,
    ids=[row[0] for row in TABLE],
)
def test_figures(name, architecture, data, loss, batch, decay, scale, phases):
    config = figure(name)
    assert config.architecture == architecture
    assert (config.data, config.loss, config.batch) == (data, loss, batch)
    assert (config.weight_decay, config.init_scale) == (decay, scale)
    assert config.label_smoothing == (0.2 if loss == "logistic" else 0)
    assert (config.d, config.n, config.width) == (
        10 if data == "ball" else 30,
        100,
        500,
    )
    assert config.radius == (10 if name == "6b" else 0)
    step = 0
    for lr, rho, epochs in phases:
        steps = int(epochs * {"full": 1, 10: 10, "one": 100}[batch])
        assert config.rates(step) == (lr, rho, step + steps)
        step += steps
        assert step in checkpoints(config)
    assert config.num_steps == step


@pytest.mark.parametrize("name", FIGURES)
def test_shortened_figures_keep_their_proportions(name):
    whole, short = figure(name), figure(name, epochs_factor=0.01)
    assert short.num_steps == whole.num_steps / 100
    starts = [phase.start / 100 for phase in whole.phases]
    assert [phase.start for phase in short.phases] == starts
    schedule = {"num_steps", "phases", "measure_at"}
    assert differing(whole, short) <= schedule


def test_a_figure_at_another_size():
    config = figure("8a", epochs_factor=1e-4, d=6, n=20, width=8, init_seed=3)
    assert (config.d, config.n, config.width, config.init_seed) == (6, 20, 8, 3)
    assert config.num_steps == 20
    shortest = figure("5b", epochs_factor=1e-9)
    assert [phase.start for phase in shortest.phases] == [1, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "3a"}, "name = '3a': must be one of 1a, 1b"),
        ({"epochs_factor": 0}, "epochs_factor = 0: must be above 0"),
        ({"epochs_factor": math.nan}, "epochs_factor = nan: must be above 0"),
        ({"lr": 0.1, "phases": ()}, r"changes = \['lr', 'phases'\]: the phases of"),
        ({"width": 0}, r"(?s)width.*greater than or equal to 1"),
        ({"n": 105}, "batch = 10: must divide n = 105"),
    ],
)
def test_figure_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        figure(**({"name": "8a"} | arguments))
