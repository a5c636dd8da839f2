"""The runs behind sample complexity: scaled learning rates, errors, certificates."""

import numpy as np
import pandas as pd
import pytest

from flatminima.data.xor import sample_xor, xor_test_set
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.problem import initial_state, problem
from flatminima.sharpness.closed_form import per_example_gradients
from flatminima.statistics import growth
from flatminima.studies.sample_complexity import runs, tables
from flatminima.sweeps.sweep import run_all, sweep
from flatminima.theory.certificates.certificate import certify
from flatminima.theory.certificates.certificate_search import search_certificate
from flatminima.theory.ntk import kernel_regression

TRAINED = {
    "width": 24,
    "kick": 0.5,
    "rho": 0.1,
    "updates": 2000,
    "init_scale": 0.01,
    "small_rho": 0.03,
    "weight_decay": 0.05,
    "control_updates": 1000,
    "faster": 4.0,
    "full_batch_updates": 100,
}
FLOW = {"width": 24, "iterations": 3, "smoothing": 0.05}


# --- settings -------------------------------------------------------------------


@pytest.mark.parametrize(("d", "width"), [(4, 24), (9, 64)])
def test_learning_rate_makes_the_kick(d, width):
    """Over initialisations, 2 eta ||grad f||^2 has the mean that was asked for."""
    kicks = []
    for seed in range(200):
        config = Config(architecture="no_bias", d=d, n=4, width=width, init_seed=seed)
        setting = problem(config)
        state = initial_state(config)
        gradients = per_example_gradients(setting.model, *state.params, setting.inputs)
        lr = runs.learning_rate(d, width, 0.7)
        kicks.append(2 * lr * gradients.norm_sq.mean())
    error = np.std(kicks, ddof=1) / len(kicks) ** 0.5
    assert abs(np.mean(kicks) - 0.7) < 3 * error
    assert error < 0.02


@pytest.mark.parametrize("kick", [0, 2, np.nan])
def test_a_kick_that_cannot_converge_is_refused(kick):
    with pytest.raises(ValueError, match=f"kick = {kick}: must be above 0 and below 2"):
        runs.learning_rate(6, 24, kick)


def test_sizes():
    assert runs.sizes(6, [2.5, 1.5, 1.49]) == [9, 15]
    assert runs.sizes(6, [0.3, 1.0], power=2) == [11, 36]
    assert runs.sizes(4, [15 / 4]) == [15]


@pytest.mark.parametrize("ratios", [[], [0.0], [4.0], [-1.0]])
def test_sizes_out_of_range_are_refused(ratios):
    with pytest.raises(ValueError, match=r"ratios = .* 1 <= n < 2\^d"):
        runs.sizes(4, ratios)


def of_sam(ds, ratios):
    return runs.trained(ds, ratios, **TRAINED)[runs.SAM]


def test_every_d_gets_its_own_learning_rate():
    configs = of_sam([6, 8], [1.5, 2.5])
    assert [(c.d, c.n) for c in configs] == [(6, 9), (6, 15), (8, 12), (8, 20)]
    np.testing.assert_allclose([c.lr * (c.width + c.d) for c in configs], 1.5)
    assert {c.rule for c in configs} == {"1-SAM"}


def test_controls_differ_from_1_sam_in_what_they_are_named_for():
    found = {name: c[0] for name, c in runs.trained([6], [1.5], **TRAINED).items()}
    assert list(found) == list(runs.METHODS[:5])
    assert {name: config.rule for name, config in found.items()} == {
        runs.SAM: "1-SAM",
        runs.SMALL_SAM: "1-SAM",
        runs.SMALL_SGD: "SGD",
        runs.DECAYED_SGD: "SGD + wd",
        runs.DECAYED_GD: "GD + wd",
    }
    scales = [config.init_scale for config in found.values()]
    assert scales == [1.0, 0.01, 0.01, 1.0, 1.0]
    rates = [config.lr for config in found.values()]
    np.testing.assert_allclose(rates, rates[0] * np.array([1, 1, 1, 1, 4]))
    assert (found[runs.SAM].rho, found[runs.SMALL_SAM].rho) == (0.1, 0.03)
    lengths = [config.num_steps for config in found.values()]
    assert lengths == [2000, 2000, 1000, 1000, 100]


# --- errors ---------------------------------------------------------------------


def test_trained_errors_are_those_of_the_last_checkpoint():
    table = sweep(of_sam([5], [1.5, 4.0]), seeds=range(3, 5))
    both = tables.trained_errors({"one": table, "other": table})
    errors = both[both["method"] == "one"]
    assert len(both) == 2 * len(errors) and both.index.is_unique
    assert list(errors["n"]) == [8, 8, 20, 20]
    assert list(errors["seed"]) == [3, 4, 3, 4]
    last = table[table["step"] == TRAINED["updates"]]
    np.testing.assert_allclose(errors["zero_one"], 1 - last["test_accuracy"])
    np.testing.assert_allclose(errors["mse"], last["test_mse"])
    assert not errors["diverged"].any()


@pytest.mark.filterwarnings("ignore:diverged")
def test_a_diverged_run_gets_nothing_right():
    (config,) = of_sam([5], [1.5])
    wild = config.model_copy(update={"lr": 50.0})
    errors = tables.trained_errors({runs.SAM: sweep([wild], seeds=2)})
    assert (errors[["zero_one", "mse"]] == 1).all(axis=None)
    assert errors["diverged"].all()


def test_flow_errors_are_those_of_its_network():
    configs = runs.flows([5], [1.5], **FLOW)
    errors = tables.flow_errors(configs, range(4, 6))
    cells = [config.with_seeds(seed, seed) for config in configs for seed in (4, 5)]
    for row, run in zip(errors.itertuples(), run_all(cells), strict=True):
        test = xor_test_set(sample_xor(row.n, 5, row.seed), row.seed)
        w, v = run.params
        f = np.maximum(test.x @ w, 0) @ v
        assert row.mse == pytest.approx(np.mean((f - test.y) ** 2))
        assert row.zero_one == np.mean(f * test.y <= 0)
        assert row.zero_one == pytest.approx(1 - run.history["test_accuracy"].iloc[-1])
        assert row.ratio == run.history["ratio"].iloc[-1]


def test_kernel_errors_use_all_points_if_they_may():
    errors = tables.kernel_errors([5], [0.5], [0, 1], width=24, test_points=1000)
    train = sample_xor(12, 5, 1)
    test = xor_test_set(train, 1)
    f = kernel_regression("no_bias", train.x, train.y, test.x, width=24)
    row = errors.iloc[1]
    assert (row["d"], row["n"], row["seed"]) == (5, 12, 1)
    assert row["mse"] == pytest.approx(np.mean((f - test.y) ** 2))
    assert row["zero_one"] == np.mean(f * test.y <= 0)


def test_a_sample_of_test_points_estimates_the_error():
    full = tables.kernel_errors([9], [0.4], [0], width=24, test_points=10_000)
    some = tables.kernel_errors([9], [0.4], [0], width=24, test_points=240)
    share = full["zero_one"].iloc[0]
    standard_error = (share * (1 - share) / 240) ** 0.5
    assert 0 < abs(some["zero_one"].iloc[0] - share) < 3 * standard_error


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"seeds": []}, r"seeds = \[\]: at least 1"),
        ({"seeds": [-1]}, r"seeds\[0\] = -1: must be"),
        ({"test_points": 0}, "test_points = 0: must be"),
    ],
)
def test_counts_out_of_range_are_refused(given, named):
    arguments = {"seeds": [0], "test_points": 1} | given
    with pytest.raises(ValueError, match=named):
        tables.kernel_errors([5], [0.5], width=24, **arguments)


# --- checks ---------------------------------------------------------------------


def settled(**columns) -> pd.DataFrame:
    """Two runs at one d, by hand: start, half-way, end."""
    rows = [
        {
            "d": 6,
            "n": n,
            "data_seed": 0,
            "step": step,
            "last": step == 20,
            "diverged": False,
            "retracted_trace": trace,
            "bound": 2.0,
            "test_accuracy": accuracy,
        }
        for n, traces in ((9, (9, 6, 4)), (12, (9, 8, 2)))
        for step, trace, accuracy in zip(
            (0, 10, 20), traces, (0, 0.5, 0.75), strict=True
        )
    ]
    return pd.DataFrame(rows).assign(**columns)


def test_settling_compares_half_way_with_the_end():
    found = tables.settling(settled())
    assert found.index.tolist() == [6]
    assert found["trace / bound, half-way"].item() == 3.5
    assert found["trace / bound, at the end"].item() == 1.5
    assert found["zero-one error, half-way"].item() == 0.5
    assert found["zero-one error, at the end"].item() == 0.25


def test_settling_needs_both_traces():
    table = settled()
    table.loc[(table["n"] == 12) & (table["step"] == 10), "retracted_trace"] = np.nan
    found = tables.settling(table)
    assert found["trace / bound, half-way"].item() == 3
    assert found["trace / bound, at the end"].item() == 2
    assert found["zero-one error, half-way"].item() == 0.5


def test_search_comes_near_the_certified_minimum():
    errors = tables.search_errors([5], [1.6, 2.0], range(2))
    assert list(errors["n"]) == [8, 8, 10, 10]
    for row in errors.itertuples():
        train = sample_xor(row.n, 5, row.seed)
        least = certify(train.x, train.y, tolerance=1e-3).value / (4 * 5**0.5)
        assert least * (1 - 1e-3) <= row.ratio <= 1.01 * least


def test_a_search_that_ends_far_from_the_minimum_is_refused(monkeypatch):
    def hurried(x, y, *, tolerance):
        return search_certificate(x, y, tolerance=0.5)

    monkeypatch.setattr(tables, "search_certificate", hurried)
    with pytest.raises(ArithmeticError, match="more than 0.01 above"):
        tables.search_errors([5], [2.0], [0])


def test_no_trained_network_is_flatter_than_the_search_finds():
    table = sweep(of_sam([4], [1.0, 2.0]), seeds=2)
    parts = [
        tables.trained_errors({runs.SAM: table}),
        tables.search_errors([4], [2.0], [0, 1]),
        tables.kernel_errors([4], [0.5], [0, 1], width=24, test_points=16),
    ]
    found = tables.at_smallest(pd.concat(parts, ignore_index=True), 4)
    assert found.index.tolist() == [8]
    assert not any("NTK" in column for column in found)
    search, sam = (found[f"trace / bound, {method}"] for method in ("search", "1-SAM"))
    assert (search <= 1.01 * sam).all()
    mean = parts[1]["zero_one"].mean()
    assert found["zero-one error, search"].item() == pytest.approx(mean)


def by_hand(method: str, traces: list[float], factor: float = 1.0) -> pd.DataFrame:
    """Ten equal seeds whose errors halve with every doubling of n, at d = 10."""
    rows = [
        {
            "method": method,
            "d": 10,
            "n": round(10 * share * factor),
            "seed": seed,
            "zero_one": 0.4 / share,
            "mse": 1 / share,
            "ratio": trace,
            "diverged": False,
        }
        for share, trace in zip((1, 2, 4, 8), traces, strict=True)
        for seed in range(10)
    ]
    return pd.DataFrame(rows)


def test_flatness_is_set_against_what_is_needed():
    errors = pd.concat(
        [
            by_hand(runs.SAM, [1, 1, 2, 2]),
            by_hand("other", [3, 3, 5, 5], factor=2),
            by_hand(runs.KERNEL, [np.nan] * 4),
        ],
        ignore_index=True,
    )
    found = tables.against_flatness(errors, growth.needs(errors), 10)
    assert found["trace / bound"].to_dict() == {runs.SAM: 1.5, "other": 4}
    # zero-one error .1 at a share of 4
    assert found["n, zero-one error"].to_dict() == pytest.approx(
        {runs.SAM: 40, "other": 80}
    )
    np.testing.assert_allclose(found["n / 1-SAM's, MSE"], [1, 2])


def test_networks_near_the_bound_are_counted_with_their_errors():
    errors = by_hand(runs.FLOW, [1.0, 1.04, 1.06, 2.0])
    errors.loc[0, ["ratio", "zero_one"]] = 1.2, 0.0
    found = tables.flat_but_wrong(errors, runs.FLOW, 1.05)
    assert found.index.tolist() == [1, 2, 4, 8]
    assert found["networks"].tolist() == [10] * 4
    assert found["share near the bound"].tolist() == [0.9, 1, 0, 0]
    errs = found["their mean zero-one error"].tolist()
    assert errs[:2] == pytest.approx([0.4, 0.2]) and np.isnan(errs[2:]).all()
    assert found["their least"].iloc[0] == pytest.approx(0.4)
