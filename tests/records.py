"""What holds of all that a package offers: its records, and how it is called."""

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import FunctionType, ModuleType


def _offered(package: ModuleType) -> Iterator[object]:
    """What its modules define themselves."""
    for each in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        for value in vars(importlib.import_module(each.name)).values():
            if getattr(value, "__module__", None) == each.name:
                yield value


def records(package: ModuleType) -> list[type]:
    """All dataclasses that its modules define."""
    return [
        kind
        for kind in _offered(package)
        if isinstance(kind, type) and dataclasses.is_dataclass(kind)
    ]


def unnamed(package: ModuleType) -> list[str]:
    """Arguments of its functions that a call cannot give by name."""
    return [
        f"{function.__name__}: {name}"
        for function in _offered(package)
        if isinstance(function, FunctionType)
        for name, argument in inspect.signature(function).parameters.items()
        if argument.kind is argument.POSITIONAL_ONLY
    ]


def can_be_changed(kind: type) -> bool:
    """Whether a field of it can be given another value."""
    one = object.__new__(kind)
    try:
        setattr(one, dataclasses.fields(kind)[0].name, None)
    except dataclasses.FrozenInstanceError:
        return False
    return True
