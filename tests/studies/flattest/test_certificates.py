"""The tables hold what the certificates say, on the training sets that they name."""

from types import SimpleNamespace

import numpy as np
import pytest

from flatminima.data.xor import hypercube, sample_xor
from flatminima.studies.flattest import certificates as flattest_certificates
from flatminima.studies.flattest.certificates import (
    certificates,
    cone_growth,
    searches,
)
from flatminima.theory.certificates.activation_cones import max_cones
from flatminima.theory.certificates.certificate import certify


@pytest.mark.parametrize("pointwise", [True, False])
def test_with_bias_every_column_but_primal_is_the_bound(pointwise):
    table = certificates("bias", [(2, 4), (3, 5)], 2, pointwise=pointwise)
    assert list(zip(table["d"], table["n"], table["seed"], strict=True)) == [
        (2, 4, 0),
        (2, 4, 1),
        (3, 5, 0),
        (3, 5, 1),
    ]
    bound = 4 * np.sqrt(table["d"] + 1)
    for column in ("pointwise", "dual", "value"):
        np.testing.assert_allclose(table[column], bound, rtol=1e-6)
    assert (table["primal"] > table["dual"] * (1 - 1e-9)).all()
    assert table["gap"].between(0, 1e-4).all()
    assert ((table["cones"] == 0) == pointwise).all()


def test_without_bias_rows_are_certificates():
    table = certificates("no_bias", [(4, 10)], 2).set_index("seed")
    for seed, row in table.iterrows():
        train = sample_xor(10, 4, seed)
        found = certify(train.x, train.y)
        assert row["primal"] == found.trace and row["dual"] == found.lower
        assert row["pointwise"] == pytest.approx(8)
        assert row["gap"] == pytest.approx(found.trace / found.lower - 1, abs=1e-12)


def test_a_better_network_refutes_a_dual(monkeypatch):
    traces = {5: (8.0, 8.1), 9: (7.8, 7.9)}

    def search(x, y, *, starts, tolerance):
        dual, trace = traces[starts]
        return SimpleNamespace(lower=6.0, uncertified_lower=dual, trace=trace)

    monkeypatch.setattr(flattest_certificates, "search_certificate", search)
    table = searches([(4, 8), (5, 8)], [5, 9])
    assert table["least"].tolist() == [7.9] * 4
    assert table["refuted"].tolist() == [True, False] * 2
    assert table["d"].tolist() == [4, 4, 5, 5]


def test_a_search_is_above_the_certified_minimum():
    train = sample_xor(12, 4, seed=0)
    (row,) = searches([(4, 12)], [30], tolerance=1e-3).to_dict("records")
    least = certify(train.x, train.y).lower
    assert least * (1 - 1e-9) <= row["primal"] <= 1.01 * least
    assert row["bound"] == pytest.approx(8) and not row["refuted"]


def test_inputs():
    x = hypercube(2)
    assert flattest_certificates.first_layer_inputs("no_bias", x).shape == (4, 2)
    assert (flattest_certificates.first_layer_inputs("bias", x)[:, 2] == 1).all()
    with pytest.raises(ValueError, match="architecture = 'sim_ln': allowed are"):
        flattest_certificates.first_layer_inputs("sim_ln", x)


@pytest.mark.parametrize(
    ("sizes", "draws", "message"),
    [
        ([(7, 8)], 1, "d = 7: cones are enumerated for d <= 6"),
        ([(3, 9)], 1, "n = 9: allowed are 1 <= n"),
        ([(3, 5)], 0, "draws = 0: must be an integer of at least 1"),
    ],
)
def test_sizes_out_of_range(sizes, draws, message):
    with pytest.raises(ValueError, match=message):
        certificates("bias", sizes, draws)


def test_search_sizes_out_of_range():
    with pytest.raises(ValueError, match="n = 9"):
        searches([(3, 9)], [5])


@pytest.mark.parametrize("d", [1, 2, 3])
def test_cones_grow_with_one_power_less_without_a_bias(d):
    sizes = [4, 8, 16, 32]
    table = cone_growth(d, sizes)
    assert table["without bias"].tolist() == [max_cones(n, d) for n in sizes]
    assert table["with bias"].tolist() == [max_cones(n, d + 1) for n in sizes]
    # within a tenth at 32 points, and exact for ever more of them
    last = table.iloc[-1]
    assert last["power without bias"] == pytest.approx(d - 1, abs=0.1)
    assert last["power with bias"] == pytest.approx(d, abs=0.15)
    limit = np.log2(max_cones(2 * 10**6, d) / max_cones(10**6, d))
    assert limit == pytest.approx(d - 1, abs=1e-5)


@pytest.mark.parametrize("sizes", [[], [0, 2], [4, 4], [8, 4]])
def test_sizes_that_do_not_increase_are_refused(sizes):
    with pytest.raises(ValueError, match="sizes = .*: allowed are increasing numbers"):
        cone_growth(2, sizes)
