"""A device is kept once, and nothing passes for it that it was not."""

import json

import pytest

from flatminima.results import devices, grids
from flatminima.results.collecting import collect
from flatminima.results.reading import load
from flatminima.results.rows import BadResult
from flatminima.runs.mlp.config import Config
from flatminima.sweeps import provenance
from flatminima.sweeps.table import over_seeds

SMALL = Config(architecture="bias", d=4, n=5, width=4, num_steps=4, num_checkpoints=2)
HERE = {"kind": "cpu", "name": "Abacus 3", "features": "beads rods"}
THERE = HERE | {"features": "beads"}


@pytest.fixture
def path(tmp_path):
    """Two runs of one setting, committed."""
    collect(over_seeds([SMALL], 2), tmp_path / "small.jsonl")
    return tmp_path / "small.jsonl"


def the_device(path):
    """The file of the one device beside a file of runs."""
    (file,) = (path.parent / "devices").iterdir()
    return file


def change_lines(path, change):
    """Change the provenance of every line, its checksum left as it is."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        change(row["provenance"])
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_runs_of_one_device_name_it_and_are_read_with_it(path):
    told = json.loads(the_device(path).read_text())
    assert the_device(path).stem == devices.name_of(told)
    assert provenance.processor().items() <= told.items()
    assert told["features"] not in path.read_text()
    rows = load(path).rows
    assert [row["provenance"]["device"] for row in rows] == [told, told]


def test_a_row_folds_to_its_name_and_back():
    row = {"rule": "SGD", "provenance": {"device": HERE, "seconds": 1.0}}
    folded = devices.folded(row)
    assert folded["provenance"] == {"device": devices.name_of(HERE), "seconds": 1.0}
    assert devices.unfolded(folded, {devices.name_of(HERE): HERE}) == row
    assert row["provenance"]["device"] == HERE


def test_devices_that_differ_in_anything_have_two_names(tmp_path):
    devices.keep([HERE, THERE, HERE], tmp_path / "a.jsonl")
    devices.keep([THERE], tmp_path / "b.jsonl")
    found = devices.read(tmp_path / "c.jsonl")
    assert sorted(found) == sorted({devices.name_of(HERE), devices.name_of(THERE)})
    assert found[devices.name_of(THERE)] == THERE
    turned = dict(reversed(HERE.items()))
    assert devices.name_of(turned) == devices.name_of(HERE)
    assert {file.suffix for file in (tmp_path / "devices").iterdir()} == {".json"}


def test_a_device_that_was_altered_is_noticed(path):
    file = the_device(path)
    file.write_text(file.read_text().replace('"cpu"', '"gpu"'))
    with pytest.raises(BadResult, match=rf"{file.name}: not what its name says"):
        load(path)
    file.write_text("{")
    with pytest.raises(BadResult, match=rf"{file.name}: not readable"):
        load(path)


def test_a_run_does_not_pass_for_one_of_another_device(path):
    """Though the name is that of a device which is there."""
    devices.keep([HERE], path)
    change_lines(path, lambda about: about.update(device=devices.name_of(HERE)))
    with pytest.raises(BadResult, match="line 1: not what its checksum says"):
        load(path)


def test_a_device_that_is_lost_is_named(path):
    file = the_device(path)
    file.unlink()
    message = rf"line 1: its device is {file.stem}: must be one of devices/"
    with pytest.raises(BadResult, match=message):
        load(path)


@pytest.mark.parametrize("whole", [False, True])
def test_a_device_in_the_row_itself_is_refused(path, whole):
    told = json.loads(the_device(path).read_text()) if whole else 3
    change_lines(path, lambda about: about.update(device=told))
    with pytest.raises(BadResult, match="line 1: its device is no name"):
        load(path)


def test_lines_join_a_file_with_their_devices(path, tmp_path):
    new = tmp_path / "elsewhere" / "new.jsonl"
    collect(over_seeds([SMALL], 3), new)
    other = tmp_path / "other" / "kept.jsonl"
    assert grids.merge(other, new) == 3
    assert len(load(other).rows) == 3
