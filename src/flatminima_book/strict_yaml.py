"""YAML that refuses a key given twice, of which PyYAML would keep the last."""

from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise ValueError(f"line {line}: {key.value} is given twice")
            seen.add(key.value)
        return dict(super().construct_mapping(node, deep))


def load(text: str) -> Any:
    """Read a YAML document.

    Raises:
        ValueError: A mapping has a key twice; names it and its line.
        yaml.YAMLError: It is not YAML.
    """
    return yaml.load(text, Loader=_Loader)
