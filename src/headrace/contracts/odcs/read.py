"""YAML as plain values, each with its line; what cannot be kept as it was written is refused, with its place."""

from __future__ import annotations

import decimal
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headrace.errors import Fault, HeadraceError

Steps = tuple[str | int, ...]
_TAG = "tag:yaml.org,2002:"
_PLAIN_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_PLAIN_FLOAT = re.compile(r"[-+]?[0-9]+\.[0-9]*([eE][-+]?[0-9]+)?")
_MOST = 2_000_000
"""Values in a document: anchors can make a short one unfold without end."""


class Unquoted(str):
    """Text that stood without quotes where YAML 1.1 reads a date or a number in base 60 and 1.2 reads text.

    It is written without quotes again, so that every reader finds in an export what it found in the original.
    """

    __slots__ = ()


@dataclass(frozen=True)
class Document:
    """A document of the standard: its values, and where each stands.

    Args:
        data: the document as plain values; dates are text.
        file: name of the file, for the place of faults.
        lines: line of each value by its path of keys and positions.
    """

    data: dict[str, Any]
    file: str
    lines: Mapping[Steps, int]

    def place(self, *path: str | int) -> str:
        """Return ``file:line`` of a value, or of the nearest that holds it."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.file}:{self.lines.get(path, 1)}"


def parsed(content: bytes | str, file: str) -> Document:
    """Return YAML as plain values, whatever they say.

    Raises:
        HeadraceError: HR-ODCS-002.

    Example:
        >>> found = parsed("id: a" + chr(10) + "since: 2026-01-31", "a.yaml")
        >>> found.data, found.place("since")
        ({'id': 'a', 'since': '2026-01-31'}, 'a.yaml:2')
    """
    import yaml

    builder = _Builder(file)
    try:
        loader = yaml.SafeLoader(content)
        node = loader.get_single_node()
        data = builder.value(node, ()) if node is not None else None
    except yaml.YAMLError as error:
        raise HeadraceError(_syntax_fault(error, file)) from None
    except RecursionError:
        raise HeadraceError(_fault(file, 1, "values nested without end", "some tens of levels", _FLAT)) from None
    if not isinstance(data, dict):
        raise HeadraceError(_fault(file, 1, _called(data), "keys and values", "name the file of a data contract"))
    return Document(data, file, builder.lines)


_FLAT = "take levels out: a contract has tables, columns, and what these consist of"


class _Builder:
    """Makes values of nodes; the loader's own constructors would drop keys, and turn dates into something else."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Steps, int] = {}
        self._within: set[int] = set()

    def value(self, node: Any, path: Steps) -> Any:
        line = node.start_mark.line + 1
        self.lines[path] = line
        if len(self.lines) > _MOST:
            raise self._refused(line, "anchors that unfold without end", f"at most {_MOST:,} values", "write it out")
        if id(node) in self._within:
            cure = "take the alias out, and write what is meant"
            raise self._refused(line, "an anchor that holds itself", "values that end", cure)
        if isinstance(node.value, str):
            return self._scalar(node, line)
        self._within.add(id(node))
        try:
            return self._several(node, path, line)
        finally:
            self._within.discard(id(node))

    def _several(self, node: Any, path: Steps, line: int) -> Any:
        kind = node.tag.removeprefix(_TAG)
        if kind == "seq":
            return [self.value(one, (*path, at)) for at, one in enumerate(node.value)]
        if kind == "map":
            return {key: self._below(one, (*path, key), at) for key, at, one in self._pairs(node)}
        raise self._refused(line, f"a value of the type {node.tag}", "values as JSON has them", "take the tag out")

    def _below(self, node: Any, path: Steps, line: int) -> Any:
        """The value of a key, which stands where its key does."""
        value = self.value(node, path)
        self.lines[path] = line
        return value

    def _pairs(self, node: Any) -> Iterator[tuple[str, int, Any]]:
        seen: set[str] = set()
        for key_node, value in node.value:
            line = key_node.start_mark.line + 1
            key = self._scalar(key_node, line) if isinstance(key_node.value, str) else None
            if not isinstance(key, str) or key_node.tag == f"{_TAG}merge":
                found = f"the key {key_node.value if isinstance(key_node.value, str) else 'of several values'}"
                raise self._refused(line, found, "keys that are text", "write the key as text, in quotes")
            if key in seen:
                raise self._refused(line, f"the key {key} twice", "each key once", "take one of them out")
            seen.add(key)
            yield key, line, value

    def _scalar(self, node: Any, line: int) -> Any:
        read = _SCALARS.get(node.tag.removeprefix(_TAG))
        try:
            if read is not None:
                return read(node.value)
        except ValueError:
            pass
        found = f"{node.value[:40]} of the type {node.tag.removeprefix(_TAG)}"
        raise self._refused(line, found, "values as JSON has them", "write it as text, in quotes")

    def _refused(self, line: int, found: str, expected: str, cure: str) -> HeadraceError:
        return HeadraceError(_fault(self.file, line, found, expected, cure))


def _int(text: str) -> int | Unquoted:
    return int(text) if _PLAIN_INT.fullmatch(text) else Unquoted(text)


def _float(text: str) -> float | decimal.Decimal | Unquoted:
    if not _PLAIN_FLOAT.fullmatch(text) and not text.lower().endswith((".nan", ".inf")):
        return Unquoted(text)
    if not math.isfinite(float(text)):
        raise ValueError
    return number_of(text)


def number_of(text: str) -> float | decimal.Decimal:
    """Return a number as a float, or with all its digits where a float has not as many.

    Example:
        >>> number_of("0.1"), number_of("9999999999999999.99")
        (0.1, Decimal('9999999999999999.99'))
    """
    exact, near = decimal.Decimal(text), float(text)
    return near if decimal.Decimal(repr(near)) == exact else exact


_SCALARS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "merge": str,
    "value": str,
    "null": lambda _: None,
    "bool": lambda text: text.lower() in ("true", "yes", "on"),
    "int": _int,
    "float": _float,
    "timestamp": Unquoted,
}
"""Scalars by their tag. Numbers that YAML 1.1 and 1.2 read in two ways stay text."""


def _syntax_fault(error: Any, file: str) -> Fault:
    mark = getattr(error, "problem_mark", None)
    problem = (getattr(error, "problem", None) or str(error)).split("\n")[0]
    if "single document" in str(error):
        return _fault(
            file, mark.line + 1 if mark else 1, "several documents", "one in a file", "give each its own file"
        )
    found = f"what is not YAML: {problem}"
    return _fault(file, mark.line + 1 if mark else 1, found, "YAML", "mend the line, or the one above it")


def _fault(file: str, line: int, found: str, expected: str, cure: str) -> Fault:
    return Fault("HR-ODCS-002", f"{file}:{line}", found, expected, cure)


def _called(value: object) -> str:
    kinds = {list: "a list", str: "a text", type(None): "nothing"}
    return kinds.get(type(value), "a single value")
