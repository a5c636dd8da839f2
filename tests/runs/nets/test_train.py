"""Training of torch networks against torch's own loop, and what a config refuses."""

import numpy as np
import pytest
import torch
from torch import nn

from flatminima.runs import loop
from flatminima.runs.nets import train
from flatminima.runs.nets.config import NetConfig
from flatminima.runs.nets.order import batches, is_check
from flatminima.runs.nets.problem import CRITERIA, data, network

SMALL = {"n": 50, "width": 8, "num_steps": 30, "num_checkpoints": 2}
CONFIGS = {
    "sgd": NetConfig(batch=7, weight_decay=0.01, **SMALL),
    "momentum": NetConfig(momentum=0.9, batch=10, loss="squared", lr=0.01, **SMALL),
    "adam": NetConfig(optimiser="adam", weight_decay=0.1, lr=0.01, batch=9, **SMALL),
    "full": NetConfig(batch="full", activation="tanh", depth=4, skip=True, **SMALL),
    "cnn": NetConfig(net="cnn", norm="batch", batch=10, **SMALL),
    "group": NetConfig(net="cnn", norm="group", skip=True, batch=10, **SMALL),
}
TORCH = {
    "sgd": lambda c: {"lr": c.lr, "momentum": c.momentum},
    "adam": lambda c: {"lr": c.lr},
}


def plain(config: NetConfig) -> nn.Module:
    """The run by torch's own optimiser, on the same batches."""
    problem = data(config)
    module = network(config, train.start(config).arrays).train()
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[config.optimiser]
    optimizer = kind(
        module.parameters(),
        **TORCH[config.optimiser](config),
        weight_decay=config.weight_decay,
    )
    for batch in (
        batches(config, 0, config.num_steps)
        if config.batch != "full"
        else ([np.arange(config.n)] * config.num_steps)
    ):
        optimizer.zero_grad()
        f, y = module(problem.x[batch]), problem.y[batch]
        CRITERIA[config.loss](f, y).backward()
        optimizer.step()
    return module.eval()


@pytest.mark.parametrize("name", CONFIGS)
def test_it_is_torchs_own_loop(name):
    config = CONFIGS[name]
    expected = plain(config).state_dict()
    found = network(config, loop.run(config).arrays).state_dict()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-8, atol=1e-10)


def test_group_norm_is_torchs():
    config = CONFIGS["group"]
    module = network(config, train.start(config).arrays)
    norm = next(m for m in module.modules() if type(m).__name__ == "GroupNorm")
    theirs = nn.GroupNorm(norm.groups, len(norm.weight)).double()
    x = torch.randn(5, config.width, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(norm(x), theirs(x))


def test_an_epoch_is_a_permutation_and_batches_go_on_over_its_end():
    config = NetConfig(batch=7, **SMALL)
    order = batches(config, 0, 100).ravel()
    for epoch in order[:700].reshape(14, 50):
        assert sorted(epoch) == list(range(50))
    np.testing.assert_array_equal(batches(config, 33, 40), batches(config, 0, 40)[33:])
    other = batches(config.with_seeds(0, 1), 0, 100).ravel()
    assert (order != other).any()


def test_the_target_is_checked_every_quarter_of_an_epoch():
    config = NetConfig(batch=5, **SMALL)  # ten steps an epoch
    checks = [step for step in range(1, 21) if is_check(config, step)]
    assert checks == [3, 5, 8, 10, 13, 15, 18, 20]
    assert all(is_check(NetConfig(batch=20, **SMALL), step) for step in range(1, 9))


def test_it_stops_at_the_first_check_below_the_target():
    fields = SMALL | {"num_steps": 2000}
    config = NetConfig(target_loss=0.2, batch=5, momentum=0.5, **fields)
    run = loop.run(config)
    row = run.history.iloc[-1]
    assert row["reached"] == 1
    assert row["reached_at"] == row["step"] == run.step < 2000
    assert row["train_loss"] <= 0.2
    checks = [s for s in range(1, run.step) if is_check(config, s)][-3:]
    free = config.model_dump() | {"target_loss": 0.0, "num_steps": run.step}
    path = loop.run(NetConfig(**(free | {"measure_at": checks}))).history
    assert (path[path["step"].isin(checks)]["train_loss"] > 0.2).all()
    assert path.iloc[-1]["train_loss"] == row["train_loss"]
    assert path["reached_at"].isna().all()


def test_dropout_is_drawn_anew_in_every_step_and_off_where_it_is_measured():
    config = NetConfig(dropout=0.5, batch="full", **SMALL)
    runs = [loop.run(config.with_seeds(0, seed)) for seed in (0, 0, 1)]
    first = [run.arrays["0.weight"] for run in runs]
    np.testing.assert_array_equal(first[0], first[1])
    assert (first[0] != first[2]).any()
    dry = loop.run(NetConfig(batch="full", **SMALL)).arrays["0.weight"]
    assert np.abs(first[0] - dry).max() > 1e-3
    module = network(config, runs[0].arrays)
    x = data(config).x
    assert torch.equal(module(x), module(x))


def test_torchs_own_random_numbers_have_no_part_in_it():
    config = NetConfig(dropout=0.3, batch=10, **SMALL)
    torch.manual_seed(1)
    one = loop.run(config)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    two = loop.run(config)
    np.testing.assert_array_equal(one.arrays["0.weight"], two.arrays["0.weight"])
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_single_precision_is_near_double():
    fields = {"batch": 10, "norm": "batch", **SMALL}
    one, two = (
        loop.run(NetConfig(dtype=name, **fields)) for name in ("float32", "float64")
    )
    assert one.arrays["0.weight"].dtype == np.float32
    losses = [run.history["train_loss"].iloc[-1] for run in (one, two)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_curvature_is_that_of_dense_autograd():
    config = NetConfig(
        data="clusters", n=30, width=4, activation="tanh", sharpness=True,
        num_steps=20, num_checkpoints=2, loss="squared", batch=10,
    )  # fmt: skip
    run = loop.run(config)
    module, problem = network(config, run.arrays), data(config)
    names = [name for name, _ in module.named_parameters()]
    shapes = [p.shape for p in module.parameters()]
    theta = nn.utils.parameters_to_vector(module.parameters()).detach()

    def loss(at: torch.Tensor) -> torch.Tensor:
        parts = at.split([shape.numel() for shape in shapes])
        views = [p.view(s) for p, s in zip(parts, shapes, strict=True)]
        state = dict(zip(names, views, strict=True))
        f = torch.func.functional_call(module, state, (problem.x,))
        return ((f - problem.y) ** 2).sum(dim=1).mean()

    hessian = torch.func.hessian(loss)(theta)
    row = run.history.iloc[-1]
    top = torch.linalg.eigvalsh(hessian)[-1]
    assert row["lambda_max"] == pytest.approx(float(top), rel=1e-3)
    assert abs(row["trace"] - float(hessian.trace())) < 4 * row["trace_error"]


REFUSED = {
    "n = 1741": {"n": 1741},
    "batch = 50": {"batch": 50},
    "label_shuffle = 0.001": {"label_shuffle": 0.001},
    r"lr \* weight_decay = 1.0": {"lr": 1.0, "weight_decay": 1.0},
    "momentum = 0.5": {"optimiser": "adam", "momentum": 0.5},
    "width = 8": {"depth": 1},
    "norm = 'group'": {"norm": "group"},
    "skip = True with depth = 2": {"skip": True, "depth": 2},
    "must have images": {"net": "cnn", "data": "clusters"},
    "width = 6": {"net": "cnn", "norm": "group", "width": 6},
    "depth = 1": {"net": "cnn", "depth": 1, "width": 64},
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_config_refuses_what_cannot_run_or_changes_nothing(message):
    with pytest.raises(ValueError, match=message):
        NetConfig(**({"n": 50, "width": 8, "batch": 10} | REFUSED[message]))


def test_rules_have_names():
    assert NetConfig().rule == "SGD, batch 32"
    config = NetConfig(
        optimiser="adam", rho=0.1, weight_decay=0.1, batch="full", lr=0.1
    )
    assert config.rule == "Adam + SAM + wd"
