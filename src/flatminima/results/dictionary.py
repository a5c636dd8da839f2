"""What each field of a committed run holds, for readers who take the data away."""

import importlib
import inspect
import pkgutil
import re
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources

import yaml

import flatminima.runs

ROW = {
    "module": "the engine that ran it",
    "config": "all that the run depends on, seeds included",
    "rule": "name of what drives it",
    "engine": "digest of the source of the modules that it imports",
    "libraries": "versions of the libraries that it ran with",
    "provenance": "date, seconds, threads and the name of its device, which "
    "`devices.json` explains",
    "diverged_at": "updates before the first number that is not finite, or null",
    "history": "what was measured, a list for each column, an entry for each time",
    "summary": "numbers of the final weights, where a kind keeps some",
    "sensitivity": "change of a rerun from a start that differs in the last bit",
    "tolerance": "how far a rerun may be off; null where runs are compared as a group",
    "checksum": "digest of all the rest of the row",
}
"""The keys of a row of `results/*.jsonl`."""

ATTRIBUTE = re.compile(r"^ {8}(\w+(?:,\s+\w+)*): (.*(?:\n {9,}\S.*)*)", re.MULTILINE)


@cache
def measured() -> dict[str, str]:
    """What each column of a history holds; a star in a name stands for any text."""
    text = resources.files("flatminima.results").joinpath("columns.yml")
    return dict(yaml.safe_load(text.read_text("utf8")))


def meaning(column: str) -> str:
    """What a column of a history holds; empty if nobody has said.

    >>> meaning("rise_16_0.1") == meaning("rise_*") != ""
    True
    """
    every = measured()
    if column in every:
        return every[column]
    return next((m for p, m in every.items() if fnmatchcase(column, p)), "")


def configs() -> dict[str, dict[str, str]]:
    """What the fields of every kind of config hold, by the engine that takes it.

    They come from the docstrings of the classes.

    Returns:
        By engine, without `flatminima.runs.`; the fields of a base class first.
    """
    found: dict[str, dict[str, str]] = {}
    for part in pkgutil.iter_modules(flatminima.runs.__path__):
        if not part.ispkg:
            continue
        module = importlib.import_module(f"flatminima.runs.{part.name}.config")
        for _, kind in inspect.getmembers(module, inspect.isclass):
            engine = vars(kind).get("engine")
            if kind.__module__ == module.__name__ and isinstance(engine, str):
                name = engine.removeprefix("flatminima.runs.")
                found[name] = _fields(kind)
    return found


def _fields(kind: type) -> dict[str, str]:
    told: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        for names, text in ATTRIBUTE.findall(_attributes(each.__dict__.get("__doc__"))):
            for name in re.split(r",\s+", names):
                told[name] = " ".join(text.split())
    fields: list[str] = list(getattr(kind, "model_fields", {}))
    return {name: told.get(name, "") for name in fields}


def _attributes(doc: str | None) -> str:
    """The section of the attributes in a docstring."""
    _, _, section = (doc or "").partition("Attributes:\n")
    return re.split(r"^ {4}\w+:$", section, maxsplit=1, flags=re.MULTILINE)[0]
