"""Errors of all methods, as tables."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from flatminima.checks import at_least
from flatminima.data.streams import Dataset, generator
from flatminima.data.xor import sample_xor, xor_test_set
from flatminima.measures.predictions import outputs, sign_errors
from flatminima.models.base import load
from flatminima.runs.flow.config import FlowConfig
from flatminima.runs.mlp.problem import problem
from flatminima.statistics.growth import METRICS, Needs
from flatminima.studies.sample_complexity.runs import (
    FLOW,
    GAP,
    KERNEL,
    SAM,
    SEARCH,
    sizes,
)
from flatminima.sweeps.sweep import run_all
from flatminima.sweeps.table import over_seeds, seed_pairs
from flatminima.theory.certificates.certificate_search import search_certificate
from flatminima.theory.ntk import kernel_regression

LOST = 1.0
"""Both errors of a run that diverged: it gets no point right, and its MSE is that of
the function 0."""


def trained_errors(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Test errors at the ends of training.

    Args:
        tables: from `sweep` over the configs of `runs.trained`, by method.
    """
    return pd.concat(
        [_at_end(method, table[table["last"]]) for method, table in tables.items()],
        ignore_index=True,
    )


def _at_end(method: str, last: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "method": method,
            "d": last["d"],
            "n": last["n"],
            "seed": last["data_seed"],
            "zero_one": (1 - last["test_accuracy"]).where(~last["diverged"], LOST),
            "mse": last["test_mse"].where(~last["diverged"], LOST),
            "ratio": last["retracted_trace"] / last["bound"],
            "diverged": last["diverged"],
        }
    )


def flow_errors(configs: Iterable[FlowConfig], seeds: Sequence[int]) -> pd.DataFrame:
    """Run the flows; test errors where they end.

    Args:
        configs: from `flows`.
        seeds: each draws data and initialisation.

    Raises:
        ValueError: if there is no seed, or one is negative.
    """
    cells: list[Any] = over_seeds(configs, seeds)
    rows = []
    for config, run in zip(cells, run_all(cells), strict=True):
        start = config.start
        where = FLOW, start.d, start.n, start.data_seed
        if run.diverged_at is not None:
            row = _row(*where, (LOST, LOST), np.nan)
            rows.append(row | {"diverged": True})
            continue
        setting = problem(start)
        errors = _errors(
            outputs(setting.architecture, setting.model, run.params, setting.test.x),
            setting.test,
        )
        rows.append(_row(*where, errors, run.history["ratio"].iloc[-1]))
    return pd.DataFrame(rows)


def search_errors(
    ds: Sequence[int], ratios: Sequence[float], seeds: Sequence[int]
) -> pd.DataFrame:
    """Test errors of the flattest networks that convex search finds.

    The least trace over interpolating networks of any width is a convex programme
    (`theory.certificate`); here its activation cones are searched. The network is
    within about 1 % of the minimum if the search missed no cone.

    Args:
        ds: dimensions; the work grows fast with them.
        ratios: n = ratio d.
        seeds: of the data.

    Raises:
        ValueError: if a value is out of range.
        ArithmeticError: if a search ends further from the minimum than that.
    """
    rows = []
    for d in ds:
        for n in sizes(d, ratios):
            for seed in _data_seeds(seeds):
                train = sample_xor(n, d, seed)
                # a start may climb to 0, which has no direction and is passed over
                with np.errstate(invalid="ignore"):
                    found = search_certificate(train.x, train.y, tolerance=GAP)
                if not found.value <= (1 + GAP) * found.uncertified_lower:
                    raise ArithmeticError(
                        f"the search ended at {found.value:.6g}, more than {GAP:g} "
                        f"above {found.uncertified_lower:.6g}: d = {d}, n = {n}, seed "
                        f"{seed}"
                    )
                test = xor_test_set(train, seed)
                model = load("no_bias").Model()
                weights = found.w, found.v
                f = outputs(load("no_bias"), model, weights, test.x)
                ratio = found.trace / (4 * d**0.5)
                rows.append(_row(SEARCH, d, n, seed, _errors(f, test), ratio))
    return pd.DataFrame(rows)


def kernel_errors(
    ds: Sequence[int],
    ratios: Sequence[float],
    seeds: Sequence[int],
    *,
    width: int,
    test_points: int,
) -> pd.DataFrame:
    """Test errors of ridgeless regression with the tangent kernel of 2-MLP-No-Bias.

    It is deterministic: a seed draws data and nothing else.

    Args:
        ds: dimensions.
        ratios: n = ratio d^2.
        seeds: of the data.
        width: of the network whose kernel it is.
        test_points: held-out points at most, drawn without replacement.

    Raises:
        ValueError: if a value is out of range.
    """
    at_least("test_points", test_points, 1)
    rows = []
    for d in ds:
        for n in sizes(d, ratios, power=2):
            for seed in _data_seeds(seeds):
                train = sample_xor(n, d, seed)
                test = _some(xor_test_set(train, seed), test_points, seed)
                f = kernel_regression("no_bias", train.x, train.y, test.x, width=width)
                rows.append(_row(KERNEL, d, n, seed, _errors(f, test), np.nan))
    return pd.DataFrame(rows)


def settling(table: pd.DataFrame) -> pd.DataFrame:
    """What the second half of training still changed, over all n of each d.

    Args:
        table: of 1-SAM, from `sweep` over the configs of `runs.trained`.

    Returns:
        A row for each d: median trace over bound half-way and at the end, over the
        runs that were retracted at both, and the mean zero-one error at both.
    """
    half = table[(table["step"] > 0) & ~table["last"]]
    keys = ["d", "n", "data_seed"]
    both = table[table["last"] & ~table["diverged"]].merge(half, on=keys)
    when = {"half-way": "_y", "at the end": "_x"}
    traces = {
        f"trace / bound, {name}": both["retracted_trace" + end] / both["bound" + end]
        for name, end in when.items()
    }
    errors = {
        f"zero-one error, {name}": 1 - both["test_accuracy" + end]
        for name, end in when.items()
    }
    return pd.concat(
        [
            pd.DataFrame(traces).dropna().groupby(both["d"]).median(),
            pd.DataFrame(errors).groupby(both["d"]).mean(),
        ],
        axis=1,
    )


def at_smallest(errors: pd.DataFrame, d: int) -> pd.DataFrame:
    """Traces and errors side by side at one dimension.

    Args:
        errors: of several methods.
        d: the dimension.

    Returns:
        A row for each n that every method with a trace has: of each of these
        methods the median trace over bound and the mean zero-one error.
    """
    here = errors[(errors["d"] == d) & errors["method"].isin(_with_trace(errors))]
    groups = here.groupby(["n", "method"], sort=False)
    both = pd.concat(
        {
            "trace / bound": groups["ratio"].median().unstack(),
            "zero-one error": groups["zero_one"].mean().unstack(),
        },
        axis=1,
    )
    both.columns = pd.Index([", ".join(name) for name in both.columns])
    return both.dropna().sort_index()


def against_flatness(errors: pd.DataFrame, needs: Needs, d: int) -> pd.DataFrame:
    """How flat the networks of every method are, and how many points they need.

    Args:
        errors: of several methods.
        needs: found from them.
        d: the dimension.

    Returns:
        A row for each method with a trace at that d: the median of trace over bound
        over all its runs there, and for each metric the n that is needed, its interval
        and its quotient by that of 1-SAM.
    """
    rows = {}
    for method in _with_trace(errors[errors["d"] == d]):
        here = errors[(errors["d"] == d) & (errors["method"] == method)]
        rows[method] = {"trace / bound": here["ratio"].median()}
        for metric, name in METRICS.items():
            need = needs[method, metric][d]
            low, high = need.interval()
            row = {"n": need.value, "low": low, "high": high}
            row["n / 1-SAM's"] = need.value / needs[SAM, metric][d].value
            rows[method] |= {f"{title}, {name}": x for title, x in row.items()}
    return pd.DataFrame.from_dict(rows, orient="index")


def flat_but_wrong(errors: pd.DataFrame, method: str, within: float) -> pd.DataFrame:
    """The networks that come near the bound, and their accuracy, by n / d.

    Args:
        errors: of several methods.
        method: whose networks.
        within: largest trace over bound.

    Returns:
        A row for each n / d, rounded to tenths: networks, share within, and of these
        the mean zero-one error and the least; NaN where there is none.
    """
    part = errors[errors["method"] == method]
    part = part.assign(near=part["ratio"] <= within)
    groups = part.groupby((part["n"] / part["d"]).round(1).rename("n / d"))
    near = part["zero_one"].where(part["near"]).groupby(groups.ngroup())
    return pd.DataFrame(
        {
            "networks": groups.size(),
            "share near the bound": groups["near"].mean(),
            "their mean zero-one error": near.mean().to_numpy(),
            "their least": near.min().to_numpy(),
        }
    )


def _data_seeds(seeds: Sequence[int]) -> list[int]:
    return [data_seed for data_seed, _ in seed_pairs(seeds)]


def _with_trace(errors: pd.DataFrame) -> list[str]:
    return list(errors.loc[errors["ratio"].notna(), "method"].unique())


def _errors(f: np.ndarray, test: Dataset) -> tuple[float, float]:
    """Zero-one error and MSE."""
    return sign_errors(f, test.y), float(np.mean((f - test.y) ** 2))


def _row(
    method: str, d: int, n: int, seed: int, errors: tuple[float, float], ratio: float
) -> dict[str, object]:
    zero_one, mse = errors
    return {
        "method": method,
        "d": d,
        "n": n,
        "seed": seed,
        "zero_one": zero_one,
        "mse": mse,
        "ratio": ratio,
        "diverged": False,
    }


def _some(test: Dataset, count: int, seed: int) -> Dataset:
    if len(test.y) <= count:
        return test
    chosen = generator(seed, "kernel test").choice(len(test.y), count, replace=False)
    return Dataset(test.x[chosen], test.y[chosen])
