"""A declaration in its own words, by the part of its meaning that they stand for: to be shown, never compared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from headrace.declare import Check, Features, Field, Node, Service, Stream, Table, TrainingSet, Window
from headrace.plan.promises import promises


def words(node: Node) -> dict[str, Any]:
    """Return the written text of a node's expressions, windows and fields, by paths such as ``features.now.big``.

    Example:
        >>> from headrace.declare import Contract, event_time, label
        >>> from headrace.types import Timestamp
        >>> class Payment(Contract):
        ...     at: Timestamp = event_time()
        ...     amount: float
        >>> words(Features("now", Stream("payments", Payment), features={"big": "amount>9"}))
        {'features.now.big': 'amount>9'}
    """
    match node:
        case Stream() | Table():
            fields = {} if node.contract is None else node.contract.fields()
            return _fields(fields.values(), "contract") | _conditions(node)
        case Features():
            said: dict[str, Any] = {}
            for name, one in node.features.items():
                said |= _window(node, name, one) if isinstance(one, Window) else _expression(node, name, one)
            return said
        case TrainingSet():
            return {"where": node.where} | ({} if node.label is None else {"label.value": node.label.value})
        case Service():
            return {f"decide.{decision}": rule for decision, rule in node.decide.items()}
    return {}


def _fields(fields: Iterable[Field], path: str) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for one in fields:
        said |= {f"{path}.{one.name}": promises(one)} | _fields(one.inner, f"{path}.{one.name}.fields")
    return said


def _conditions(source: Stream | Table) -> dict[str, str]:
    rules = {} if source.contract is None else source.contract.rules()
    return {f"promises.{name}.condition": one.condition for name, one in rules.items() if isinstance(one, Check)}


def _expression(group: Features, name: str, text: str) -> dict[str, str]:
    path = f"features.{group.name}.{name}"
    return {f"{path}.expression" if isinstance(group.source, Table) else path: text}


def _window(group: Features, name: str, one: Window) -> dict[str, Any]:
    """Each feature of a series as if it were declared alone."""
    said: dict[str, Any] = {}
    for output, label in zip(one.names(name), one.labels, strict=True):
        path = f"features.{group.name}.{output}"
        said |= {path: _call(one, label), f"{path}.value": one.value, f"{path}.where": one.where}
    return said


def _call(one: Window, label: str) -> str:
    args = [repr(text) for text in (one.value, label) if text is not None]
    named = {"where": one.where, "delay": one.delay, "hop": one.hop, "include_current": one.include_current or None}
    args += [f"{key}={value!r}" for key, value in (*named.items(), *one.params) if value is not None]
    return f"{one.kind}({', '.join(args)})"
