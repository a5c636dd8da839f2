"""What the runs say: settings chosen on some seeds, and accuracies of the others."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from flatminima.sources.reading_group import TUNING
from flatminima.statistics.tuning import best, ends_of, mean_of, of_seeds, without_seeds
from flatminima.studies.noise_and_finetuning.runs import NOISY, SHARES
from flatminima.sweeps.table import SEEDS, at_step

ACCURACY = ["test_accuracy"]
RULES = ("plain", "weight decay", "SAM")
ALONG = {"plain": "rho", "weight decay": "weight_decay", "SAM": "rho"}
"""The column that a rule is tuned along; plain training has one value of it."""

LATE_ARMS = ("plain", "plain, longer", "SAM at last", "SAM")


@dataclass(frozen=True)
class Choice:
    """What the tuning seeds chose.

    Attributes:
        share: of wrong labels.
        rule: one of `RULES`.
        value: of the radius or the decay; NaN if nothing was run.
        step: at which training stops; None for its end.
    """

    share: float
    rule: str
    value: float
    step: int | None


def from_the_start(table: pd.DataFrame, share: float, rule: str) -> pd.DataFrame:
    """The runs of a rule on a share of wrong labels, all values and seeds."""
    rows = table[
        (table["label_noise"] == share)
        & (table["sam_from"] == 0)
        & (table["num_epochs"] == table["num_epochs"].min())
    ]
    sam, decays = rows["rho"] > 0, rows["weight_decay"] > 0
    chosen = {"plain": ~sam & ~decays, "weight decay": decays, "SAM": sam}[rule]
    return rows[chosen]


def choose(
    table: pd.DataFrame, share: float, rule: str, *, stopped: bool = False
) -> Choice:
    """The best value of a rule, and with `stopped` the best epoch with it.

    Args:
        table: all runs, of which those with the seeds of `TUNING` choose.
        share: of wrong labels.
        rule: one of `RULES`.
        stopped: whether any row of a run may be its end, but for its start.
    """
    along = ALONG[rule]
    rows = of_seeds(from_the_start(table, share, rule), TUNING)
    if not stopped:
        return Choice(share, rule, best(rows[rows["last"]], [along])[0], None)
    value, step = best(rows[rows["step"] > 0], [along, "step"])
    return Choice(share, rule, value, None if np.isnan(step) else int(step))


def runs_of(table: pd.DataFrame, choice: Choice) -> pd.DataFrame:
    """All rows of what was chosen, of the seeds that are compared."""
    rows = from_the_start(table, choice.share, choice.rule)
    return without_seeds(rows[rows[ALONG[choice.rule]] == choice.value], TUNING)


def outcome(table: pd.DataFrame, choice: Choice) -> pd.DataFrame:
    """A row a seed: where what was chosen ends, or stops."""
    rows = runs_of(table, choice)
    kept = rows[rows["last"]] if choice.step is None else at_step(rows, choice.step)
    return ends_of(kept, ACCURACY)


def outcomes(table: pd.DataFrame, rule: str, *, stopped: bool = False) -> pd.DataFrame:
    """A row a seed: the mean over noisy shares of a rule, tuned for each."""
    return mean_of(
        [outcome(table, choose(table, share, rule, stopped=stopped)) for share in NOISY]
    )


def before_the_end(table: pd.DataFrame) -> pd.DataFrame:
    """As `outcomes` of SAM with the radius of the end, stopped where it is best.

    The epoch is chosen by the tuning seeds, among those before the last.
    """
    found = []
    for share in NOISY:
        end = choose(table, share, "SAM")
        rows = of_seeds(from_the_start(table, share, "SAM"), TUNING)
        rows = rows[(rows["rho"] == end.value) & (rows["step"] > 0) & ~rows["last"]]
        (step,) = best(rows, ["step"])
        early = None if np.isnan(step) else int(step)
        found.append(outcome(table, Choice(share, "SAM", end.value, early)))
    return mean_of(found)


def at_equal_loss(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Accuracies of SAM and of plain training at one training loss, means over shares.

    The loss is the larger of the two at the end of a seed's runs.
    """
    found: dict[str, list[pd.DataFrame]] = {"SAM": [], "plain": []}
    for share in NOISY:
        both = {rule: runs_of(table, choose(table, share, rule)) for rule in found}
        last = {
            rule: rows[rows["last"] & ~rows["diverged"]].set_index(SEEDS)
            for rule, rows in both.items()
        }
        losses = [rows["train_loss"] for rows in last.values()]
        levels = pd.concat(losses, axis=1, join="inner").max(axis=1)
        for rule, rows in both.items():
            curves: dict[Any, pd.DataFrame] = dict(iter(rows.groupby(SEEDS)))
            values = [at_loss(curves[seeds], level) for seeds, level in levels.items()]
            kept = last[rule].loc[levels.index].assign(test_accuracy=values)
            found[rule].append(ends_of(kept.reset_index(), ACCURACY))
    return mean_of(found["SAM"]), mean_of(found["plain"])


def at_loss(curve: pd.DataFrame, level: float) -> float:
    """Test accuracy where a run's training loss first falls to a level.

    Args:
        curve: rows of one run, which gets there.
        level: of the training loss; between two rows its logarithm counts.
    """
    curve = curve.sort_values("step")
    loss, accuracy = curve["train_loss"].to_numpy(), curve["test_accuracy"].to_numpy()
    after = int(np.argmax(loss <= level))
    if after == 0:
        return float(accuracy[0])
    ends = np.log(loss[[after, after - 1]])
    values = accuracy[[after, after - 1]]
    return float(np.interp(np.log(level), ends, values))


def gained(table: pd.DataFrame, share: float) -> pd.Series:
    """Accuracy of SAM minus that of plain training at the end, by seed."""
    sam, plain = (
        outcome(table, choose(table, share, rule)).set_index(SEEDS)
        for rule in ("SAM", "plain")
    )
    values = [
        rows["test_accuracy"].where(~rows["diverged"], 0) for rows in (sam, plain)
    ]
    return (values[0] - values[1]).dropna()


def grows(table: pd.DataFrame) -> np.ndarray:
    """By how much SAM gains more with the most wrong labels than with none, by seed."""
    more = gained(table, SHARES[-1]) - gained(table, SHARES[0])
    return more.dropna().to_numpy(float)


def finetuned(table: pd.DataFrame, share: float) -> dict[str, pd.DataFrame]:
    """Ends of a plain network that SAM trains on, and of what it is compared with.

    Args:
        table: all runs.
        share: of wrong labels.

    Returns:
        By the names of `LATE_ARMS`. The radius of SAM is tuned for each.
    """
    rows = table[(table["label_noise"] == share) & (table["weight_decay"] == 0)]
    rows = rows[rows["last"]]
    late = rows[rows["sam_from"] > 0]
    (rho,) = best(of_seeds(late, TUNING), ["rho"])
    longer = rows[rows["num_epochs"] > rows["num_epochs"].min()]
    return {
        "plain": outcome(table, choose(table, share, "plain")),
        "plain, longer": ends_of(without_seeds(longer, TUNING), ACCURACY),
        "SAM at last": ends_of(
            without_seeds(late[late["rho"] == rho], TUNING), ACCURACY
        ),
        "SAM": outcome(table, choose(table, share, "SAM")),
    }


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """A row a share and rule: what was chosen, and mean accuracies."""
    found = []
    for share in SHARES:
        for rule in RULES:
            end = choose(table, share, rule)
            stop = choose(table, share, rule, stopped=True)
            accuracies = [
                outcome(table, each)["test_accuracy"].mean() for each in (end, stop)
            ]
            last = outcome(table, end).reindex(columns=["train_accuracy"])
            rows = runs_of(table, stop)
            epochs = rows.loc[rows["step"] == (stop.step or -1), "epoch"].round()
            ends = end.value, float(last["train_accuracy"].mean()), accuracies[0]
            stops = stop.value, epochs.mean(), accuracies[1]
            found.append((share, rule, *ends, *stops))
    names = ["wrong labels", "rule", "radius or decay", "labels fitted"]
    names += ["accuracy at the end"]
    names += ["radius or decay, stopped", "epoch", "accuracy, stopped"]
    table = pd.DataFrame(found, columns=names).round(3)
    return table.astype({"epoch": "Int64"}).set_index(names[:2])


def live_arms(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The live runs: plain training, SAM, and SAM for the last epochs."""
    late, sam = table["sam_from"] > 0, table["rho"] > 0
    return {
        "plain": table[~sam],
        "SAM at last": table[late],
        "SAM": table[sam & ~late],
    }
