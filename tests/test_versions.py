"""One version, told the same everywhere, and a log that knows it."""

import re
import tomllib
from pathlib import Path

import yaml

import flatminima

ROOT = Path(__file__).parents[1]
LOG = (ROOT / "CHANGELOG.md").read_text("utf8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]


def test_all_places_name_the_same_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf8"))
    assert flatminima.__version__ == PROJECT["version"] == citation["version"]


def test_the_log_has_versions_from_new_to_old_and_this_one_is_the_newest():
    found = re.findall(r"(?m)^## (\d+)\.(\d+)\.(\d+)$", LOG)
    versions = [tuple(map(int, each)) for each in found]
    assert versions == sorted(set(versions), reverse=True)
    assert versions[0] == tuple(map(int, PROJECT["version"].split(".")))


def test_the_readme_links_the_log():
    assert "(CHANGELOG.md)" in (ROOT / "README.md").read_text("utf8")
