"""What differs between two snapshots of a node, in the words of the declaration."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from headrace.types import duration_text

_LONGEST = 80
_CODE = ("fit", "baseline")
_TYPES = re.compile(r":[a-z]+(?:\([\d,]*\))?(?:\[[^\]]*\])?(?: \| None)?")
"""Types and bounds that ``plan.snapshot`` adds to each name in an expression; they follow from the contract."""
_DERIVED = ("lineage", "metric_params")
"""Parts of a meaning that follow from others: to tell them would be to tell the same change twice."""


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what differs between two nodes as ``plan.snapshot`` gives them, each as ``part: old -> new``.

    Example:
        >>> was = {"owner": "a", "meaning": {"lateness": "1h"}}
        >>> differences(was, {"owner": "a", "meaning": {"lateness": "2h"}})
        ['lateness: 1h -> 2h']
    """
    said = list(_parts(_readable(old), _readable(new), ""))
    return said or ["types of what it reads"]


def _readable(node: Mapping[str, Any]) -> dict[str, Any]:
    meaning = {key: value for key, value in node.get("meaning", {}).items() if key not in _DERIVED}
    for key, named in _NAMED.items():
        if isinstance(meaning.get(key), list | Mapping):
            meaning[key] = named(meaning[key])
    return {"owner": node.get("owner", ""), **meaning}


def _features(features: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _feature(said) for name, said in features.items()}


def _feature(said: Any) -> Any:
    """Give the places of a windowed aggregate their names."""
    if not (isinstance(said, list) and len(said) == 3 and isinstance(said[2], list) and len(said[2]) == 6):
        return said
    source, keys, (kind, value, where, params, current, (length, delay, hop)) = said
    named = {"source": source, "by": ", ".join(keys), "aggregate": kind, "value": value, "where": where}
    named |= {"window": _duration(length), "delay": _duration(delay), "hop": _duration(hop)}
    return named | {"include_current": current} | {str(key): setting for key, setting in params}


def _label(said: list[Any]) -> dict[str, Any]:
    source, on, value, matures, default = said
    return {"source": source, "on": ", ".join(on), "value": value, "matures": _duration(matures), "default": default}


def _gates(said: list[Any]) -> dict[str, Any]:
    return {" ".join(str(word) for word in (kind, metric) if word): bound or "set" for kind, metric, bound in said}


_NAMED: dict[str, Callable[[Any], Any]] = {"features": _features, "label": _label, "gates": _gates, "decide": dict}


def _duration(us: int | None) -> str:
    return "lifetime" if us is None else duration_text(us) if us else "none"


def _parts(old: object, new: object, path: str) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*old, *new)):
            inner = f"{path}.{key}" if path else str(key)
            if key not in new:
                yield f"{inner}: removed"
            elif key not in old:
                yield f"{inner}: added{_told(new[key])}"
            else:
                yield from _parts(old[key], new[key], inner)
    elif old == new:
        return
    elif isinstance(old, list) and isinstance(new, list) and not any(isinstance(one, list) for one in (*old, *new)):
        yield from _members(old, new, path)
    elif path in _CODE:
        yield f"{path}: its code changed"
    elif _untyped(old) != _untyped(new):
        yield f"{path}: {_short(old)} -> {_short(new)}"


def _members(old: list[Any], new: list[Any], path: str) -> Iterator[str]:
    said = [f"+ {one}" for one in new if one not in old] + [f"- {one}" for one in old if one not in new]
    yield f"{path}: {_short(', '.join(said))}" if said else f"{path}: another order"


def _told(value: object) -> str:
    if isinstance(value, Mapping):
        value = ", ".join(f"{key} {one}" for key, one in value.items() if one not in (None, "", "none", False))
    return f" ({_short(value)})"


def _untyped(value: object) -> str:
    return _TYPES.sub("", str(value))


def _short(value: object) -> str:
    text = "nothing" if value is None or value == "" else _untyped(value).replace("\n", " ")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
