"""Flows against closed cases, and what every flow must keep."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatminima.models import bias
from flatminima.runs.flow.descent import MAX_REJECTIONS, Rules, descend
from flatminima.runs.flow.manifold import Manifold
from tests.runs.flow.points import RADIUS, start

ARCHITECTURES = ["no_bias", "bias", "sim_ln"]
KINDS = ["naive", "kink_aware"]
each_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)
each_kind = pytest.mark.parametrize("kind", KINDS)


def follow(case, **rules):
    return descend(case.module, case.manifold, case.w, case.v, Rules(**rules))


@each_kind
def test_one_example_reaches_its_minimum(kind):
    # n = 1: the trace 2 (||h||^2 + ||x'||^2 ||v||^2) has the minimum 4 |y| ||x'||
    case = start("bias", n=1)
    flow = follow(case, kind=kind, max_iterations=2000, tolerance=1e-6)
    minimum = 4 * abs(case.manifold.y[0]) * np.linalg.norm(case.manifold.inputs)
    last = flow.history.iloc[-1]
    assert flow.reason == "bound"
    assert last["bound"] == pytest.approx(minimum)
    assert 1.0 <= last["trace"] / minimum <= 1 + 1e-6


def test_the_minimum_is_left_alone():
    # balanced: ||h|| = ||x'|| ||v||, one unit, on its example alone
    inputs = np.array([[3.0, 1.0]])
    r = np.sqrt(10.0)
    w = inputs.T * (np.sqrt(2 * r) / 10)
    flow = descend(
        bias,
        Manifold(bias.Model(), inputs, np.array([2.0])),
        w,
        np.array([np.sqrt(2 / r)]),
        Rules(kind="naive", tolerance=0.0, gradient_tolerance=1e-8),
    )
    assert flow.reason in {"bound", "gradient"}
    assert flow.history["ratio"].iloc[-1] == pytest.approx(1.0)
    np.testing.assert_allclose(flow.w, w)


@pytest.mark.parametrize("seed", range(3))
@each_kind
@each_architecture
def test_never_rises_and_stays_on_the_manifold(architecture, kind, seed):
    case = start(architecture, seed)
    flow = follow(case, kind=kind, max_iterations=60)
    history = flow.history
    assert history["trace"].is_monotonic_decreasing
    assert history["trace"].iloc[-1] < 0.9 * history["trace"].iloc[0]
    assert (history["ratio"] >= 1 - 1e-9).all()
    f = case.module.forward(case.manifold.model, flow.w, flow.v, case.manifold.inputs)
    np.testing.assert_allclose(f, case.manifold.y, atol=1e-8)
    if RADIUS[architecture]:
        assert np.linalg.norm(flow.w) == pytest.approx(RADIUS[architecture])


@each_architecture
def test_the_history_adds_up(architecture):
    case = start(architecture)
    flow = follow(case, kind="naive", control="own", max_iterations=30)
    history, first = flow.history, case.point
    assert history["iteration"].tolist() == list(range(len(history)))
    moved = np.hypot(np.linalg.norm(flow.w - first.w), np.linalg.norm(flow.v - first.v))
    assert history["distance"].iloc[-1] == pytest.approx(moved)
    assert (history["distance"] <= history["path"] + 1e-9).all()
    assert (history["jumps"] <= history["risings"]).all()
    assert (history["risings"] + history["failed"] <= history["proposals"]).all()
    share = history["risings"].sum() / history["proposals"].sum()
    assert flow.rising_share == share
    assert 0 <= flow.jump_share <= share
    # an accepted rise is a proposal that rose
    rose = history["trace"].diff() > 0
    assert (history["risings"][rose] >= 1).all()
    assert rose.any()
    assert flow.accepted_rising_share == rose.sum() / (len(history) - 1)
    assert follow(case, kind="naive", max_iterations=9).accepted_rising_share == 0


def test_the_start_is_row_0_and_proposes_nothing():
    case = start("bias")
    first = follow(case, kind="naive", max_iterations=1).history.iloc[0]
    assert first["trace"] == case.point.trace
    counts = ["iteration", "proposals", "failed", "risings", "jumps", "distance"]
    assert not first[[*counts, "path"]].any()
    assert np.isnan(first["step"]) and np.isnan(first["projected_gradient"])
    assert first["smoothing"] == 0.02


def test_the_first_proposal_is_a_hundredth_of_the_parameters_and_steps_grow():
    case = start("bias")
    flow = follow(case, kind="kink_aware", smoothing=1.0, max_iterations=4)
    history = flow.history
    assert history["proposals"].tolist() == [0, 1, 1, 1, 1]
    first = history.iloc[1]
    length = first["step"] * first["projected_gradient"]
    assert length == pytest.approx(1e-2 * case.point.norm, rel=1e-12)
    # the move itself is bent by the retraction
    assert first["path"] == pytest.approx(length, rel=0.2)
    np.testing.assert_allclose(
        history["step"].iloc[2:], history["step"].iloc[1:-1] * 1.5, rtol=1e-12
    )
    np.testing.assert_allclose(
        history["ratio"], history["trace"] / history["bound"], rtol=1e-12
    )


def test_a_step_shrinks_by_halves_until_one_is_accepted():
    """Seen where more than one is proposed; the next begins at what was accepted."""
    case = start("bias", n=12, d=4, width=16)
    history = follow(case, kind="naive", tolerance=0.0, max_iterations=60).history
    step, proposals = history["step"].to_numpy(), history["proposals"].to_numpy()
    assert (proposals[1:] > 1).any()
    for k in range(2, len(step)):
        if np.isfinite(step[k]):
            grown = 1.5 if proposals[k - 1] == 1 else 1.0
            expected = step[k - 1] * grown * 0.5 ** (proposals[k] - 1)
            assert step[k] == pytest.approx(expected, rel=1e-12)


def test_every_proposal_that_does_not_land_is_counted():
    """A manifold on which only the start lands: the flow stalls at once."""
    case = start("bias")
    first, landed, asked = case.point, iter([case.point]), []

    class Nowhere(Manifold):
        def land(self, w, v):
            asked.append((w, v))
            return next(landed, None)

    manifold = Nowhere(case.manifold.model, case.manifold.inputs, case.manifold.y)
    flow = follow(case._replace(manifold=manifold), kind="naive")
    assert flow.reason == "stalled"
    last = flow.history.iloc[-1]
    assert (last["proposals"], last["failed"], last["risings"], last["jumps"]) == (
        *(MAX_REJECTIONS, MAX_REJECTIONS),
        *(0, 0),
    )
    assert last["trace"] == first.trace
    # each half as far as the one before, the same way
    moves = [(w - first.w, v - first.v) for w, v in asked[1:]]
    assert len(moves) == MAX_REJECTIONS
    for move, half in pairwise(moves):
        for far, near in zip(move, half, strict=True):
            np.testing.assert_allclose(near, far / 2, atol=1e-14)
    assert (flow.rising_share, flow.jump_share) == (0.0, 0.0)
    assert np.isnan(flow.accepted_rising_share)


def test_risings_and_jumps_are_those_of_the_true_trace():
    """One proposal an iteration, and each accepted, so that the traces tell."""
    case = start("bias", n=30, d=10, width=100)
    flow = follow(case, kind="naive", control="own", max_iterations=40)
    history = flow.history.iloc[1:]
    alone = history["proposals"] == 1
    rose = flow.history["trace"].diff().iloc[1:] > 0
    assert alone.any() and rose[alone].any() and not rose[alone].all()
    assert (history["risings"][alone] == rose[alone]).all()
    assert flow.rising_share == history["risings"].sum() / history["proposals"].sum()
    assert flow.jump_share == history["jumps"].sum() / history["proposals"].sum()
    assert flow.jump_share > 0


def test_a_flow_that_has_ended_asks_for_nothing_more():
    case = start("bias")
    asked = []

    class Watched(Manifold):
        def project(self, point, dw, dv):
            asked.append(point)
            return super().project(point, dw, dv)

    manifold = Watched(case.manifold.model, case.manifold.inputs, case.manifold.y)
    watched = case._replace(manifold=manifold)
    for rules, gradients in (({"tolerance": 1e9}, 0), ({"gradient_tolerance": 1e9}, 1)):
        asked.clear()
        flow = follow(watched, kind="naive", max_iterations=1000, **rules)
        assert len(asked) == gradients
        assert len(flow.history) == 1


@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_bound_and_gradient_are_met_where_they_are_said_to_be(factor):
    case = start("bias")
    first = follow(case, kind="naive", max_iterations=1).history
    ratio = first["ratio"].iloc[0]
    rules = {"kind": "naive", "max_iterations": 1}
    found = follow(case, tolerance=factor * ratio - 1, **rules)
    assert found.reason == ("bound" if factor > 1 else "iterations")
    slope = first["projected_gradient"].iloc[1] * case.point.norm
    least = factor * slope / first["trace"].iloc[0]
    found = follow(case, gradient_tolerance=least, **rules)
    assert found.reason == ("gradient" if factor > 1 else "iterations")


@pytest.mark.parametrize("halvings", [0, 1, 3])
def test_a_stalled_width_is_halved_as_often_as_allowed(halvings):
    case = start("bias", n=12, d=4, width=16)
    first, nowhere = case.point, iter([case.point])

    class Nowhere(Manifold):
        def land(self, w, v):
            return next(nowhere, None)

    manifold = Nowhere(case.manifold.model, case.manifold.inputs, case.manifold.y)
    flow = follow(
        case._replace(manifold=manifold),
        kind="kink_aware",
        smoothing=0.4,
        halvings=halvings,
    )
    assert flow.reason == "stalled"
    widths = [0.4, *(0.4 * 0.5**k for k in range(halvings + 1))]
    assert flow.history["smoothing"].tolist() == widths
    np.testing.assert_array_equal(flow.w, first.w)


def test_the_blind_flow_by_its_own_lights_rises_by_jumps_and_the_aware_one_hardly():
    jumps = {}
    for kind in KINDS:
        rules = {"kind": kind, "control": "own", "max_iterations": 60}
        cases = [start("bias", seed, n=30, d=10, width=100) for seed in range(3)]
        flows = [follow(case, **rules) for case in cases]
        jumps[kind] = np.mean([flow.jump_share for flow in flows])
    assert jumps["naive"] > 0.15
    assert jumps["kink_aware"] < jumps["naive"] / 2


def test_a_vanishing_width_gives_the_naive_flow():
    case = start("bias")
    naive = follow(case, kind="naive", max_iterations=5)
    aware = follow(case, kind="kink_aware", smoothing=1e-7, max_iterations=5)
    np.testing.assert_allclose(naive.w, aware.w, atol=1e-10)
    wide = follow(case, kind="kink_aware", smoothing=0.3, max_iterations=5)
    assert np.abs(naive.w - wide.w).max() > 1e-3


@settings(max_examples=15)
@given(order=st.permutations(range(20)), kind=st.sampled_from(KINDS))
def test_hidden_units_can_be_permuted(order, kind):
    case = start("bias")
    order = np.array(order)
    moved = case._replace(w=case.w[:, order], v=case.v[order])
    # few iterations: rounding differs by order, and near a kink it decides
    flow = follow(case, kind=kind, max_iterations=8)
    other = follow(moved, kind=kind, max_iterations=8)
    np.testing.assert_allclose(other.w, flow.w[:, order], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(other.history["trace"], flow.history["trace"], rtol=1e-8)


def test_stalls_are_told_and_widths_halved():
    case = start("bias", n=12, d=4, width=16)
    naive = follow(case, kind="naive", tolerance=0.0, max_iterations=3000)
    assert naive.reason == "stalled"
    last = naive.history.iloc[-1]
    assert np.isnan(last["step"])
    assert last["proposals"] == MAX_REJECTIONS
    assert last["trace"] == naive.history["trace"].iloc[-2]
    aware = follow(
        case, kind="kink_aware", halvings=1, tolerance=0.0, max_iterations=3000
    )
    assert set(aware.history["smoothing"]) <= {0.02, 0.01}
    stalls = aware.history["step"].isna().sum() - 1
    assert (stalls == 2) == (aware.reason == "stalled")


def test_reasons():
    case = start("bias")
    assert follow(case, kind="naive", max_iterations=2).reason == "iterations"
    assert follow(case, kind="naive", tolerance=100.0).reason == "bound"
    assert follow(case, kind="naive", gradient_tolerance=1e9).reason == "gradient"


def test_no_start():
    case = start("bias")
    dead = case._replace(w=np.zeros_like(case.w))
    flow = follow(dead, kind="naive")
    assert flow.reason == "no start"
    assert len(flow.history) == 0
    assert np.isnan(flow.rising_share)
    assert np.isnan(flow.accepted_rising_share)
    alive = follow(case, kind="naive", max_iterations=1)
    assert list(flow.history.columns) == list(alive.history.columns)


def test_measurements_are_taken_at_their_times_and_at_the_end():
    case = start("bias")
    flow = descend(
        case.module,
        case.manifold,
        case.w,
        case.v,
        Rules(kind="naive", max_iterations=7),
        lambda w, v: {"size": float(np.linalg.norm(w))},
        measure_every=3,
    )
    taken = flow.history["size"].notna()
    assert flow.history["iteration"][taken].tolist() == [0, 3, 6, 7]
    assert flow.history["size"].iloc[-1] == np.linalg.norm(flow.w)
