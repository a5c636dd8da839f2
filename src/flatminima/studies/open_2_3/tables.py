"""Numbers a seed from the table of drifts."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.claims.register import load
from flatminima.studies.open_2_3.rules import EVERY, MEASURES
from flatminima.studies.open_2_3.runs import MODELS


def of_rule(table: pd.DataFrame, rule: str, column: str) -> pd.DataFrame:
    """A column of one rule: a row a seed, a column a model.

    Args:
        table: from `runs.table`.
        rule: name.
        column: name.
    """
    if table.empty:
        return pd.DataFrame(columns=list(MODELS), dtype=float)
    rows = table[table["rule"] == rule]
    wide = rows.pivot(index="seed", columns="model", values=column)
    return wide.reindex(columns=list(MODELS)).astype(float)


def least(values: pd.DataFrame) -> pd.Series:
    """The least over models, of those that have a value, by seed."""
    return values.min(axis=1).dropna()


def mean(values: pd.DataFrame) -> pd.Series:
    """The mean over models, by seed; NaN where one has no value."""
    return values.mean(axis=1, skipna=False)


def least_of(
    table: pd.DataFrame, rules: Sequence[str], column: str
) -> Float[np.ndarray, " seeds"]:
    """The least over rules and models, by seed."""
    every = pd.DataFrame({rule: least(of_rule(table, rule, column)) for rule in rules})
    return every.min(axis=1).dropna().to_numpy()


def nearer(
    table: pd.DataFrame, rule: str, column: str, models: Sequence[str] = MODELS
) -> Float[np.ndarray, " seeds"]:
    """By how much a drift is nearer to a direction than to that of the trace.

    Args:
        table: from `runs.table`.
        rule: whose drift.
        column: of the direction.
        models: of which the least is taken.
    """
    gain = of_rule(table, rule, column) - of_rule(table, rule, "Tr H")
    return least(gain[list(models)]).to_numpy()


def logs(values: pd.DataFrame) -> pd.Series:
    """Mean over models of log10, by seed; NaN where a value is not above 0."""
    return mean(decades(values))


def decades(values: pd.DataFrame) -> pd.DataFrame:
    """log10, NaN where a value is not above 0."""
    return values.where(values > 0).map(np.log10)


def lengths(table: pd.DataFrame, rule: str) -> Float[np.ndarray, " runs"]:
    """Root mean square movement, one a model and seed; infinite where it is lost."""
    values = of_rule(table, rule, "length").fillna(np.inf).to_numpy().ravel()
    return values if values.size else np.array([np.inf])


def metric_of(claim: str) -> str:
    """The column that the rule of a claim reads."""
    return load()[1][claim].rule.metric


COLUMNS = ("run", *MEASURES, "theory")
"""Cosines of the tables and the figure."""


def means(table: pd.DataFrame, model: str) -> pd.DataFrame:
    """Means over seeds, a row a rule: cosines, steady share, fall and end.

    A cosine is shown where half of the seeds have it.

    Args:
        table: from `runs.table`.
        model: name.
    """
    columns = [*COLUMNS, "steady", "fall", "end"]
    if table.empty:
        return pd.DataFrame(np.nan, index=list(EVERY), columns=columns)
    groups = table[table["model"] == model].groupby("rule")[columns]
    shown = groups.mean().where(2 * groups.count() >= groups.size().max())
    return shown.reindex(list(EVERY))


def movements(table: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds of how short runs moved: a row a rule, columns by model.

    Args:
        table: from `runs.table`.
    """
    names = {"run": "cosine", "steady": "share of drift", "fall": "fall of the trace"}
    parts = {
        name: means(table, name)[list(names)].rename(columns=names) for name in MODELS
    }
    return pd.concat(parts, axis=1)
