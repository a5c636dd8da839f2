"""The claims file is complete, and its numbers are those of the book's method.

Thresholds are written out here again, so an edit that moves one shows.
"""

from collections import Counter
from pathlib import Path

import yaml

from flatminima.claims.register import load
from flatminima.runs.mlp import measures, problem
from flatminima.runs.mlp.config import Config

ROOT = Path(__file__).parents[1]


def read_file() -> dict:
    return yaml.safe_load((ROOT / "src/flatminima/claims.yml").read_text("utf8"))


def chapters() -> set[str]:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))
    files = [c["file"] for part in toc["parts"] for c in part["chapters"]]
    return {Path(name).name for name in [toc["root"], *files]}


def test_thresholds_are_those_of_the_method():
    thresholds, _ = load()
    assert thresholds.model_dump() == {
        "level": 0.95,
        "high": 0.95,
        "almost": 0.90,
        "low": 0.90,
        "bound_ratio": 1.05,
        "interpolates": 1e-2,
        "min_seeds": 10,
        "max_diverged": 1 / 5,
        "resamples": 9999,
    }


def test_interpolation_means_the_same_in_training():
    assert load()[0].interpolates == measures.NEAR_INTERPOLATION


def test_every_claim_is_complete_and_in_its_chapter():
    entries = read_file()["claims"]
    counts = Counter(entry["id"] for entry in entries)
    assert [name for name, count in counts.items() if count > 1] == []
    _, loaded = load()
    assert list(loaded) == list(counts)
    for claim in loaded.values():
        assert claim.chapter in chapters()
        text = (ROOT / f"book/{claim.chapter}.md").read_text("utf8")
        assert f'"{claim.id}"' in text
        assert claim.source.strip()
        assert claim.statement.strip().endswith(".")
        if claim.rule.kind == "not testable":
            assert claim.rule.reason
    of_slides = [c for c in loaded.values() if c.source.startswith("000: ")]
    assert len(of_slides) >= 16


def test_tables_name_claims():
    _, loaded = load()
    for table in read_file()["tables"]:
        for row in table["rows"]:
            assert len(row["cells"]) == len(table["columns"])
            assert set(row["cells"]) <= set(loaded)


MADE_IN_CHAPTERS = {"memorising", "alignment", "as_predicted"}


def test_shares_are_of_columns_that_training_measures():
    config = Config(architecture="bias", d=3, n=4, width=3)
    columns = measures.measure(config, problem.initial_state(config))
    for claim in load()[1].values():
        if claim.rule.kind == "share":
            assert claim.rule.metric in {*columns, *MADE_IN_CHAPTERS}
