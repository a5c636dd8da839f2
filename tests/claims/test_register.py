"""The claims files are complete, and their numbers are those of the book's method.

Thresholds are written out here again, so an edit that moves one shows.
"""

from pathlib import Path

import pytest
import yaml

from flatminima.claims.register import load, read_claims
from flatminima.runs.mlp import measures, problem
from flatminima.runs.mlp.config import Config

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "src/flatminima/studies").glob("*/claims.yml"))


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
        "fits": 0.5,
        "min_seeds": 10,
        "max_diverged": 1 / 5,
        "resamples": 9999,
    }


def test_interpolation_means_the_same_in_training():
    assert load()[0].interpolates == measures.NEAR_INTERPOLATION


def test_every_claim_is_complete_and_in_its_chapter():
    entries = [e for file in FILES for e in yaml.safe_load(file.read_text("utf8"))]
    _, loaded = load()
    assert list(loaded) == [entry["id"] for entry in entries]
    assert len(loaded) > 180
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


def test_no_file_of_claims_is_long():
    lengths = {path.parent.name: len(path.read_text().splitlines()) for path in FILES}
    assert max(lengths.values()) <= 400, lengths


CLAIM = """
- id: {id}
  source: "000: Fig. 1"
  origin: source
  statement: It is flat.
  rule_fixed: before
  rule: {{kind: share}}
"""


def study(folder: Path, name: str, text: str) -> None:
    (folder / name).mkdir()
    (folder / name / "claims.yml").write_text(text)


def test_the_folder_of_a_claim_is_its_chapter(tmp_path):
    study(tmp_path, "two_three", CLAIM.format(id="two-b") + CLAIM.format(id="two-a"))
    study(tmp_path, "one", CLAIM.format(id="one-a"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "__init__.py").touch()
    found = read_claims(tmp_path)
    assert {name: claim.chapter for name, claim in found.items()} == {
        "one-a": "one",
        "two-b": "two-three",
        "two-a": "two-three",
    }
    assert list(found) == ["one-a", "two-b", "two-a"]


def test_one_id_in_two_files_is_refused_naming_both(tmp_path):
    for name in ("one", "two"):
        study(tmp_path, name, CLAIM.format(id="same"))
    place = tmp_path.name
    with pytest.raises(ValueError, match="claim same") as error:
        read_claims(tmp_path)
    line = f"{place}/two/claims.yml: claim same is also in {place}/one/claims.yml"
    assert str(error.value) == line


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("statement: It is flat.", "", "claim a: 1 validation error.*statement"),
        ("rule_fixed: before", "", "claim a: 1 validation error.*rule_fixed"),
        ("fixed: before", "fixed: later", "claim a: 1 validation error.*rule_fixed"),
        ("kind: share", "kind: share, min_seeds: 5", "claim a: .*why so few seeds"),
        ("kind: share", "kind: shared", "claim a: 1 validation error.*kind"),
        ("origin:", "chapter: one\n  origin:", "claim a: .*'chapter'"),
    ],
)
def test_an_entry_that_is_no_claim_is_refused_naming_its_file(
    tmp_path, old, new, message
):
    text = CLAIM.format(id="a")
    assert old in text
    study(tmp_path, "one", text.replace(old, new))
    with pytest.raises(ValueError, match=f"(?s)/one/claims.yml: {message}"):
        read_claims(tmp_path)


def test_tables_name_claims():
    _, loaded = load()
    text = (ROOT / "src/flatminima/claims/tables.yml").read_text("utf8")
    for table in yaml.safe_load(text)["tables"]:
        for row in table["rows"]:
            assert len(row["cells"]) == len(table["columns"])
            assert set(row["cells"]) <= set(loaded)


MADE_IN_CHAPTERS = {
    *("memorising", "alignment", "as_predicted", "arrived"),
    *("reached", "on_a_kink", "agrees"),
}


def test_shares_are_of_columns_that_training_measures():
    config = Config(architecture="bias", d=3, n=4, width=3)
    columns = measures.measure(config, problem.initial_state(config))
    for claim in load()[1].values():
        if claim.rule.kind == "share":
            assert claim.rule.metric in {*columns, *MADE_IN_CHAPTERS}
