"""YAML that refuses a key given twice, of which PyYAML would keep the last."""

from copy import deepcopy
from functools import lru_cache
from typing import Any

import yaml

FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The same loader, in C where PyYAML was built with it."""


class _Strict:
    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                line = key.start_mark.line + 1
                raise ValueError(f"line {line}: {key.value} is given twice")
            seen.add(key.value)
        return dict(super().construct_mapping(node, deep))  # type: ignore[misc]


def load(text: str, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> Any:
    """Read a YAML document.

    Args:
        text: The document.
        loader: Which scalars are numbers, dates and the like.

    Raises:
        ValueError: It is no YAML, or a mapping has a key twice; names the line.
    """
    return deepcopy(_parsed(text, loader))


@lru_cache(maxsize=1024)
def _parsed(text: str, loader: type[yaml.SafeLoader]) -> Any:
    """The same for all who ask: checks read the files of a book many times."""
    if loader is yaml.SafeLoader:
        try:
            return yaml.load(text, Loader=type("Loader", (_Strict, FAST), {}))
        except yaml.YAMLError:
            pass  # the other says better what is wrong
    try:
        return yaml.load(text, Loader=type("Loader", (_Strict, loader), {}))
    except yaml.YAMLError as error:
        raise ValueError(f"no YAML: {' '.join(str(error).split())}") from error
