import numpy as np
import pandas as pd
import pytest

from flatminima.data.xor import hypercube
from flatminima.models.base import load
from flatminima.studies.xor import survey
from flatminima.theory.constructions import generalising_networks
from tests.theory.dense import dense_trace

both = pytest.mark.parametrize("architecture", ["bias", "sim_ln"])


@both
def test_memorising_networks_on_spheres(architecture):
    table = survey.memorise_spheres(architecture, instances=4, n=9, d=4)
    assert list(table.columns) == ["seed", "interpolation", "excess", "definition"]
    assert table["seed"].tolist() == [0, 1, 2, 3]
    assert table["interpolation"].max() <= 1e-10
    assert table["excess"].max() <= 1e-8
    assert table["definition"].tolist() == [0.0] * 4


def test_instances_differ_and_repeat(monkeypatch):
    seen = []
    build = survey.memorising

    def recorded(architecture, x, y):
        seen.append((x, y))
        return build(architecture, x, y)

    monkeypatch.setattr(survey, "memorising", recorded)
    for _ in range(2):
        survey.memorise_spheres("bias", instances=2, n=5, d=3)
    for (x, y), (again, labels) in zip(seen[:2], seen[2:], strict=True):
        np.testing.assert_array_equal(x, again)
        np.testing.assert_array_equal(y, labels)
        np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, rtol=1e-12)
    assert not np.array_equal(seen[0][0], seen[1][0])


def test_instances_begin_at_the_first_seed():
    few = survey.memorise_spheres("bias", instances=2, n=5, d=3, first_seed=2)
    more = survey.memorise_spheres("bias", instances=4, n=5, d=3)
    pd.testing.assert_frame_equal(few, more.tail(2).reset_index(drop=True))


def test_the_first_seed_shifts_the_draws_of_the_cube():
    rows = [
        survey.memorise_cube("bias", d=6, sizes=(40,), first_seed=seed)["distinct"]
        for seed in range(8)
    ]
    assert len({int(row.item()) for row in rows}) > 1


def test_a_network_that_shares_a_unit_is_no_memoriser(monkeypatch):
    # all weights on one unit: active everywhere, so it answers several examples
    def lazy(architecture, x, y):
        w = np.zeros((x.shape[1] + 1, len(x)))
        w[-1, 0] = 1.0
        return w, np.ones(len(x))

    monkeypatch.setattr(survey, "memorising", lazy)
    table = survey.memorise_spheres("bias", instances=1, n=5, d=3)
    assert table["definition"].item() == 1.0
    assert table["interpolation"].item() > 0.1


@both
def test_memorising_networks_on_the_cube(architecture):
    sizes = (1, 5, 16)
    table = survey.memorise_cube(architecture, d=4, sizes=sizes, whole=True)
    assert table["n"].tolist() == [*sizes, 23]
    assert (table["distinct"] <= np.minimum(table["n"], 16)).all()
    assert table["distinct"].tolist()[0] == 1
    assert table["distinct"].tolist()[-1] == 16
    assert table["zero_one_error"].tolist() == table["predicted"].tolist()
    assert table["predicted"].tolist() == [1 - k / 16 for k in table["distinct"]]
    assert table["naive"].tolist() == [15 / 16, 11 / 16, 0, 0]


@pytest.mark.parametrize("n", [3, 8, 11, 37])
def test_every_size_has_that_many_draws(n, monkeypatch):
    seen = []
    build = survey.memorising

    def recorded(architecture, x, y):
        seen.append(x)
        return build(architecture, x, y)

    monkeypatch.setattr(survey, "memorising", recorded)
    survey.memorise_cube("bias", d=3, sizes=(n,))
    assert seen[0].shape == (n, 3)


def test_draws_repeat_points():
    table = survey.memorise_cube("bias", d=5, sizes=(31,))
    assert table["distinct"].item() < 31
    assert table["zero_one_error"].item() > table["naive"].item()


@both
def test_generalising_networks_on_the_cube(architecture):
    table = survey.generalise_cube(architecture, dims=(2, 3, 6), n=20)
    assert table["d"].tolist() == [2, 3, 6]
    assert table["interpolation"].max() <= 1e-10
    assert table["excess"].max() <= 1e-8
    assert table["zero_one_error"].tolist() == [0.0] * 3


def test_excess_is_that_of_the_dense_hessian():
    table = survey.generalise_cube("sim_ln", dims=(3,), n=8)
    w, v = generalising_networks.generalising_sim_ln(3, 1e-4)
    x = hypercube(3)
    dense = dense_trace("sim_ln", w, v, x, x[:, 0] * x[:, 1])
    assert table["excess"].item() == pytest.approx(abs(dense / 2 - 1), abs=1e-12)


def test_eps_reaches_what_is_measured():
    # at eps = 100 the bound is (2/n) sum min(1, (2/eps) ||x'||) = 0.08 at d = 3, and
    # the trace, with one unit above eps, is still 2 plus the first layer's part
    table = survey.generalise_cube("sim_ln", dims=(3,), n=8, eps=100.0)
    bound = load("sim_ln").lower_bound(
        load("sim_ln").Model(eps=100.0), np.full(8, 4.0), np.ones(8)
    )
    assert bound == pytest.approx(0.08)
    assert table["excess"].item() == pytest.approx(2 / 0.08 - 1, rel=1e-3)
    assert table["zero_one_error"].item() == 0


def test_an_architecture_without_constructions_is_refused():
    message = "architecture = 'no_bias': allowed are 'bias' and 'sim_ln'"
    with pytest.raises(ValueError, match=message):
        survey.memorise_spheres("no_bias", instances=1, n=3, d=2)
    with pytest.raises(ValueError, match=message):
        survey.memorise_cube("no_bias", d=3, sizes=(3,))
    with pytest.raises(ValueError, match=message):
        survey.generalise_cube("no_bias", dims=(3,), n=3)


def test_no_instance_is_refused():
    with pytest.raises(
        ValueError, match="instances = 0: must be an integer of at least 1"
    ):
        survey.memorise_spheres("bias", instances=0, n=3, d=2)


def test_a_network_that_knows_nothing_new_is_right_on_none_of_it():
    tables = [survey.memorise_cube("bias", d=4, sizes=(3, 9), whole=True)]
    np.testing.assert_array_equal(survey.right_on_new(tables), [0, 0])
    half = tables[0].assign(zero_one_error=tables[0]["predicted"] / 2)
    np.testing.assert_array_equal(survey.right_on_new([half]), [0.5, 0.5])
