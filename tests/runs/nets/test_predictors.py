"""The measures at the end of a run: which there are, and what leaves them alone."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from flatminima.measures import complexity
from flatminima.results.collecting import sensitivity
from flatminima.runs import loop
from flatminima.runs.kind import State
from flatminima.runs.nets import predictors, train
from flatminima.runs.nets.config import NetConfig
from flatminima.runs.nets.problem import data, initial_arrays

CONFIG = NetConfig(
    data="clusters", n=40, width=12, batch=8, dropout=0.1, num_steps=3000,
    target_loss=0.3, num_checkpoints=2, predictors=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def run():
    return loop.run(CONFIG)


def test_the_last_row_has_every_measure(run):
    assert run.history[list(predictors.MEASURES)].iloc[0].isna().all()
    last = run.history.iloc[-1]
    assert last["reached"] == 1
    assert np.isfinite(last[list(predictors.MEASURES)].to_numpy(float)).all()
    assert last["steps_to_target"] == run.step
    assert last["final_loss"] == pytest.approx(last["train_loss"], rel=1e-12)


def test_a_change_in_the_last_bit_is_found_small(run):
    assert sensitivity(CONFIG, run) < 1e-6


def rescaled(arrays: dict, alpha: float) -> dict:
    """The same function: the first layer times alpha, the last over it."""
    arrays = dict(arrays)
    first, middle, last = [name for name in arrays if name.endswith("weight")]
    arrays[first], arrays[last] = arrays[first] * alpha, arrays[last] / alpha
    for name in (first, middle):
        bias = name.replace("weight", "bias")
        arrays[bias] = arrays[bias] * alpha
    return arrays


INVARIANT = (
    "path_norm", "inverse_margin", "path_norm_margin", "frobenius", "normalised",
    "minimum", "pac_bayes_relative", "adaptive", "description_relative",
)  # fmt: skip


def test_rescaling_changes_what_it_should(run):
    one = predictors.columns(CONFIG, State(run.arrays, run.step))
    other = predictors.columns(CONFIG, State(rescaled(run.arrays, 3.0), run.step))
    for name in INVARIANT:
        assert other[name] == pytest.approx(one[name], rel=1e-5, abs=1e-9), name
    for name in ("trace", "lambda_max", "ball", "box", "pac_bayes", "weight_norm"):
        assert other[name] != pytest.approx(one[name], rel=1e-2), name


def test_the_random_number_knows_the_seed_and_the_config(run):
    def drawn(config):
        state = State(run.arrays, run.step)
        return predictors.columns(config, state)["random"]

    assert drawn(CONFIG) == drawn(CONFIG)
    others = [CONFIG.with_seeds(0, 1), CONFIG.model_copy(update={"lr": 0.2})]
    assert len({drawn(CONFIG), *map(drawn, others)}) == 3


def test_the_distance_is_from_the_start():
    start = State(initial_arrays(CONFIG) | train.start(CONFIG).arrays)
    assert predictors.columns(CONFIG, start)["distance"] == 0


def test_norms_and_margin_by_hand():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2)).double()
    w, b = net[0].weight.detach() ** 2, net[0].bias.detach() ** 2
    v, c = net[2].weight.detach() ** 2, net[2].bias.detach() ** 2
    paths = (v @ (w.sum(dim=1) + b) + c).sum()
    assert complexity.path_norm(net, (2,)) == pytest.approx(float(paths))
    total = float(w.sum() + b.sum() + v.sum() + c.sum())
    assert complexity.squared_norm(net) == pytest.approx(total)
    product = math.log(float(w.sum())) + math.log(float(v.sum()))
    assert complexity.log_frobenius_product(net) == pytest.approx(product)
    norms = [torch.linalg.svdvals(net[k].weight.detach())[0] for k in (0, 2)]
    spectral = 2 * sum(math.log(float(norm)) for norm in norms)
    assert complexity.log_spectral_product(net) == pytest.approx(spectral)
    f = torch.tensor([[2.0, 1.0, 0.0]]).repeat(11, 1)
    f[:, 0] += torch.arange(11.0)
    assert complexity.margin(f, torch.zeros(11, dtype=torch.int64)) == 2
    assert data(CONFIG).classes == 4
