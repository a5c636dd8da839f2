"""Kinds of noise, their theory and how a drift is told from chance."""

import numpy as np
import pandas as pd
import pytest

from flatminima.flows.noise import Noise, project, walk
from flatminima.flows.sharpness_flow import reduction, tangential
from flatminima.studies.open_2_3 import rules, runs, tables
from tests.flows import examples


@pytest.fixture(scope="module", params=runs.MODELS)
def made(request):
    return runs.model_of(request.param, 0)


def test_a_frame_has_the_eigenvalues_of_the_dense_hessian(made):
    model, start = made
    rows = rules.jacobian(model, start)
    dense = rows.T @ rows / len(rows)
    of = rules.frame(model, start)
    wanted = np.linalg.eigvalsh(dense)[-len(rows) :]
    assert of.eigenvalues == pytest.approx(wanted, rel=1e-9)
    assert dense @ of.normal == pytest.approx(of.normal * of.eigenvalues, abs=1e-9)
    assert np.abs(rows @ of.along).max() < 1e-9


def test_all_shapes_have_the_trace_that_is_asked_for(made):
    model, start = made
    of = rules.frame(model, start)
    for name, shape in rules.shapes(of, 3.0).items():
        assert np.sum(shape**2) == pytest.approx(3.0), name
    same = rules.shapes(of, float(of.eigenvalues.sum()))[rules.SHAPED]
    rows = rules.jacobian(model, start)
    assert same @ same.T == pytest.approx(rows.T @ rows / len(rows), abs=1e-9)


def test_slopes_of_the_trace_are_those_of_the_flow(made):
    model, start = made
    along = rules.directions(model, start)["Tr H"]
    assert along == pytest.approx(reduction(model, start), rel=1e-4, abs=1e-6)


def test_the_drift_of_label_noise_is_a_quarter_of_the_trace(made):
    """Closed form: Sigma = H makes -(1/4) grad_Gamma Tr, at lr = 1."""
    model, start = made
    of = rules.frame(model, start)
    shape = of.normal * np.sqrt(of.eigenvalues)
    found = rules.drift(model, start, shape)
    assert found == pytest.approx(reduction(model, start) / 4, rel=1e-3, abs=1e-5)


def test_the_drift_of_equal_noise_is_along_the_log_determinant(made):
    """S = Lambda^-1 / 2 makes -(1/4) grad_Gamma log det H."""
    model, start = made
    found = rules.drift(model, start, rules.frame(model, start).normal)
    wanted = rules.directions(model, start)["log det H"] / 4
    assert found == pytest.approx(wanted, rel=1e-3, abs=1e-5)


def test_the_drift_of_the_top_direction_is_along_the_largest_eigenvalue(made):
    """S = 1 / (2 lambda) there makes -(1/4 lambda) grad_Gamma lambda."""
    model, start = made
    of = rules.frame(model, start)
    found = rules.drift(model, start, of.normal[:, -1:])
    wanted = rules.directions(model, start)["λ max"] / (4 * of.eigenvalues[-1])
    assert found == pytest.approx(wanted, rel=1e-3, abs=1e-5)


def test_noise_along_the_manifold_has_no_drift_of_that_kind(made):
    model, start = made
    of = rules.frame(model, start)
    found = rules.drift(model, start, of.along)
    assert np.linalg.norm(found) < 1e-9


def test_adams_direction_is_steepest_in_its_metric(made):
    """Of all tangential p it has the least slope at equal sum H_jj^(1/2) p_j^2."""
    model, start = made
    found = rules.adaptive(model, start)
    rows = rules.jacobian(model, start)
    weights = np.sqrt(np.mean(rows**2, axis=0))
    gradient = rules.slopes(model, start)["tr Diag(H)^½"]
    assert np.abs(rows @ found).max() < 1e-6 * np.abs(found).max()
    best = gradient @ found / np.sqrt(found @ (weights * found))
    rng = np.random.default_rng(0)
    for _ in range(20):
        other = tangential(model.tangent(start), rng.standard_normal(len(start)))
        other = found + 0.3 * np.linalg.norm(found) * other / np.linalg.norm(other)
        assert gradient @ other / np.sqrt(other @ (weights * other)) > best


def test_rules_start_where_they_say(made):
    model, start = made
    every = rules.rules(model, start, rate=0.2, rng=np.random.default_rng(0))
    assert list(every) == list(rules.EVERY)
    for name, rule in every.items():
        off = np.linalg.norm(rule.start - start)
        residuals = model.tangent(rule.start).f - model.y
        if name in (rules.EARLY, rules.DESCENT):
            assert np.std(np.abs(residuals)) < 0.5 * rules.DELTA
            assert off > 0
        elif name in (rules.ONE_SAM, rules.N_SAM):
            assert 0 < off < 0.05 * rule.noise.rho
        else:
            assert off == 0
        if name != rules.ADAM:
            assert rule.lr * model.trace(start) == pytest.approx(0.2)


def ends_of(drift: float, chance: float, count: int = 400):
    """Ends about a point of {f = y}: a drift along it, and chance."""
    model, theta = examples.diagonal(0)
    start = project(model, theta[None])[0]
    rng = np.random.default_rng(1)
    wanted = {"Tr H": reduction(model, start)}
    unit = wanted["Tr H"] / np.linalg.norm(wanted["Tr H"])
    jumps = drift * unit + chance * rng.standard_normal((count, len(start)))
    rule = rules.Rule("any", Noise(), start, 0.1)
    return runs.moved(model, rule, start + jumps, wanted)


def test_a_drift_is_told_from_chance():
    size = 18
    found = ends_of(0.1, 0.02)
    total = 0.1**2 + size * 0.02**2
    assert found["length"] == pytest.approx(np.sqrt(total), rel=0.05)
    assert found["steady"] == pytest.approx(0.1**2 / total, rel=0.1)
    assert found["Tr H"] == pytest.approx(1.0, abs=0.05)
    assert found["run"] < found["Tr H"]


def test_chance_alone_has_no_direction():
    found = ends_of(0.0, 0.02)
    assert found["steady"] < 0.05
    assert np.isnan(found["Tr H"])


def test_what_does_not_move_is_no_drift():
    found = ends_of(0.0, 0.0)
    assert found["steady"] == found["run"] == 0
    assert np.isnan(found["Tr H"])


def test_a_lost_run_leaves_no_number():
    model, theta = examples.diagonal(0)
    start = project(model, theta[None])[0]
    rule = rules.Rule("any", Noise(), start, 0.1)
    ends = np.stack([start, np.full_like(start, np.nan)])
    found = runs.moved(model, rule, ends, {"Tr H": start})
    assert all(np.isnan(value) for value in found.values())


def test_mini_batches_stand_still_where_all_is_fitted(made):
    model, start = made
    path = walk(
        model,
        Noise(batch=1),
        start,
        [2000],
        lr=0.2 / model.trace(start),
        rng=np.random.default_rng(0),
    )
    assert np.abs(path[0] - start).max() < 1e-9


def test_tables_take_the_least_and_the_mean_of_models():
    rows = [
        {"rule": "labels", "model": model, "seed": seed, "Tr H": value, "other": 1.0}
        for model, values in zip(runs.MODELS, ((0.9, 0.8), (0.5, np.nan)), strict=True)
        for seed, value in enumerate(values)
    ]
    table = pd.DataFrame(rows)
    wide = tables.of_rule(table, "labels", "Tr H")
    assert tables.least(wide).tolist() == [0.5, 0.8]
    assert tables.mean(wide)[0] == pytest.approx(0.7)
    assert np.isnan(tables.mean(wide)[1])
    gains = tables.nearer(table, "labels", "other")
    assert gains == pytest.approx([0.1, 0.2])
    assert tables.of_rule(table.iloc[:0], "labels", "Tr H").empty
