"""Variations change one number at a time, and their verdicts are compared rightly."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from flatminima.claims import decide
from flatminima.claims.register import load
from flatminima.claims.report import few_seeds
from flatminima.results.reading import Committed
from flatminima.runs.mlp.problem import initial_state, problem
from flatminima.runs.mlp.train import advance
from flatminima.sources.controls import SETTINGS
from flatminima.studies.robust import runs as robust_runs
from flatminima.studies.robust import verdicts
from flatminima.studies.robust.runs import BASE, FIELDS
from flatminima.sweeps import sweep
from tests.autograd import jacobian
from tests.tables import runs

SIZE = {"d": 4, "n": 8, "width": 8, "num_steps": 40}
FACTORS, LENGTHS = [0.5, 2], [0.25, 2]
NOTHING = Committed([], [])


def varied(architecture="bias", **changes):
    return robust_runs.varied_configs(
        architecture, **(SIZE | {"factors": FACTORS, "lengths": LENGTHS} | changes)
    )


def differing(one, other) -> set[str]:
    """Names of the fields in which two configs differ."""
    return {k for k, v in one.model_dump().items() if v != other.model_dump()[k]}


@pytest.mark.parametrize("architecture", verdicts.VERDICTS)
def test_the_base_is_the_sources(architecture):
    configs = varied(architecture)
    setting = SETTINGS[architecture]
    sam, sgd = configs["1-SAM", *BASE], configs["SGD", *BASE]
    assert (sam.lr, sam.rho, sam.init_scale) == (
        setting.lr,
        setting.rho,
        setting.init_scale,
    )
    assert (sam.rule, sgd.rule) == ("1-SAM", "SGD")
    assert differing(sam, sgd) == {"rho"}
    assert sam.num_steps == 80
    assert sam.measure_at == (10, 40, 80)


def test_a_variation_changes_one_field_by_its_factor():
    configs = varied()
    for (rule, field, factor), config in configs.items():
        if (field, factor) == BASE:
            continue
        base = configs[rule, *BASE]
        length = {"num_steps", "measure_at"}
        assert differing(base, config) - length == {field}
        assert getattr(config, field) == factor * getattr(base, field)
        assert config.num_steps == SIZE["num_steps"]
    assert ("SGD", "rho", 0.5) not in configs
    assert len(configs) == (1 + 4 * 2) + (1 + 3 * 2)


def test_a_width_is_rounded_and_at_least_one():
    configs = varied(width=5, factors=[0.01, 0.5])
    assert configs["SGD", "width", 0.01].width == 1
    assert configs["SGD", "width", 0.5].width == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"factors": [0.5, 1]}, r"factors = \[0\.5, 1\]: must be different"),
        ({"factors": [2, 2]}, r"factors = \[2, 2\]: must be different"),
        ({"factors": []}, r"factors = \[\]: must be different"),
        ({"factors": [-1]}, r"factors = \[-1\]: must be .* above 0"),
        ({"lengths": [math.inf]}, r"lengths = \[inf\]: must be"),
        ({"lengths": [math.nan]}, r"lengths = \[nan\]: must be"),
        ({"n": 0}, r"(?s)\bn\b.*greater than or equal to 1"),
        ({"width": 0}, r"(?s)width.*greater than or equal to 1"),
    ],
)
def test_what_cannot_be_varied_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        varied(**changes)


def test_an_unknown_architecture_is_refused():
    with pytest.raises(KeyError, match="deep"):
        varied("deep")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLATMINIMA_STORE", str(tmp_path_factory.mktemp("store")))
        yield robust_runs.run_variations(
            NOTHING, "bias", FACTORS, LENGTHS, seeds=2, **SIZE
        )


def test_every_variation_has_a_row_for_each_rule_and_seed(table):
    counts = table.groupby(["field", "factor", "rule"]).size()
    assert (counts == 2).all()
    assert len(counts) == 2 * (1 + 2 * len(FIELDS))
    assert list(dict.fromkeys(table["field"])) == ["base", *FIELDS]
    assert table["last"].all()


def test_rows_are_the_ends_of_their_own_configs(table):
    for (rule, field, factor), config in varied().items():
        if (field, factor) == BASE:
            config = robust_runs.changed(config, num_steps=40, measure_at=())
        alone = sweep.sweep([config], seeds=2)
        ends = alone[alone["last"]]
        same = (table["field"] == field) & (table["factor"] == factor)
        rows = table[same & (table["rule"] == rule)]
        assert rows["step"].tolist() == [40, 40]
        for column in ("train_loss", "test_accuracy", "first_layer_norm"):
            # the base was cut at other steps, which moves the rounding
            np.testing.assert_allclose(rows[column], ends[column], rtol=1e-4)


def test_lengths_are_checkpoints_of_the_base(table):
    for factor, steps in ((0.25, 10), (2, 80)):
        rows = table[(table["field"] == "num_steps") & (table["factor"] == factor)]
        assert set(rows["step"]) == {steps}
        assert set(rows["num_steps"]) == {steps}


def test_sgd_has_no_radius_to_vary(table):
    sgd = table[table["rule"] == "SGD"]
    base = sgd[sgd["field"] == "base"]["train_loss"].tolist()
    for factor in FACTORS:
        same = (sgd["field"] == "rho") & (sgd["factor"] == factor)
        assert sgd[same]["train_loss"].tolist() == base


def test_diverged_runs_are_rows_and_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = robust_runs.run_variations(
            NOTHING, "bias", [1000], [2], seeds=2, **SIZE
        )
    wild = table[(table["field"] == "lr") & (table["rule"] == "SGD")]
    assert wild["diverged"].tolist() == [True, True]
    lost = robust_runs.lost_runs(table)
    assert lost.loc[("bias", "SGD", "η × 1000")].tolist() == [2, 0, 2]


# --- learning rate and radius together --------------------------------------------


def test_drifts_keep_the_radius_or_eta_rho_squared():
    found = robust_runs.drifts("bias", [0.25, 2.0], **SIZE)
    base = found["base", 1.0]
    assert base.num_steps == SIZE["num_steps"]
    for (kept, factor), config in found.items():
        assert config.lr == base.lr * factor
        if kept == "rho":
            assert differing(base, config) == {"lr"}
        if kept == "eta rho^2":
            assert differing(base, config) == {"lr", "rho"}
            strengths = config.lr * config.rho**2, base.lr * base.rho**2
            assert strengths[0] == pytest.approx(strengths[1])


def test_a_table_of_drifts():
    tables = {
        ("base", 1.0): runs(test_accuracy=0.9, retracted_trace=2.0),
        ("rho", 0.5): runs(test_accuracy=0.7, retracted_trace=3.0),
        ("eta rho^2", 0.5): runs(test_accuracy=0.8, diverged=True),
    }
    found = robust_runs.drift_table(tables)
    assert found.index.tolist() == [0.5, 1.0]
    assert found["test accuracy", "rho"].tolist() == [0.7, 0.9]
    assert found["test accuracy", "eta rho^2"].tolist() == [0.0, 0.9]
    assert found["trace / bound", "rho"].tolist() == [3.0, 2.0]


# --- tuning -----------------------------------------------------------------------


@pytest.mark.parametrize("rule", robust_runs.TUNED)
def test_candidates_try_the_sources_setting_and_others(rule):
    configs = robust_runs.candidates("sim_ln", rule, **SIZE)
    grid = robust_runs.TUNED[rule]
    assert len(set(configs)) == math.prod(map(len, grid.values()))
    assert {config.rule for config in configs} == {rule}
    setting = SETTINGS["sim_ln"]
    (own,) = (
        config
        for config in configs
        if config.lr == setting.lr
        and config.rho in (0, setting.rho)
        and config.weight_decay in (0, setting.weight_decay)
    )
    for config in configs:
        assert differing(own, config) <= set(grid)


def test_tuning_takes_the_best_on_its_own_seeds(monkeypatch):
    configs = robust_runs.candidates("sim_ln", "SGD", **SIZE)
    accuracy = [[0.5, 0.7], [0.9, 0.7], [0.8, 0.8], [1.0, 1.0]]
    asked = []

    def fake(own, given, seeds):
        (config,) = given
        asked.append(seeds)
        k = configs.index(config)
        return runs(2, test_accuracy=accuracy[k], diverged=k == 3)

    monkeypatch.setattr(robust_runs, "ran", fake)
    assert robust_runs.tune(NOTHING, configs, range(7, 9)) == configs[1]
    assert set(asked) == {range(7, 9)}
    with pytest.raises(ValueError, match=r"configs = \[\]: at least 1"):
        robust_runs.tune(NOTHING, [], 2)


# --- verdicts, on tables made by hand -----------------------------------------


def by_hand(architecture="bias", seeds=10, **columns) -> pd.DataFrame:
    """A base and two variations of some seeds; 1-SAM has the columns given."""
    parts = []
    settings = [BASE, ("lr", 0.5), ("lr", 2.0)]
    for k, (field, factor) in enumerate(settings):
        for rule in robust_runs.RULES:
            mine = {name: values[k] for name, values in columns.items()}
            rows = runs(
                seeds,
                architecture=architecture,
                rule=rule,
                **(mine if rule == "1-SAM" else {"test_accuracy": 0.6}),
            )
            parts.append(rows[rows["last"]].assign(field=field, factor=factor))
    return pd.concat(parts, ignore_index=True)


def test_words_are_those_of_the_scenarios_claims():
    table = by_hand(
        test_accuracy=[1.0, 0.93, 0.3],
        retracted_trace=[1.01, 1.2, 1.0],
        output_error=[1e-3, 1e-3, 0.5],
    )
    found = verdicts.words(table)
    assert found["generalises"].tolist() == ["holds", "partly", "fails"]
    assert found["attains"].tolist() == ["holds", "fails", "fails"]
    assert found["beats SGD"].tolist() == ["holds", "holds", "fails"]
    sam = table[(table["field"] == "base") & (table["rule"] == "1-SAM")]
    assert decide.share("table-bias-sam", sam).verdict == "holds"


def test_the_words_claims_exist_and_are_of_the_right_kinds():
    known = load()[1]
    for ids in verdicts.VERDICTS.values():
        kinds = [known[name].rule.kind for name in ids.values()]
        assert kinds == ["share", "attains", "beats"]
        assert known[ids["generalises"]].rule.says


@pytest.mark.parametrize(
    ("words", "verdict", "effect"),
    [
        (["holds", "holds", "holds"], "holds", 0.0),
        (["fails", "fails", "fails"], "holds", 0.0),
        (["holds", "fails", "holds"], "fails", 0.5),
        (["holds", "partly", "fails"], "fails", 1.0),
        (["holds", "undecided", "fails"], "fails", 0.5),
        (["holds", "undecided", "holds"], "undecided", 0.0),
        (["undecided", "holds", "holds"], "undecided", None),
        (["undecided", "undecided", "undecided"], "undecided", None),
    ],
)
def test_survives(words, verdict, effect):
    table = by_hand()
    settings = [BASE, ("lr", 0.5), ("lr", 2.0)]
    index = pd.MultiIndex.from_tuples(settings, names=["field", "factor"])
    found = verdicts.survives(
        "robust-bias-generalises", table, pd.Series(words, index=index)
    )
    assert (found.verdict, found.effect, found.n) == (verdict, effect, 2)
    assert found.note.startswith(f"base: {words[0]}")
    for word, name in zip(words[1:], ["η × 1/2", "η × 2"], strict=True):
        assert (name in found.note) == (word != words[0])
    assert found.scale.startswith("scaled-down: d = 30")
    assert found.scale.endswith("varied")


@pytest.mark.parametrize("seeds", [1, 9, 10])
def test_a_verdict_of_too_few_seeds_says_so(seeds):
    table = by_hand(test_accuracy=[0.3, 0.3, 0.3], seeds=seeds)
    words = verdicts.words(table)["generalises"]
    found = verdicts.survives("robust-bias-generalises", table, words)
    too_few = seeds < 10
    assert found.verdict == ("undecided" if too_few else "holds")
    assert few_seeds(found) == ((seeds, 10) if too_few else None)
    assert (found.effect, found.n) == (None if too_few else 0.0, 2)


def test_words_that_few_seeds_could_not_decide_are_not_trusted():
    table = by_hand(seeds=3)
    words = pd.Series("holds", index=verdicts.words(table).index)
    found = verdicts.survives("robust-bias-generalises", table, words)
    assert (found.verdict, few_seeds(found)) == ("undecided", (3, 10))


def test_a_table_of_symbols():
    words = verdicts.words(by_hand(test_accuracy=[1.0, 0.93, 0.3]))
    found = verdicts.verdict_table({"A": words, "B": words})
    assert list(found.index) == ["base", "η × 1/2", "η × 2"]
    assert found["A", "generalises"].tolist() == ["✓", "≈", "✗"]
    assert set(verdicts.SYMBOLS) == {"holds", "partly", "fails", "undecided"}


def test_lost_runs_are_counted():
    table = by_hand()
    sam = (table["rule"] == "1-SAM") & (table["factor"] == 2)
    table.loc[table.index[sam][:3], "diverged"] = True
    table.loc[table.index[sam][3:5], "bound_outputs"] = 0.0
    found = robust_runs.lost_runs(table)
    assert found.index.tolist() == [("bias", "1-SAM", "η × 2")]
    assert found.iloc[0].tolist() == [3, 2, 10]
    assert robust_runs.lost_runs(by_hand()).empty


@pytest.mark.parametrize("architecture", verdicts.VERDICTS)
def test_growth_at_the_start_equals_autograd(architecture):
    configs = varied(architecture)
    found = robust_runs.initial_growth({"name": configs})["name"]
    for field, factor in (BASE, ("lr", 2), ("width", 0.5), ("init_scale", 2)):
        config = configs["SGD", field, factor]
        config = robust_runs.changed(config, dtype="float64")
        setting, start = problem(config), initial_state(config).params
        inputs = torch.as_tensor(setting.inputs)
        rows = jacobian(
            lambda w, v, setting=setting, inputs=inputs: setting.architecture.forward(
                setting.model, w, v, inputs
            ),
            start,
        )
        np.testing.assert_allclose(
            found[robust_runs.label(field, factor)],
            2 * config.lr * np.mean(np.sum(rows**2, axis=1)),
            rtol=1e-10,
        )


def test_growth_above_two_makes_the_error_grow():
    """The statement that the number stands for, on one step of the engine."""
    for lr, grows in ((0.05, False), (50.0, True)):
        base = varied()["SGD", *BASE]
        config = robust_runs.changed(base, n=1, lr=lr)
        growth = robust_runs.initial_growth({"": {("SGD", *BASE): config}}).iloc[0, 0]
        setting, state = problem(config), initial_state(config)
        errors = [
            abs(
                setting.architecture.forward(setting.model, *at.params, setting.inputs)
                - setting.y
            )[0]
            for at in (state, advance(state, config, 1))
        ]
        assert (growth > 2) == grows
        assert (errors[1] > errors[0]) == grows
