"""How a stream or table is loaded, as custom properties: what of a declaration is no promise to others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.contracts.odcs.fields import custom, set_custom
from headrace.declare import Stream, Table

_PROMISES = ("lateness",)
"""What readers rely on, written into any document; the rest only into ours, and where it stands already."""
_WORDS: dict[str, tuple[type, ...]] = {
    "lateness": (str,),
    "source": (str,),
    "columns": (dict,),
    "query": (str,),
    "load": (str,),
    "history": (bool, str),
    "incremental": (bool,),
    "refresh": (str,),
}


def usual_source(name: str) -> str:
    """Return where a stream or table is read from that does not say it."""
    return f"data/{name}*"


def set_loading(one: dict[str, Any], node: Stream | Table, own: bool) -> None:
    """Say in an object how its stream or table is loaded.

    Args:
        one: the object; changed in place.
        node: what it is.
        own: whether the document is ours.
    """
    for word in _WORDS:
        value = _value(node, word)
        if own or word in _PROMISES or custom(one, word) is not None:
            set_custom(one, word, value)


def _value(node: Stream | Table, word: str) -> Any:
    """A word as it is declared, None where it is as usual; addresses may hold what is for nobody else."""
    if word == "source":
        return node.files if node.files != usual_source(node.name) else None
    if word == "columns":
        return dict(node.columns)
    return getattr(node, word, None)


def loading(one: Mapping[str, Any], stream: bool) -> dict[str, Any]:
    """Return what an object says of its loading, as arguments of a stream or table.

    Example:
        >>> loading({"customProperties": [{"property": "lateness", "value": "2h"}]}, stream=True)
        {'lateness': '2h'}
    """
    known = ("lateness", "source", "columns", "refresh") if stream else [word for word in _WORDS if word != "lateness"]
    said = {word: custom(one, word) for word in known}
    return {word: value for word, value in said.items() if value and isinstance(value, _WORDS[word])}
