"""What differs between two snapshots of a node, in the words of the declaration where both have them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from headrace.types import duration_text

_LONGEST = 80
_AROUND = 20
"""Characters shown before the place from which two long texts differ."""
_CODE = ("fit", "baseline")
_TYPES = re.compile(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|:[a-z]+(?:\([\d,]*\))?(?: \| None)?(?:\[[^\]]*\])?""")
"""Types and bounds that ``plan.snapshot`` adds to each name and, to be let be, constants that look like them."""
_UNSAID = {"severity": "reject", "load": "append", "history": False}
"""What holds where nothing is said."""
_DERIVED = ("lineage", "metric_params")
"""Parts of a meaning that follow from others: to tell them would be to tell the same change twice."""


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what differs between two nodes as ``plan.snapshot`` gives them, each as ``part: old -> new``.

    Example:
        >>> was = {"owner": "a", "meaning": {"lateness": "1h"}}
        >>> differences(was, {"owner": "a", "meaning": {"lateness": "2h"}})
        ['lateness: 1h -> 2h']
    """
    words = (old.get("words", {}), new.get("words", {}))
    said = list(_parts(_readable(old), _readable(new), "", words))
    return said or ["types of what it reads"]


def _readable(node: Mapping[str, Any]) -> dict[str, Any]:
    meaning = {key: value for key, value in node.get("meaning", {}).items() if key not in _DERIVED}
    for key, named in _NAMED.items():
        if isinstance(meaning.get(key), list | Mapping):
            meaning[key] = named(meaning[key])
    if meaning.get("where") is not None:
        meaning["where"] = _untyped(meaning["where"])
    meaning.setdefault("promises", {})
    return {"owner": node.get("owner", ""), **meaning}


def _features(features: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _feature(said) for name, said in features.items()}


def _feature(said: Any) -> Any:
    """Give the places of a windowed aggregate, or of an expression over a table, their names."""
    if not isinstance(said, list):
        return _untyped(said)
    if len(said) == 4:
        source, keys, valid, expression = said
        named = {"source": source, "by": ", ".join(keys), "valid": ", ".join(one for one in valid if one)}
        return named | {"expression": _untyped(expression)}
    source, keys, (kind, value, where, params, current, (length, delay, hop)) = said
    named = {"source": source, "by": ", ".join(keys), "aggregate": kind}
    named |= {"value": _untyped(value), "where": _untyped(where)}
    named |= {"window": _duration(length), "delay": _duration(delay), "hop": _duration(hop)}
    return named | {"include_current": current} | {str(key): setting for key, setting in params}


def _label(said: list[Any]) -> dict[str, Any]:
    source, on, value, matures, default = said
    named = {"source": source, "on": ", ".join(on), "value": _untyped(value)}
    return named | {"matures": _duration(matures), "default": default}


def _decide(said: list[Any]) -> dict[str, Any]:
    return {decision: _untyped(rule) for decision, rule in said}


def _gates(said: list[Any]) -> dict[str, Any]:
    """Each gate by its kind and metric, with its bound, its groups and its budget, as far as it has them."""
    return {f"{kind} {metric}": ", ".join(str(one) for one in asked if one) or "set" for kind, metric, *asked in said}


_NAMED: dict[str, Callable[[Any], Any]] = {"features": _features, "label": _label, "gates": _gates, "decide": _decide}


def _duration(us: int | None) -> str:
    return "lifetime" if us is None else duration_text(us) if us else "none"


def _parts(old: object, new: object, path: str, words: tuple[Mapping[str, Any], Mapping[str, Any]]) -> Iterator[str]:
    if old == new:
        return
    old, new = _worded(old, new, path, words)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*old, *new)):
            inner = f"{path}.{key}" if path else str(key)
            if key in _UNSAID and not (key in old and key in new):
                yield f"{inner}: {_line(old.get(key, _UNSAID[key]))} -> {_line(new.get(key, _UNSAID[key]))}"
            elif key not in new:
                yield f"{inner}: removed{_told(_written(old[key], inner, words[0]))}"
            elif key not in old:
                yield f"{inner}: added{_told(_written(new[key], inner, words[1]))}"
            else:
                yield from _parts(old[key], new[key], inner, words)
    elif isinstance(old, list) and isinstance(new, list) and not any(isinstance(one, list) for one in (*old, *new)):
        yield from _members(old, new, path)
    elif path in _CODE:
        yield f"{path}: its code changed"
    elif str(old) != str(new):
        was, now = _cut(*_lines(old, new))
        yield f"{path}: {was} -> {now}"


def _worded(
    old: object, new: object, path: str, words: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> tuple[object, object]:
    """What was written, where both sides have it; snapshots of before have none. Windows are told part by part."""
    was, now = words
    if path not in was or path not in now:
        return old, new
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        if not isinstance(now[path], Mapping):
            return old, new
        return _with_inner(was[path], old), _with_inner(now[path], new)
    return was[path], now[path]


def _with_inner(said: Mapping[str, Any], meaning: Mapping[str, Any]) -> Mapping[str, Any]:
    """What was written of a field, and what its meaning says of the fields within: these have words of their own."""
    return {**said, "fields": meaning["fields"]} if "fields" in meaning else said


def _written(value: object, path: str, words: Mapping[str, Any]) -> object:
    """What was written of a part that one side alone has; of its own parts, too."""
    if path in words or not isinstance(value, Mapping):
        return words.get(path, value)
    return {key: _written(one, f"{path}.{key}", words) for key, one in value.items()}


def _members(old: list[Any], new: list[Any], path: str) -> Iterator[str]:
    said = [f"+ {one}" for one in new if one not in old] + [f"- {one}" for one in old if one not in new]
    yield f"{path}: {_short(', '.join(said))}" if said else f"{path}: another order"


def _told(value: object) -> str:
    if isinstance(value, Mapping):
        told = {key: ", ".join(map(str, one)) if isinstance(one, list) else one for key, one in value.items()}
        value = ", ".join(f"{key} {one}" for key, one in told.items() if one not in (None, "", "none", False))
    return f" ({_short(_line(value))})"


def _untyped(expression: str | None) -> str | None:
    return None if expression is None else _TYPES.sub(lambda found: found[1] or "", expression)


def _lines(old: object, new: object) -> tuple[str, str]:
    """Two values, each on one line; with all of their white space where only that differs."""
    was, now = _line(old), _line(new)
    return (was, now) if was != now else (repr(old), repr(new))


def _line(value: object) -> str:
    return "nothing" if value is None or value == "" else " ".join(str(value).split())


def _cut(old: str, new: str) -> tuple[str, str]:
    """Two texts, long ones from shortly before the place where they differ."""
    if max(len(old), len(new)) <= _LONGEST:
        return old, new
    alike = next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    start = max(alike - _AROUND, 0)
    return _short(old, start), _short(new, start)


def _short(text: str, start: int = 0) -> str:
    end = start + _LONGEST
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"
