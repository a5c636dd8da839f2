"""Parameters that somebody asks for: from papermill's options and files."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flatminima_book import strict_yaml

OPTIONS = (
    "parameters",
    "parameters_raw",
    "parameters_file",
    "parameters_yaml",
    "parameters_base64",
)
"""papermill's options that give parameters, by its own names."""


def as_data(value: Any) -> Any:
    """Plain data equal under YAML: tuples become lists, keys stay."""
    if isinstance(value, (list, tuple)):
        return [as_data(item) for item in value]
    if isinstance(value, dict):
        return {key: as_data(item) for key, item in value.items()}
    return value


def read_parameter_file(path: Path) -> dict[str, Any]:
    """Read a papermill parameter file.

    Args:
        path: A YAML mapping of names to values.

    Returns:
        The mapping, with the values that papermill would read.

    Raises:
        ValueError: The file is missing, is no YAML, holds no mapping or gives a name
            twice.
    """
    if not path.is_file():
        raise ValueError(f"no parameter file {path}")
    try:
        text = path.read_text("utf8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from error
    return _mapping(text, str(path))


def read_command_line(words: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Read the name of a chapter and papermill's options that give parameters.

    papermill's own command line splits the words, so that in ``-p lr -1e-3`` the
    second is a value and no option. Its own functions make values of them, and they
    overrule each other in its own order: ``-b``, ``-f``, ``-y``, ``-p``, ``-r``.

    Args:
        words: Such as ``["scenario-2", "-p", "d", "40"]``.

    Returns:
        The name, and values by name.

    Raises:
        ValueError: The words cannot be understood, or a text or file is no mapping.
        SystemExit: Help was asked for, and is printed.
    """
    # papermill takes a second to import, and other commands read no parameters
    import click
    from papermill import cli

    taken = [option for option in cli.papermill.params if option.name in OPTIONS]
    command = click.Command(
        "chapter",
        params=[click.Argument(["name"]), *taken],
        help="Execute one chapter, under parameters that are read as papermill's.",
    )
    try:
        context = command.make_context("flatminima_book chapter", list(words))
    except click.exceptions.Exit as ended:
        raise SystemExit(ended.exit_code) from None
    except click.ClickException as error:
        raise ValueError(error.format_message()) from None
    asked = context.params
    found: dict[str, Any] = {}
    for text in asked["parameters_base64"]:
        found |= _mapping(_decoded(text), f"-b {text}")
    for name in asked["parameters_file"]:
        found |= read_parameter_file(Path(name))
    for text in asked["parameters_yaml"]:
        found |= _mapping(text, f"-y {text!r}")
    for name, text in asked["parameters"]:
        found[name] = cli._resolve_type(text)
    for name, text in asked["parameters_raw"]:
        found[name] = text
    return asked["name"], found


def _mapping(text: str, where: str) -> dict[str, Any]:
    from papermill.iorw import NoDatesSafeLoader

    try:
        data = strict_yaml.load(text, NoDatesSafeLoader) or {}
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    if not isinstance(data, dict):
        raise ValueError(f"{where}: not a mapping of parameter names to values")
    return data


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode("utf8")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(f"-b {text}: {error}") from error
