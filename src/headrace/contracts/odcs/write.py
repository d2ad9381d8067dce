"""Plain values as YAML, in their order and without aliases."""

from __future__ import annotations

import decimal
from collections.abc import Sequence
from typing import Any

from headrace.contracts.odcs.read import Unquoted

_TAG = "tag:yaml.org,2002:"


def yaml_text(documents: Sequence[Any]) -> str:
    """Return documents as YAML, each after ``---`` where there are several.

    Example:
        >>> print(yaml_text([{"id": "a", "version": "1.0", "tags": []}]), end="")
        id: a
        version: '1.0'
        tags: []
    """
    import yaml

    nodes = [_node(one) for one in documents]
    text: str = yaml.serialize_all(
        nodes, Dumper=yaml.SafeDumper, width=120, allow_unicode=True, explicit_start=len(nodes) > 1
    )
    return text


def _node(value: Any) -> Any:
    import yaml

    if isinstance(value, dict):
        return yaml.MappingNode(
            f"{_TAG}map", [(_node(key), _node(one)) for key, one in value.items()], flow_style=False
        )
    if isinstance(value, list | tuple):
        return yaml.SequenceNode(f"{_TAG}seq", [_node(one) for one in value], flow_style=False)
    if isinstance(value, Unquoted):
        text = str(value)
        return yaml.ScalarNode(yaml.resolver.Resolver().resolve(yaml.ScalarNode, text, (True, False)), text)
    if isinstance(value, decimal.Decimal):
        return yaml.ScalarNode(f"{_TAG}float", f"{value:f}")
    node = yaml.representer.SafeRepresenter().represent_data(value)
    if isinstance(value, str) and not value.isprintable():
        node.style = "|" if value.replace("\n", "").isprintable() else '"'
    return node
