"""Networks that are trained, rescaled and trained on."""

import numpy as np
import pytest
import torch

from flatminima.runs.kind import Run
from flatminima.studies.rescaling import curves, runs

SIZE = {"n": 60, "width": 6, "depth": 3, "num_steps": 40}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLATMINIMA_STORE", str(folder))
        return runs.train_all(runs.net_config("none", **SIZE), range(2))


def test_the_two_kinds_differ_in_their_norm_alone():
    plain, norm = (runs.net_config(name, **SIZE) for name in ("none", "batch"))
    assert plain.model_copy(update={"norm": "batch"}) == norm


def test_ends_have_product_1():
    assert runs.ends(4.0, 2) == [4.0, 0.25]
    assert runs.ends(4.0, 4) == [4.0, 1.0, 1.0, 0.25]


def test_a_run_that_diverged_is_no_network(monkeypatch):
    config = runs.net_config("none", **SIZE)
    whole = runs.train.proceed(config, None, lambda: False)
    lost = Run(whole.history, whole.arrays, 3, diverged_at=3)
    monkeypatch.setattr(runs, "run_all", lambda cells: [whole, lost])
    found, table = runs.train_all(config, range(2))
    assert len(found) == 1
    assert table[table["last"]]["diverged"].tolist() == [False, True]
    after = runs.continue_all([], table, 2.0, 3)
    assert after.tables["SAM"]["diverged"].tolist() == [True]
    assert runs.summary(after).loc["SAM", "diverged"] == 1


def test_without_a_rescaling_both_starts_go_the_same_way(trained):
    found = runs.continue_all(*trained, 1.0, 5)
    for name in ("SGD", "slow SGD", "SAM"):
        one, other = found.tables[name], found.tables[f"{name}, rescaled"]
        for metric in ("log_trace", "log_minimum", "test_accuracy", "train_loss"):
            np.testing.assert_allclose(one[metric], other[metric], rtol=1e-10)
    np.testing.assert_allclose(found.apart["SGD, rescaled"], 0, atol=1e-12)
    assert (found.apart["SGD, another order"] > 0).all()


def test_training_goes_on_as_it_would_have(trained):
    """Against torch's own SGD on the same batches."""
    (each, *_), table = trained
    found = runs.continue_all([each], table, 2.0, 6)
    net = curves.moved(each, runs.ends(2.0, 3))
    optimiser = torch.optim.SGD(net.parameters(), lr=runs.LR)
    order = runs.train.batches(each.config, 0, 6)
    for rows in torch.from_numpy(order):
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(each.x[rows]), each.y[rows])
        loss.backward()
        optimiser.step()
    row = found.tables["SGD, rescaled"].iloc[0]
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(net(each.x), each.y)
    assert row["train_loss"] == pytest.approx(float(loss), rel=1e-10)
    assert row["log_trace"] == pytest.approx(np.log(curves.trace(each, net)))


def test_a_start_from_which_training_diverges_is_told(trained, monkeypatch):
    monkeypatch.setitem(runs.AFTER, "SGD", runs.After(lr=1e200))
    nets, table = trained
    found = runs.continue_all(nets[:1], table, 2.0, 5)
    assert found.tables["SGD"]["diverged"].all()
    assert found.tables["SGD"]["log_trace"].isna().all()
    assert np.isnan(found.apart["SGD, rescaled"]).all()
    table = runs.summary(found)
    assert table.loc["SGD", "diverged"] == 1
    assert np.isnan(table.loc["SAM", "distance to SGD"])
