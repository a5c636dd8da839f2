"""Constructions, certificates and the ends of runs, a row each."""

from collections.abc import Iterable
from itertools import product

import numpy as np
import pandas as pd

from flatminima.data.streams import generator
from flatminima.data.xor import sample_xor, xor_test_set
from flatminima.measures.predictions import sign_errors
from flatminima.models import deep
from flatminima.models.relu import relu_lower_bound
from flatminima.sharpness.deep import per_example_gradients, trace_hessian
from flatminima.studies.open_1_1.runs import (
    DEPTHS,
    POINTS,
    QUADRANTS,
    SMALL,
    USUAL,
    Arm,
)
from flatminima.sweeps.table import as_rows
from flatminima.theory.certificates.certificate import certify
from flatminima.theory.constructions.deep_cells import (
    Network,
    decision_tree,
    deep_from_subcubes,
    deep_on_sphere,
)

MEMORISING, TREE, RIGHT = "memorising", "decision tree", "right"
INTERPOLATES = 1e-9
"""Largest error of an output at which a construction interpolates."""

MOST_FRAMES = 1024
"""Random frames, at most, that may tell points of the sphere apart."""

STARTS = {
    USUAL: USUAL,
    SMALL: SMALL,
    POINTS: "memorising, shaken",
    QUADRANTS: "right, shaken",
}
"""What the table of all settings calls the starts."""

OFF_KINK = 1e-9
"""Least distance of a pre-activation from 0 at which a trace is one."""


def constructions(seeds: Iterable[int], *, inputs: int, examples: int) -> pd.DataFrame:
    """Flattest interpolators of every depth from three on, with and without a bias.

    Args:
        seeds: draw the training points, and the trees.
        inputs, examples: of xor.

    Returns:
        A row a network: seed, depth, bias, kind, cells, excess (trace over bound minus
        1; inf if it does not interpolate or sits on a kink) and accuracy off the
        training set, NaN where no point is off it.
    """
    quadrants = np.zeros((4, inputs), dtype=int)
    quadrants[:, :2] = list(product((1, -1), repeat=2))
    rows = []
    for seed in seeds:
        data = sample_xor(examples, inputs, seed)
        test = xor_test_set(data, seed)
        leaves = decision_tree(data.x, data.y, generator(seed, "tree"))
        kinds = {
            MEMORISING: (data.x.astype(int), data.y),
            TREE: leaves,
            RIGHT: (quadrants, 1.0 * quadrants[:, 0] * quadrants[:, 1]),
        }
        for depth, bias, kind in product(DEPTHS[1:], (False, True), kinds):
            model = deep.Model(depth, float(bias))
            network = deep_from_subcubes(*kinds[kind], depth, bias=bias)
            f = deep.forward(model, *network, deep.inputs(model, test.x))
            rows.append(
                {
                    "seed": seed,
                    "depth": depth,
                    "bias": bias,
                    "kind": kind,
                    "cells": len(kinds[kind][1]),
                    "excess": excess(model, network, data.x, data.y),
                    "accuracy": 1 - sign_errors(f, test.y) if len(f) else np.nan,
                }
            )
    return pd.DataFrame(rows)


def excess(model: deep.Model, network: Network, x: np.ndarray, y: np.ndarray) -> float:
    """Trace over bound minus 1; inf off interpolation, and on a kink.

    Args:
        model: depth and bias.
        network: (w, middle, v).
        x, y: training set.
    """
    inputs = deep.inputs(model, x)
    at = per_example_gradients(*network, inputs)
    if np.max(np.abs(at.f - y)) > INTERPOLATES or at.kink_distance < OFF_KINK:
        return np.inf
    bound = deep.lower_bound(model, np.sum(inputs**2, axis=1), y)
    return float(trace_hessian(at).sum()) / bound - 1


def sphere(seeds: Iterable[int], *, inputs: int, examples: int) -> pd.DataFrame:
    """Memorising networks without a bias, for random labels on the sphere.

    Returns:
        A row a network: seed, depth and excess.
    """
    rows = []
    for seed in seeds:
        rng = generator(seed, "sphere")
        x = rng.normal(size=(examples, inputs))
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        y = rng.choice([-1.0, 1.0], examples)
        for depth in DEPTHS[1:]:
            network = _memorising(x, y, depth, seed)
            found = excess(deep.Model(depth, 0.0), network, x, y)
            rows.append({"seed": seed, "depth": depth, "excess": found})
    return pd.DataFrame(rows)


def _memorising(x: np.ndarray, y: np.ndarray, depth: int, seed: int) -> Network:
    """As `deep_on_sphere`, with twice the frames until all points are told apart."""
    frames = 4
    while True:
        try:
            return deep_on_sphere(x, y, depth, frames=frames, seed=seed)
        except ValueError as error:
            if "more are needed" not in str(error) or frames >= MOST_FRAMES:
                raise
            frames *= 2


def above_bound(seeds: Iterable[int], *, inputs: int, examples: int) -> np.ndarray:
    """By how much the bound exceeds the trace of random networks, relatively.

    Returns:
        One number a seed, depth and bias: 0 where the trace is not below the bound at
        the network's own outputs.
    """
    found = []
    for seed in seeds:
        x = sample_xor(examples, inputs, seed).x
        for depth, bias in product(DEPTHS, (0.0, 1.0)):
            model = deep.Model(depth, bias)
            rows = deep.inputs(model, x)
            network = deep.init(model, inputs, 2 * inputs, generator(seed, "init"))
            at = per_example_gradients(*network, rows)
            bound = deep.lower_bound(model, np.sum(rows**2, axis=1), at.f)
            trace = float(trace_hessian(at).sum())
            found.append(max(0.0, bound - trace) / max(trace, np.finfo(float).tiny))
    return np.array(found)


def certificates(seeds: Iterable[int], *, inputs: int, examples: int) -> pd.DataFrame:
    """The certified least trace at depth two without a bias, by the labels.

    Returns:
        A row a seed and kind of labels, "xor" or "random": over (the least trace over
        the pointwise bound; NaN if no network fits the labels) and gap.
    """
    rows = []
    for seed in seeds:
        data = sample_xor(examples, inputs, seed)
        random = generator(seed, "labels").choice([-1.0, 1.0], len(data.y))
        for labels, y in (("xor", data.y), ("random", random)):
            row = {"seed": seed, "labels": labels, "over": np.nan, "gap": np.nan}
            try:
                found = certify(data.x, y)
            except ValueError as error:
                if "no network" not in str(error):
                    raise
            else:
                bound = relu_lower_bound(np.sum(data.x**2, axis=1), y, 2.0)
                row |= {"over": found.value / bound, "gap": found.gap}
            rows.append(row)
    return pd.DataFrame(rows)


def ends(table: pd.DataFrame) -> pd.DataFrame:
    """The end of every run, with the fields of its arm in place of the arm.

    Args:
        table: from `runs.gathered`.
    """
    last = table[table["last"]]
    fields = pd.DataFrame(last["arm"].tolist(), columns=Arm._fields, index=last.index)
    kept = ["data_seed", "test_accuracy", "ratio", "train_loss", "diverged"]
    return fields.join(last[kept])


def of(table: pd.DataFrame, arm: Arm) -> pd.DataFrame:
    """The rows of one arm."""
    return table[table["arm"] == arm]


def flattest_found(ended: pd.DataFrame, depth: int, said: str) -> pd.DataFrame:
    """Of every seed, the accuracy of the flattest run from a drawn start.

    Args:
        ended: from `ends`.
        depth: of networks without a bias.
        said: the scale.

    Returns:
        Rows as of a setting; a seed of which no run interpolates counts as diverged.
    """
    rows = ended[(ended["depth"] == depth) & ~ended["bias"]]
    rows = rows[rows["start"].isin((USUAL, SMALL))]
    first = rows.sort_values("ratio").drop_duplicates("data_seed")
    first = first.set_index("data_seed").sort_index()
    values = first["test_accuracy"].where(first["ratio"].notna())
    return as_rows(values, "test_accuracy", said)


def summary(ended: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracy and median trace over bound, by bias, rule, start and depth."""
    named = ended.assign(start=ended["start"].map(STARTS), bias=_yes_or_no(ended))
    by = named.groupby(["bias", "rule", "start", "depth"], sort=False)
    means = by["test_accuracy"].mean().unstack("depth").sort_index(axis=1)
    medians = by["ratio"].median().unstack("depth").sort_index(axis=1)
    columns = {"accuracy": means, "trace over bound": medians}
    return pd.concat(columns, axis=1).round(3)


def built_means(built: pd.DataFrame) -> pd.DataFrame:
    """Leaves and accuracy of the constructions, means over seeds, by kind and depth.

    Args:
        built: from `constructions`.
    """
    named = built.assign(bias=_yes_or_no(built)).rename(columns={"cells": "leaves"})
    by = named.groupby(["kind", "bias", "depth"], sort=False)
    return pd.DataFrame(by[["leaves", "accuracy"]].mean().unstack("depth")).round(2)


def _yes_or_no(rows: pd.DataFrame) -> pd.Series:
    return rows["bias"].map({True: "yes", False: "no"})
