"""The arms differ in what their names say, and the plan has whole seeds."""

import pandas as pd
import pytest

from flatminima.results import reading
from flatminima.sources.minimum_sharpness import scale
from flatminima.sources.reading_group import BASE, RADII, TUNING
from flatminima.statistics.tuning import best, of_seeds
from flatminima.studies.noise_and_finetuning import runs, tables


def differing(first, second) -> dict[str, object]:
    one, two = first.model_dump(), second.model_dump()
    return {name: two[name] for name in one if one[name] != two[name]}


def test_the_rules_differ_in_one_field_each():
    plain, *others = runs.rules(share=0.4)
    changes = [differing(plain, other) for other in others]
    decays = [{"weight_decay": decay} for decay in runs.DECAYS]
    assert changes == [*decays, *({"rho": rho} for rho in RADII)]
    assert plain.label_noise == 0.4 and plain.rho == plain.weight_decay == 0


def test_sam_at_last_is_as_long_as_plain_training():
    plain = runs.rules()[0]
    for config, rho in zip(runs.late(plain), RADII, strict=True):
        assert differing(plain, config) == {"rho": rho, "sam_from": 24.0}
        half = [config.perturbs(step) for step in (0, 383, 384, 511)]
        assert half == [False, False, True, True]
        assert config.num_steps == plain.num_steps == 512


def test_longer_training_has_as_many_gradients():
    plain = runs.rules()[0]
    late, longer = runs.late(plain)[0], runs.longer(plain)
    twice = sum(late.perturbs(step) for step in range(late.num_steps))
    assert longer.num_steps == late.num_steps + twice
    assert differing(plain, longer) == {"num_epochs": 40}


def test_the_plan_tunes_first_and_goes_on_seed_by_seed():
    cells = runs.planned(seeds=[100, 101], device="cpu")
    grid = len(runs.grid())
    assert len(set(cells)) == len(cells) == grid * (len(TUNING) + 2)
    seeds = [cell.data_seed for cell in cells]
    assert seeds[::grid] == [*TUNING, 100, 101] and seeds == sorted(seeds)
    assert max(TUNING) < 100 <= min(runs.SEEDS) and len(runs.SEEDS) >= 10
    assert {cell.label_noise for cell in cells} == set(runs.SHARES)


def test_the_small_plan_compares_what_was_chosen():
    cells = runs.planned("small", seeds=[100, 101], device="cpu")
    assert len(set(cells)) == len(cells)
    tuning = [c for c in cells if c.data_seed < 100]
    assert len(tuning) == 2 * len(runs.grid())
    one, two = ([c for c in cells if c.data_seed == seed] for seed in (100, 101))
    assert [c.with_seeds(101, 101) for c in one] == two
    assert {c.with_seeds(90, 90) for c in one} < set(tuning)
    assert {c.label_noise for c in one if not (c.rho or c.weight_decay)} == set(
        runs.SHARES
    )


def test_the_tuning_seeds_choose_what_the_small_plan_compares():
    rows = runs.evidence(reading.committed("noise-and-finetuning").tables)
    for share, (decays, radii, last) in runs.CHOSEN.items():
        for rule, values in (("weight decay", decays), ("SAM", radii)):
            found = [
                tables.choose(rows, share, rule, stopped=stopped).value
                for stopped in (False, True)
            ]
            assert list(values) == sorted(set(found))
        late = rows[(rows["label_noise"] == share) & (rows["sam_from"] > 0)]
        found = best(of_seeds(late[late["last"]], TUNING), ["rho"])
        assert not last or found == last
    assert list(runs.CHOSEN) == list(runs.SHARES)


def test_an_unknown_scale_is_refused():
    with pytest.raises(ValueError, match=r"scale = 'huge'.*small, medium"):
        runs.planned("huge")


def test_no_run_has_a_target():
    config = runs.grid()[0]
    assert scale(
        config
    ) == "scaled-down: fashion_mnist, n = 2000, 14x14, width 16, " + (
        f"{BASE['num_epochs']} epochs"
    )
    assert config.measured == "nothing" and config.rows_every == runs.ROWS_EVERY


def test_a_value_out_of_range_is_refused():
    with pytest.raises(ValueError, match="label_noise"):
        runs.rules(share=0.95)


def test_live_runs_end_on_the_subset(store):
    fields = {"n": 40, "width": 2, "size": 8, "batch": 20, "num_epochs": 4}
    table = runs.live([3], share=0.4, rho=0.1, **fields)
    ends = table[table["last"]]
    assert ends[["rho", "sam_from"]].to_numpy().tolist() == [[0, 0], [0.1, 0], [0.1, 3]]
    assert set(ends["data"]) == {"fashion_mnist_subset"} and set(ends["step"]) == {8}


def test_a_scale_that_was_only_begun_is_left_out():
    def table(config, seed: int) -> pd.DataFrame:
        return pd.DataFrame([config.model_dump() | {"data_seed": seed}])

    small, medium = runs.rules(**runs.SMALL)[0], runs.rules()[0]
    given = [table(small, 100), table(small, 101), table(medium, 100)]
    assert set(runs.evidence(given)["n"]) == {small.n}
    assert set(runs.evidence([*given, table(medium, 101)])["n"]) == {medium.n}


def test_without_committed_runs_there_is_a_table_without_rows():
    assert runs.evidence([]).empty
