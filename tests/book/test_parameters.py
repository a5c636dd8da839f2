"""Parameters: the cell is read as it is written, unknown names are refused."""

import pytest

from flatminima_book.chapter import check_injected, start
from flatminima_book.parameters import (
    assigned_names,
    parse_parameters,
    parse_value,
    read_parameter_file,
    refuse_unknown,
)

CELL = "d = 30  # input dimension\nrates = (0.1, 0.2)  # learning rates\n"
SETUP = "import sys"


def test_a_line_gives_name_default_text_and_meaning():
    d, rates = parse_parameters(CELL)
    assert (d.name, d.default, d.text, d.meaning) == ("d", 30, "30", "input dimension")
    assert rates.default == [0.1, 0.2]
    assert rates.text == "(0.1, 0.2)"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("d = 30", "line 1: d needs a comment"),
        ("d = f(3)  # what", "line 1: d is not a plain literal"),
        ("d = 1  # a\nimport os  # b", "line 2 is not of the form"),
        ("a = b = 1  # both", "line 1 is not of the form"),
    ],
)
def test_anything_but_a_commented_literal_is_refused(source, message):
    with pytest.raises(ValueError, match=message):
        parse_parameters(source)


def test_an_unknown_name_is_refused_with_its_value_and_the_allowed_names():
    with pytest.raises(ValueError, match="seed = 3; this chapter takes: d, rates"):
        refuse_unknown({"d": 1, "seed": 3}, ["d", "rates"])


def test_start_refuses_what_papermill_injects():
    with pytest.raises(ValueError, match=r"unknown parameter seed = 3;.*: d, rates"):
        check_injected([SETUP, CELL, "# Parameters\nseed = 3\n", "chapter.start()"])


@pytest.mark.parametrize(
    "history",
    [
        [],
        [SETUP, CELL, "chapter.start()"],
        [SETUP, CELL, '# Parameters\nd = 3\nrates = float("nan")\n', "chapter.start()"],
        ["# Parameters\nseed = 3\n"],  # nothing to compare with
    ],
)
def test_start_accepts_known_names_and_odd_histories(history):
    check_injected(history)


def test_start_does_nothing_outside_a_notebook():
    start()


def test_only_a_cell_of_assignments_is_a_parameters_cell():
    assert assigned_names("a = 1\nb: int = 2") == ["a", "b"]
    for source in ("import os", "a.b = 1", "%pip install x", "", "a, b = 1, 2"):
        assert assigned_names(source) is None


def test_values_on_the_command_line_are_yaml():
    assert parse_value("3") == 3
    assert parse_value("[1, 2]") == [1, 2]
    assert parse_value("sam") == "sam"


def test_a_parameter_file_must_be_a_mapping(tmp_path):
    path = tmp_path / "p.yml"
    with pytest.raises(ValueError, match="no parameter file"):
        read_parameter_file(path)
    path.write_text("- 1\n")
    with pytest.raises(ValueError, match="not a mapping"):
        read_parameter_file(path)
    path.write_text("d: 3\nn: 4\nd: 5\n")
    with pytest.raises(ValueError, match=r"p.yml: line 3: d is given twice"):
        read_parameter_file(path)
    path.write_text("d: 3\n")
    assert read_parameter_file(path) == {"d": 3}
