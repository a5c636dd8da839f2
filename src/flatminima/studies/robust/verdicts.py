"""Do verdicts of a scenario stay what they are when one thing is varied?"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from flatminima.claims import decide
from flatminima.claims.register import load
from flatminima.claims.report import Verdict, few_seeds_note
from flatminima.studies.robust.runs import BASE, RULES, label
from flatminima.sweeps.table import SEEDS

VERDICTS = {
    "no_bias": {
        "generalises": "table-no-bias-sam",
        "attains": "s1-sam-attains",
        "beats SGD": "s1-sam-beats-sgd",
    },
    "bias": {
        "generalises": "table-bias-sam",
        "attains": "s2-sam-attains",
        "beats SGD": "s2-sam-beats-sgd",
    },
    "sim_ln": {
        "generalises": "table-ln-sam",
        "attains": "s3-sam-attains",
        "beats SGD": "s3-sam-beats-sgd",
    },
}
"""Claims of the scenarios' chapters whose rules are applied to every variation."""

SYMBOLS = {"holds": "✓", "partly": "≈", "fails": "✗", "undecided": "?"}


def words(table: pd.DataFrame) -> pd.DataFrame:
    """Verdict words of every variation, by the rules of the scenario's own claims.

    Args:
        table: of one architecture, from `run_variations`.

    Returns:
        Rows (field, factor), columns the keys of `VERDICTS[architecture]`.
    """
    ids = VERDICTS[table["architecture"].iloc[0]]
    found = {}
    for setting, rows in table.groupby(["field", "factor"], sort=False):
        sam, sgd = (rows[rows["rule"] == rule] for rule in RULES)
        found[setting] = {
            "generalises": decide.share(ids["generalises"], sam).verdict,
            "attains": decide.attains(ids["attains"], sam).verdict,
            "beats SGD": decide.beats(ids["beats SGD"], sam, sgd).verdict,
        }
    frame = pd.DataFrame.from_dict(found, orient="index")
    frame.index = pd.MultiIndex.from_tuples(frame.index, names=["field", "factor"])
    return frame


def survives(claim_id: str, table: pd.DataFrame, decided: pd.Series) -> Verdict:
    """Decide whether a verdict of the base is that of every variation.

    The effect is the share of variations that are decided otherwise. The claim fails
    if there is one, is undecided if the base or, without such a one, a variation is,
    and holds if all words are the same. Too few seeds decide nothing.

    Args:
        claim_id: a claim whose rule is of kind "exact", on that share.
        table: of one architecture, from `run_variations`.
        decided: a column of its `words`.
    """
    base, others = decided[BASE], decided.drop(BASE)
    other_words = others[(others != "undecided") & (others != base)]
    is_open = bool((others == "undecided").any())
    start = table[table["field"] == "base"]
    scale = f"{start['scale'].iloc[0]}, varied"
    share = np.array([len(other_words) / len(others)])
    verdict = decide.exact(claim_id, share, scale)
    notes = [f"base: {base}"]
    for word, settings in others[others != base].groupby(others):
        notes.append(f"{word}: {', '.join(label(*s) for s in settings.index)}")
    thresholds, known = load()
    needed = known[claim_id].rule.min_seeds or thresholds.min_seeds
    seeds = len(start[SEEDS].drop_duplicates())
    if seeds < needed:
        notes.append(few_seeds_note(seeds, needed))
    verdict = replace(verdict, n=len(others), note="; ".join(notes))
    if base == "undecided" or seeds < needed:
        return replace(verdict, verdict="undecided", effect=None)
    if verdict.verdict == "holds" and is_open:
        return replace(verdict, verdict="undecided")
    return verdict


def verdict_table(decided: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The words of several architectures side by side, as `SYMBOLS`.

    Args:
        decided: `words` by name of the architecture.
    """
    side = pd.concat(decided, axis=1).map(SYMBOLS.get)
    side.index = pd.Index([label(*setting) for setting in side.index])
    return side
