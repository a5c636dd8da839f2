"""How measures rank networks whose errors are chosen."""

import pytest

from flatminima.studies.m_sharpness import plots, ranking, runs
from tests.studies.m_sharpness.synthetic import rows

_, BASE = runs.bases("medium")
METHODS = runs.methods(BASE)
PLACES = {method: place for place, method in enumerate(METHODS)}
GOOD, BAD = "rise_16_0.1", "rise_128_0.1"


def chosen(config):
    """Errors 0, 1, ... percent apart; one measure follows them, all others do not."""
    place = PLACES[config.batch, config.rho > 0]
    jitter = 1e-4 * (config.init_seed % 3) * (place % 2)
    error = 0.1 + 0.01 * place + jitter
    measures = dict.fromkeys(ranking.MEASURES, 1.0 / (1 + place))
    return {"test_accuracy": 1 - error, **measures, GOOD: error}


@pytest.fixture(scope="module")
def networks():
    cells = [c.with_seeds(s, s) for c in METHODS.values() for s in runs.SEEDS]
    return ranking.compared(rows(cells, chosen), METHODS)


def test_one_row_a_network(networks):
    assert len(networks) == len(METHODS) * len(runs.SEEDS)
    assert set(networks["sam"]) == {True, False}


def test_a_seed_without_one_of_its_networks_is_left_out(networks):
    cells = [c.with_seeds(s, s) for c in METHODS.values() for s in runs.SEEDS]
    some = rows(cells[1:], chosen)
    assert set(ranking.compared(some, METHODS)["data_seed"]) == {*runs.SEEDS} - {100}
    lost = rows(cells, chosen)
    lost.loc[lost["init_seed"] == 101, "diverged"] = True
    assert 101 not in set(ranking.compared(lost, METHODS)["data_seed"])


def test_clear_pairs_have_the_better_one_first(networks):
    pairs = ranking.clear_pairs(networks)
    assert len(pairs) == 15
    assert all(PLACES[better] < PLACES[worse] for better, worse in pairs)
    same = networks.assign(error=0.1)
    assert ranking.clear_pairs(same) == [] and not len(ranking.wrong(same, GOOD))


def test_shares_of_wrong_pairs(networks):
    assert ranking.wrong(networks, GOOD).tolist() == [0.0] * len(runs.SEEDS)
    assert ranking.wrong(networks, BAD).tolist() == [1.0] * len(runs.SEEDS)
    assert ranking.wrong_at_best(networks).tolist() == [0.0] * len(runs.SEEDS)
    none = networks.assign(**{GOOD: networks[BAD]})
    assert ranking.wrong_at_best(none).tolist() == [1.0] * len(runs.SEEDS)


def test_the_order_at_the_same_batch(networks):
    assert ranking.same_batch(networks, [GOOD]).tolist() == [1.0] * len(runs.SEEDS)
    both = ranking.same_batch(networks, [GOOD, BAD])
    assert both == pytest.approx([0.5] * len(runs.SEEDS))
    # right within every batch size, wrong across them
    shifted = networks[GOOD] - 1e3 * networks["batch"].map({32: 0, 128: 1, 512: 2})
    within = networks.assign(**{GOOD: shifted})
    assert ranking.same_batch(within, [GOOD]).tolist() == [1.0] * len(runs.SEEDS)
    assert ranking.any_pair(within, [GOOD]) == pytest.approx([3 / 15] * len(runs.SEEDS))


def test_tables(networks):
    table = ranking.overview(networks)
    assert table.loc[ranking.called(GOOD)].tolist() == [1.0, 0.0, 1.0]
    assert table.loc[ranking.called(BAD)].tolist() == [-1.0, 1.0, 0.0]
    assert table.index.is_unique
    means = ranking.method_summary(networks)
    assert len(means) == len(METHODS)


def test_nothing_decides_nothing():
    nothing = ranking.compared(rows([], chosen), METHODS)
    assert nothing.empty and ranking.clear_pairs(nothing) == []
    assert not len(ranking.wrong_at_best(nothing))
    assert not len(ranking.same_batch(nothing, [GOOD]))
    assert not len(ranking.any_pair(nothing, [GOOD]))
    assert ranking.overview(nothing).empty and ranking.method_summary(nothing).empty


@pytest.mark.parametrize("whole", [True, False])
def test_the_figure_is_drawn(networks, whole):
    figure = plots.rankings(networks if whole else networks.iloc[:0])
    marks = sum(len(line.get_xdata()) for a in figure.axes for line in a.lines)
    assert (marks > 0) == whole
