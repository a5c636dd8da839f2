"""The design of the map, its candidates, and what is planned."""

from collections import Counter

import numpy as np
import pytest

from flatminima.results.reading import Committed
from flatminima.studies.open_1_map import runs, spheres
from flatminima.theory.certificates.activation_cones import max_cones

PLACE = runs.Place("bias", 50, "ball", False)


class Kept(Committed):
    """Committed runs that were never on a disk."""

    def __init__(self, histories):
        super().__init__(rows=[{}] * len(histories), tables=[])
        self.__dict__["histories"] = histories


def test_the_order_has_every_place_once_and_is_balanced():
    order = runs.places()
    assert len(order) == len(set(order)) == 6 * 4 * 7 * 2
    pairs = Counter((place.data, place.noisy) for place in order[:14])
    assert set(pairs.values()) == {1} and len(pairs) == 14
    first = Counter(place.architecture for place in order[:28])
    assert set(first) == set(runs.ARCHITECTURES) and min(first.values()) >= 4


def test_dear_places_come_last():
    dear = [
        place.width in runs.DEAR.get(place.architecture, ()) for place in runs.places()
    ]
    assert dear == sorted(dear)
    assert sum(dear) == 2 * 2 * 14
    assert not any(dear[: runs.DRAWN])


@pytest.mark.parametrize("method", runs.CHOSEN)
def test_every_method_has_as_many_candidates(method):
    found = runs.candidates(method)
    assert len(set(found)) == len(found) == 4
    assert {arm.name for arm in found} == {method}
    one, full = runs.UPDATES, runs.full_steps(runs.UPDATES)
    assert {arm.num_steps for arm in found} == {full if method == runs.DECAY else one}


def test_few_updates_still_make_a_config():
    assert runs.candidates(runs.DECAY, 10)[-1].shrink == 0.5
    assert runs.race(PLACE, runs.USUAL, 3, 10).num_steps == 4 * 10 + 1


def test_a_method_without_candidates_is_refused():
    with pytest.raises(ValueError, match="method = 'SGD': must be one of 1-SAM"):
        runs.candidates(runs.PLAIN)


def test_the_best_mean_score_is_chosen_and_the_first_of_equals():
    scores = np.zeros((2, 16))
    scores[0, [1, 6]] = 1.0
    scores[:, [2, 15]] = 0.7
    assert runs.choose(scores) == {
        runs.SAM: 2,
        runs.NOISE: 2,
        runs.DECAY: 0,
        runs.SMALL: 3,
    }


def test_a_trial_has_the_candidates_in_their_order():
    arms = runs.trial(PLACE, 0).arms
    assert [arm.name for arm in arms[3:6]] == [
        "1-SAM, 3",
        "label-noise SGD, 0",
        "label-noise SGD, 1",
    ]
    assert arms[3].rise == runs.candidates(runs.SAM)[3].rise


def test_plain_sgd_differs_from_sam_in_the_ascent_alone():
    config = runs.race(PLACE, dict.fromkeys(runs.CHOSEN, 3), 100)
    sam, plain = config.arms[0], config.arms[-1]
    assert [arm.name for arm in config.arms] == list(runs.METHODS)
    changed = {"name": runs.PLAIN, "rise": 0.0}
    assert plain.model_dump() == sam.model_dump() | changed


def test_choices_need_all_seeds():
    scores = {"score": [0.0] * 15 + [1.0]}
    tried = {runs.trial(PLACE, seed): scores for seed in runs.TUNING_SEEDS}
    assert runs.choices(Kept(tried)) == {
        PLACE: {runs.SAM: 0, runs.NOISE: 0, runs.DECAY: 0, runs.SMALL: 3}
    }
    tried.popitem()
    assert runs.choices(Kept(tried)) == {}


def test_what_is_planned_goes_on_from_what_is_committed(monkeypatch):
    monkeypatch.setattr(runs, "committed", lambda chapter: Kept({}))
    before = runs.planned()
    trials = [config for config in before if config.data_seed < 100]
    assert [runs.place_of(c) for c in trials[::2]] == runs.places()[: runs.STEPS_AHEAD]
    solved = [config for config in before if config.data == spheres.SPHERE]
    assert len(before) == len(trials) + len(solved) == len(set(before))
    kept = Kept({config: {"score": [0.0] * 16} for config in trials})
    monkeypatch.setattr(runs, "committed", lambda chapter: kept)
    after = runs.planned()
    races = [c for c in after if c.data_seed >= 100 and c.data != spheres.SPHERE]
    assert len(races) == 10 * runs.STEPS_AHEAD
    following = [config for config in after if config.data_seed < 100]
    assert runs.place_of(following[0]) == runs.places()[runs.STEPS_AHEAD]


def test_seeds_that_decide_were_not_used_to_choose():
    assert max(runs.TUNING_SEEDS) < 100 <= min(runs.RACING_SEEDS)


def test_sizes_of_the_sphere_have_few_enough_cones():
    sizes = spheres.sizes()
    assert (20, 4) in sizes and (24, 4) not in sizes
    assert max(max_cones(n, d) for n, d in sizes) <= spheres.MOST_CONES


def test_a_sphere_without_a_label_is_left_out():
    """Seed 107: both units of the teacher are silent on the four examples."""
    both = [(4, 4), (8, 4)]
    assert [config.n for config in spheres.cells(both, 107)] == [8]
    assert [config.n for config in spheres.cells(both, 100)] == [4, 8]


def test_evidence_is_the_races_of_the_first_places_up_to_a_gap():
    first, second, third = runs.places()[:3]
    scores = {"score": [0.0] * 16}
    choice = runs.choose([scores["score"]])
    tried = {
        runs.trial(place, seed): scores
        for place in (first, second, third)
        for seed in runs.TUNING_SEEDS
    }
    races = {
        place: {runs.race(place, choice, seed): {} for seed in runs.RACING_SEEDS}
        for place in (first, second, third)
    }
    sphere = {spheres.cell(4, 2, 100): {}}
    partly = dict(list(races[second].items())[1:])
    own = Kept(tried | races[first] | partly | races[third] | sphere)
    expected = {*sphere, *races[first]}
    assert set(runs.evidence(own, {}, "slice")) == expected
    whole = Kept(tried | races[first] | races[second] | races[third])
    assert len(runs.evidence(whole, {}, "slice")) == 30
    made = dict(sphere)
    assert runs.evidence(own, made, "whole") is made
    assert runs.evidence(Kept({}), made, "slice") is made


@pytest.mark.parametrize("scale", ["least", "slice", "whole"])
def test_what_a_build_makes_grows_with_its_scale(scale):
    places, sizes = runs.live_places(scale), spheres.live_sizes(scale)
    assert set(places) <= set(runs.drawn()) and set(sizes) <= set(spheres.sizes())
    assert (len(places), len(sizes)) == {
        "least": (1, 1),
        "slice": (3, 12),
        "whole": (runs.DRAWN, len(spheres.sizes())),
    }[scale]
