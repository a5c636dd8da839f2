"""The dataclasses of a package, which nobody may change once they are made."""

import dataclasses
import importlib
import pkgutil
from types import ModuleType


def records(package: ModuleType) -> list[type]:
    """All dataclasses that its modules define."""
    found = []
    for each in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        module = importlib.import_module(each.name)
        found += [
            kind
            for kind in vars(module).values()
            if isinstance(kind, type)
            and dataclasses.is_dataclass(kind)
            and kind.__module__ == each.name
        ]
    return found


def can_be_changed(kind: type) -> bool:
    """Whether a field of it can be given another value."""
    one = object.__new__(kind)
    try:
        setattr(one, dataclasses.fields(kind)[0].name, None)
    except dataclasses.FrozenInstanceError:
        return False
    return True
