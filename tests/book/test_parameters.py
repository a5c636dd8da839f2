"""Parameters that are asked for: every value is the one that papermill would take."""

import base64
import re
import shlex

import pytest
from papermill import cli

from flatminima_book.parameters import read_command_line, read_parameter_file

VALUES = [
    *("30", "010", "-1e-3", "1e-3", "1E3", ".5", "1_000", "0x10", "0o7", "1e1000"),
    *("None", "null", "~", "True", "true", "yes", "no", "off", "False"),
    *("nan", ".nan", "inf", "-inf", "-7", "+7", " 7 ", "7.0", "٣"),
    *("2020-01-02", "2020-13-45", "12:30:45", "1:30", "[6, 8]", "{a: 1}", "sam"),
    *("", "'7'", '"a b"', "a: b", "#", "-p", "--help", "é"),
]
TEXTS = [
    *("{v: 30, w: 010, x: 1e-3, y: 1.0e-3}", "v: 2020-01-02", "v: 2020-13-45"),
    *("v: [6, 8.5, [1e3, null]]", "v: no\nw: 'no'", "v: 12:30:45", "v: 0x1F", ""),
    *("v: .nan\nw: -.inf", "{v: {a: 1}}", "v: &a [1]\nw: *a", "v: !!str 7", "1: 2"),
]


class Taken(Exception):
    """What papermill's own command would have run with."""


def of_papermill(words, monkeypatch) -> dict:
    """The parameters that papermill itself makes of some words."""

    def execute(*_, parameters, **__):
        raise Taken(parameters)

    monkeypatch.setattr(cli, "execute_notebook", execute)
    with pytest.raises(Taken) as taken:
        cli.papermill.main(["in.ipynb", "out.ipynb", *words], standalone_mode=False)
    return taken.value.args[0]


def same(words, monkeypatch) -> dict:
    """What the press makes of words, if it is what papermill makes of them."""
    name, ours = read_command_line(["two", *words])
    assert name == "two"
    theirs = of_papermill(words, monkeypatch)
    assert repr(ours) == repr(theirs)  # 1, 1.0 and True are equal, nan is not
    return ours


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("option", ["-p", "--parameters", "-r", "--parameters_raw"])
def test_a_value_is_what_papermill_takes_it_for(option, value, monkeypatch):
    assert list(same([option, "v", value], monkeypatch)) == ["v"]


@pytest.mark.parametrize("text", TEXTS)
def test_yaml_is_what_papermill_takes_it_for(text, tmp_path, monkeypatch):
    path = tmp_path / "p.yml"
    path.write_text(text, "utf8")
    coded = base64.b64encode(text.encode()).decode()
    found = [same(w, monkeypatch) for w in (["-y", text], ["-b", coded])]
    found.append(same(["-f", str(path)], monkeypatch))
    assert repr(found[0]) == repr(found[1]) == repr(found[2])


def test_options_overrule_each_other_as_papermills_do(tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / f"{name}.yml").write_text(f"a: {name}\nb: {name}\nc: {name}\n")
    coded = base64.b64encode(b"{a: coded, z: coded}").decode()
    words = ["-r", "e", "raw", "-p", "d", "1", "-p", "e", "2", "-y", "{c: 3, d: 4}"]
    words += ["-f", str(tmp_path / "one.yml"), "-f", str(tmp_path / "two.yml")]
    words += ["-p", "d", "5", "-y", "{b: 6}", "-b", coded]
    found = same(words, monkeypatch)
    assert found == {"a": "two", "z": "coded", "b": 6, "c": 3, "d": 5, "e": "raw"}


def test_the_name_may_stand_anywhere():
    assert read_command_line(["-p", "d", "-4", "two"]) == ("two", {"d": -4})
    assert read_command_line(["two"]) == ("two", {})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "Missing argument 'NAME'"),
        ("two -p d", "Option '-p' requires 2 arguments"),
        ("two three", "Got unexpected extra argument (three)"),
        ("two --kernel other", "No such option"),
        ("two -y '[1, 2]'", "-y '[1, 2]': not a mapping of parameter names"),
        ("two -y '{a: [1'", "-y '{a: [1': no YAML: while parsing a flow"),
        ("two -y '{a: 1, a: 2}'", "-y '{a: 1, a: 2}': line 1: a is given twice"),
        ("two -b a", "-b a: "),
        ("two -b //8=", "-b //8=: "),
        ("two -f none.yml", "no parameter file none.yml"),
    ],
)
def test_words_that_cannot_be_understood_are_refused(line, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        read_command_line(shlex.split(line))


def test_help_names_papermills_options(capsys):
    with pytest.raises(SystemExit) as ended:
        read_command_line(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for option in ("-p", "-r", "-f", "-y", "-b"):
        assert f"{option}, --parameters" in said


def test_a_parameter_file_must_be_a_mapping(tmp_path):
    path = tmp_path / "p.yml"
    with pytest.raises(ValueError, match="no parameter file"):
        read_parameter_file(path)
    path.write_text("- 1\n")
    with pytest.raises(ValueError, match=r"p.yml: not a mapping"):
        read_parameter_file(path)
    path.write_text("d: 3\nn: 4\nd: 5\n")
    with pytest.raises(ValueError, match=r"p.yml: line 3: d is given twice"):
        read_parameter_file(path)
    path.write_text("d: [3\n")
    with pytest.raises(ValueError, match=r"p.yml: no YAML: .*line 2"):
        read_parameter_file(path)
    path.write_bytes(b"d: \xff\n")
    with pytest.raises(ValueError, match=r"p.yml: .*can't decode"):
        read_parameter_file(path)
    path.write_text("d: 3\n")
    assert read_parameter_file(path) == {"d": 3}
