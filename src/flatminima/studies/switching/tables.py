"""What the runs say, one number a seed.

Effects are differences of test errors, as shares of test images, or of test losses.
A claim that an effect is small whatever its sign, or that every step of a curve is, is
one on several numbers at once: that all are above 0. It has the interval of the one
that begins lowest (Berger 1982), so noise around 0 cannot pass for a small effect.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.statistics.intervals import of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.switching.runs import HALF, TO_ERM, TO_SAM
from flatminima.sweeps.table import SEEDS

Curve = pd.DataFrame
"""A row a seed, a column a time of the switch."""

LITTLE, CLIFF, MOST = 0.25, 0.5, 0.75
"""Shares of a difference: up to the first an effect is little, a step of the second is
a cliff, and from the third on an effect is most of it."""

ALIKE = float(np.log(1.25))
"""Difference of logarithms up to which two networks are as flat."""

ERM, SAM = ("ERM", 1.0), ("SAM", 0.0)
"""The runs that do not switch, as `by_seed` names them."""


MEASURES = {
    "log_sharpness": "minimum_sharpness",
    "log_rise": "sam_sharpness",
    "log_loss": "train_loss",
}


def ends(rows: pd.DataFrame) -> pd.DataFrame:
    """The last rows of labelled runs.

    Returns:
        With `log_sharpness`, `log_rise` and `log_loss`, the logarithms of minimum
        sharpness, of what an ascent of SAM adds to the loss and of the training loss;
        NaN where they are not known.
    """
    last = rows if rows.empty else rows[rows["last"]]
    logarithms = {}
    for name, measure in MEASURES.items():
        values = last.get(measure, pd.Series(np.nan, index=last.index)).astype(float)
        logarithms[name] = np.log(values.where((values > 0) & last["error"].notna()))
    return last.assign(**logarithms)


def of_setting(
    rows: pd.DataFrame, schedule: str, num_epochs: int | None = None
) -> pd.DataFrame:
    """The runs of one schedule and length, or of all lengths."""
    if rows.empty:
        return rows
    chosen = rows[rows["schedule"] == schedule]
    return chosen if num_epochs is None else chosen[chosen["num_epochs"] == num_epochs]


def curve(rows: pd.DataFrame, way: str, metric: str = "error") -> Curve:
    """A metric against the time of the switch; ERM and SAM are its ends.

    Args:
        rows: from `ends`, of one schedule and length.
        way: `TO_SAM` or `TO_ERM`.
        metric: column.

    Returns:
        By seeds and shares, of seeds that have all of them.
    """
    if rows.empty:
        return pd.DataFrame()
    first, last = ("SAM", "ERM") if way == TO_SAM else ("ERM", "SAM")
    at = {first: 0.0, last: 1.0}
    chosen = rows[rows["way"].isin((way, "ERM", "SAM"))]
    chosen = chosen.assign(share=chosen["way"].map(at).fillna(chosen["share"]))
    return chosen.pivot_table(metric, SEEDS, "share").dropna()


def both(rows: pd.DataFrame, metric: str = "error") -> tuple[Curve, Curve]:
    """The curves of ERM → SAM and of SAM → ERM, over the seeds that both have."""
    there, back = (curve(rows, way, metric) for way in (TO_SAM, TO_ERM))
    common = there.index.intersection(back.index)
    return there.loc[common], back.loc[common]


def gain(curves: tuple[Curve, Curve]) -> Float[np.ndarray, " seeds"]:
    """ERM minus SAM, by seed."""
    there, _ = curves
    return _column(there, 1.0) - _column(there, 0.0)


def from_erm(of: Curve, way: str) -> Curve:
    """A curve minus its own end at which there is no SAM, seed by seed."""
    if of.empty:
        return of
    return of.sub(_column(of, 1.0 if way == TO_SAM else 0.0), axis=0)


def halves(
    curves: tuple[Curve, Curve],
) -> tuple[Float[np.ndarray, " seeds"], Float[np.ndarray, " seeds"]]:
    """What SAM in the first and in the second half of training takes off, by seed.

    There are four runs, with SAM in neither half, one of them or both. The effect of a
    half is the mean of its effects without SAM in the other and with it, so that the
    two add up to `gain`.
    """
    there, back = curves
    erm, sam = _column(there, 1.0), _column(there, 0.0)
    late, early = _column(there, HALF), _column(back, HALF)
    first = ((erm - early) + (late - sam)) / 2
    second = ((erm - late) + (early - sam)) / 2
    return first, second


def least(
    parts: Sequence[Float[np.ndarray, " seeds"]],
) -> Float[np.ndarray, " seeds"]:
    """Of several numbers a seed those whose interval begins lowest.

    That all their means are above 0 holds if it holds of these.

    Args:
        parts: numbers by seed, of the same seeds; NaN where there is none.
    """
    known = [values[np.isfinite(values)] for values in parts]
    known = [values for values in known if len(values)]
    if not known:
        return np.array([])

    def begins(values: Float[np.ndarray, " seeds"]) -> tuple[float, float]:
        low, _ = of_mean(values, thresholds())
        mean = float(values.mean())
        return (low if np.isfinite(low) else mean, mean)

    return min(known, key=begins)


def below(
    limit: Float[np.ndarray, " seeds"] | float,
    *effects: Float[np.ndarray, " seeds"],
) -> Float[np.ndarray, " seeds"]:
    """What is left of a limit beyond the size of every effect, whatever their signs."""
    return least([limit - sign * each for each in effects for sign in (1, -1)])


def little(
    first: Float[np.ndarray, " seeds"], second: Float[np.ndarray, " seeds"]
) -> Float[np.ndarray, " seeds"]:
    """A quarter of the sum minus the size of the first, whatever its sign."""
    return below(LITTLE * (first + second), first)


def without_cliff(
    of: Curve, whole: Float[np.ndarray, " seeds"]
) -> Float[np.ndarray, " seeds"]:
    """Half of a difference minus the largest step between neighbouring times.

    Args:
        of: the curve.
        whole: the difference, by seed.
    """
    changes = np.diff(of.to_numpy(float), axis=1) if len(of) else np.empty((0, 0))
    return below(CLIFF * whole, *changes.T) if changes.size else np.array([])


def gradual(fall: Curve) -> Float[np.ndarray, " seeds"]:
    """Half of a fall, as it is at its end, minus its largest step.

    Args:
        fall: from `after_switch`.
    """
    if fall.empty:
        return np.array([])
    return without_cliff(fall, fall.to_numpy(float)[:, -1])


def most(
    part: Float[np.ndarray, " seeds"], whole: Float[np.ndarray, " seeds"]
) -> Float[np.ndarray, " seeds"]:
    """A part minus three quarters of the whole."""
    return part - MOST * whole


def alike(apart: Float[np.ndarray, " seeds"]) -> Float[np.ndarray, " seeds"]:
    """What is left of `ALIKE` beyond the size of a difference of logarithms."""
    return below(ALIKE, apart)


def steps(there: Curve, back: Curve) -> pd.DataFrame:
    """Every step of both curves between neighbouring times.

    Args:
        there, back: from `both`.

    Returns:
        A row a step: the times, and for both directions the mean change of the test
        error in percentage points with its interval, and as a share of the gain; NaN
        where the gain is not told from 0, since the shares are then those of noise.
    """
    if there.empty or back.empty:
        return pd.DataFrame()
    gains = gain((there, back))
    low, high = of_mean(gains, thresholds())
    whole = float(gains.mean()) if low > 0 or high < 0 else np.nan
    found = []
    for way, of in ((TO_SAM, there), (TO_ERM, back)):
        for before, after in zip(of.columns[:-1], of.columns[1:], strict=True):
            values = (of[after] - of[before]).to_numpy(float)
            low, high = of_mean(values, thresholds())
            points = (100 * values.mean(), 100 * low, 100 * high)
            found.append((way, before, after, *points, values.mean() / whole))
    names = ["way", "from", "to", "points", "low", "high", "share of the gain"]
    return pd.DataFrame(found, columns=names).set_index(names[:3]).round(3)


def by_seed(
    rows: pd.DataFrame,
    first: tuple[str, float],
    second: tuple[str, float],
    metric: str = "error",
) -> pd.Series:
    """A metric of one run minus that of another, indexed by seeds.

    Args:
        rows: from `ends`, of one schedule and length.
        first, second: the way of a run, and the share at which it switches.
        metric: column.
    """
    if rows.empty:
        return pd.Series(dtype=float)
    a, b = (
        rows[(rows["way"] == way) & np.isclose(rows["share"], share)]
        .set_index(SEEDS)[metric]
        .astype(float)
        for way, share in (first, second)
    )
    return (a - b).dropna()


def difference(first: pd.Series, second: pd.Series) -> Float[np.ndarray, " seeds"]:
    """One number minus another, of the seeds that have both."""
    return (first - second).dropna().to_numpy(float)


def against(
    rows: pd.DataFrame,
    first: tuple[str, float],
    second: tuple[str, float],
    metric: str = "error",
) -> Float[np.ndarray, " seeds"]:
    """The numbers of `by_seed`."""
    return by_seed(rows, first, second, metric).to_numpy(float)


def by_epoch(
    rows: pd.DataFrame, way: str, share: float, metric: str = "error"
) -> Curve:
    """A metric of one setting by seed and epoch.

    Args:
        rows: labelled, of one schedule and length.
        way: of the run.
        share: at which it switches; 1 for ERM and 0 for SAM.
        metric: column.
    """
    if rows.empty:
        return pd.DataFrame()
    chosen = rows[(rows["way"] == way) & np.isclose(rows["share"], share)]
    fine = chosen[chosen["rows_every"] > 0]
    return fine.pivot_table(metric, SEEDS, "epoch").dropna()


def after_switch(switched: Curve, kept: Curve, epoch: float) -> Curve:
    """By how much a switched run is lower than one that was not, epoch by epoch.

    Args:
        switched, kept: from `by_epoch`, one run up to the epoch.
        epoch: of the switch.

    Returns:
        By seeds and epochs since the switch, of which 0 has a difference of 0.
    """
    if switched.empty or kept.empty:
        return pd.DataFrame()
    fall = (kept - switched).dropna(axis=0, how="all").dropna(axis=1)
    since = places(fall) - epoch
    return pd.DataFrame(
        fall.to_numpy(float)[:, since >= 0], fall.index, since[since >= 0]
    )


def above(fall: Curve, epochs: float) -> Float[np.ndarray, " seeds"]:
    """By how much a switched run is above the other, some epochs after the switch.

    Args:
        fall: from `after_switch`.
        epochs: since the switch; where there is no such look, no seed has a number.
    """
    if epochs not in fall.columns:
        return np.array([])
    return -_column(fall, epochs)


def places(of: Curve) -> Float[np.ndarray, " times"]:
    """The times, or epochs, of a curve."""
    return np.array(of.columns, float)


def longer(
    rows: pd.DataFrame,
    own: tuple[str, float],
    factor: float,
    metric: str = "error",
) -> Float[np.ndarray, " seeds"]:
    """A metric of a longer run of ERM minus that of another run, by seed.

    Args:
        rows: from `ends`, of one schedule and all lengths.
        own: the way of the other run, of the least length, and where it switches.
        factor: how many times as many epochs ERM has.
        metric: column.
    """
    if rows.empty:
        return np.array([])
    length = rows["num_epochs"].min()
    long = rows[np.isclose(rows["num_epochs"], factor * length, atol=0.5)]
    both = pd.concat([long[long["way"] == "ERM"], rows[rows["num_epochs"] == length]])
    other = both.assign(way=both["way"].where(both["num_epochs"] == length, "longer"))
    return against(other, ("longer", 1.0), own, metric)


def summary(*parts: pd.DataFrame) -> pd.DataFrame:
    """A row a setting: how many runs, and means over seeds.

    Args:
        *parts: from `ends`, each of one kind of data.
    """
    found = [_means(rows) for rows in parts if not rows.empty]
    return pd.concat(found) if found else pd.DataFrame()


KEY = {
    "data": "data",
    "n": "images",
    "num_epochs": "epochs",
    "schedule": "rate",
    "way": "rule",
    "share": "switch at",
}
"""What the table of all settings calls the fields of a setting."""

DATA = {"fashion_mnist": "Fashion-MNIST", "fashion_mnist_subset": "its subset"}


def _means(rows: pd.DataFrame) -> pd.DataFrame:
    named = rows.assign(data=rows["data"].replace(DATA), share=rows["share"].round(3))
    table = named.groupby(list(KEY), sort=False).agg(
        **{
            "runs": ("diverged", "size"),
            "diverged": ("diverged", "sum"),
            "training loss": ("train_loss", "mean"),
            "test error": ("error", "mean"),
            "test loss": ("test_loss", "mean"),
            "minimum sharpness": ("log_sharpness", "mean"),
            "rise by an ascent": ("log_rise", "mean"),
        }
    )
    for name in ("minimum sharpness", "rise by an ascent"):
        table[name] = np.exp(table[name])
    places = {"training loss": 4, "test error": 4, "test loss": 3}
    places |= {"minimum sharpness": 1, "rise by an ascent": 4}
    return table.rename_axis(list(KEY.values())).round(places)


def _column(of: Curve, share: float) -> Float[np.ndarray, " seeds"]:
    """One time of a curve; no seeds if it has not that time."""
    near = np.isclose(places(of), share)
    return of.to_numpy(float)[:, near].ravel()
