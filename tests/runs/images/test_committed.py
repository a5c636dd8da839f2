"""Committed runs on images: what they keep, and where they cannot be run again."""

import json

from flatminima.data.images.load import images
from flatminima.results.collecting import collect
from flatminima.results.verifying import verify
from flatminima.runs.images import train
from flatminima.runs.images.config import ImageConfig
from flatminima.runs.kind import input_files

SMALL = {
    **{"n": 60, "test_n": 30, "size": 8, "width": 2, "batch": 20},
    **{"num_epochs": 1, "sharpness_n": 20},
}


def test_the_data_s_content_is_committed_and_joins_the_key(store, tmp_path, capsys):
    config = ImageConfig(**SMALL)
    path = tmp_path / "images.jsonl"
    collect([config], path)
    (row,) = map(json.loads, path.read_text().splitlines())
    told = bytes(row["summary"]["data_sha256"]).hex()
    assert told == images("fashion_mnist_subset").sha256
    assert row["tolerance"] is None
    assert verify([path], 1, 0) == []
    assert "running 1 again" in capsys.readouterr().out


def test_what_cannot_be_run_here_is_counted_with_the_reason(
    store, tmp_path, monkeypatch, capsys
):
    path = tmp_path / "images.jsonl"
    collect([ImageConfig(**SMALL), ImageConfig(**SMALL, init_seed=1)], path)
    monkeypatch.setattr(train, "lacking", lambda config: "there is no GPU")
    assert verify([path], 1, 0) == []
    said = capsys.readouterr().out
    assert "not run again, 2 rows: there is no GPU" in said
    assert "running 0 again" in said


def test_it_says_what_it_lacks(tmp_path, monkeypatch):
    monkeypatch.setenv("FLATMINIMA_DATA", str(tmp_path))
    monkeypatch.setattr("flatminima.data.images.load.kept_folder", lambda: tmp_path)
    whole = ImageConfig(**(SMALL | {"data": "fashion_mnist"}))
    assert "fashion_mnist is not there" in train.lacking(whole)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert train.lacking(ImageConfig(**SMALL, device="cuda")) == "there is no GPU"
    assert train.lacking(ImageConfig(**SMALL)) == ""


def test_a_library_s_optimiser_joins_the_key():
    names = {
        name: [path.name for path in input_files(ImageConfig(optimiser=name))][1:]
        for name in ("adam", "adabound", "adashift")
    }
    assert names == {
        **{"adam": [], "adabound": ["adabound.py"], "adashift": ["adashift.py"]}
    }
