"""The meaning of a user's function as text: what it computes, whatever its lines, names and comments."""

from __future__ import annotations

import ast
import contextlib
import copyreg
import functools
import hashlib
import importlib
import importlib.util
import inspect
import random
import struct
import sys
import sysconfig
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CellType, FunctionType, MappingProxyType, ModuleType
from typing import Any

import numpy as np

from headrace.plan.syntax import Canonical, bound, constants, defined, names, reached, within

_PLAIN = (int, float, complex, str, bytes, bool, type(None), type(...))
_LONG = 64
_HELD: dict[type, Callable[[Any], object]] = {
    MappingProxyType: dict,
    memoryview: bytes,
    struct.Struct: lambda value: value.format,
    type({}.keys()): list,
    type({}.values()): list,
    type({}.items()): list,
}
"""What cannot be pickled, and what it holds."""
_SHARED = {id(random._inst): "random", id(np.random.mtrand._rand): "numpy.random"}
"""Generators that all code shares: where they stand is another thing in each process, and no constant."""
_LIBRARIES = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def meaning(function: Callable[..., Any]) -> str:
    """Return a canonical text of a function and of all functions, classes and constants of its project that it uses.

    A project's code is what lies in the folder of the function's file, or below; of a library only names count. Moving
    code, renaming it or its variables, comments, annotations and docstrings change nothing; any other edit does.

    Example:
        >>> def one(x):
        ...     # a comment
        ...     return x + 1
        >>> def two(y): return y + 1
        >>> meaning(one) == meaning(two)
        True
    """
    inner = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    code = getattr(inspect.unwrap(inner), "__code__", None)
    file = Path(code.co_filename) if code is not None else _file(type(inner))
    reader = _Reader(None if file is None else file.parent, str(getattr(inner, "__module__", "")))
    whole = reader.said_of(function)
    return "\n".join([whole, *reader.said])


@dataclass
class _Reader:
    """Describes values; what is not plain is told once, and referred to by its place.

    Args:
        root: folder of the project.
        module: whose code is the project's, too, wherever it is: a notebook has no file.
    """

    root: Path | None
    module: str
    said: list[str] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)
    kept: list[object] = field(default_factory=list)

    def said_of(self, value: object) -> str:
        if isinstance(value, bytes) and len(value) > _LONG:
            return f"bytes {hashlib.sha256(value).hexdigest()}"
        if isinstance(value, _PLAIN):
            return f"{type(value).__name__} {value!r}"
        if isinstance(value, set | frozenset):
            return f"{type(value).__name__} {sorted(map(self.said_of, value))}"
        if isinstance(value, ModuleType):
            return f"module {value.__name__}"
        if isinstance(value, type | FunctionType) and not self._own(value):
            return f"{value.__module__}.{value.__qualname__}"
        if id(value) not in self.places:
            place = self.places[id(value)] = len(self.said)
            self.said.append("")
            self.kept.append(value)  # so that nothing else gets its id
            self.said[place] = f"@{place}: {self._told(value)}"
        return f"@{self.places[id(value)]}"

    def _told(self, value: Any) -> str:
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, type):
            return self._class(value)
        if type(value) is dict:
            return self._items(value)
        if type(value) in (list, tuple):
            return f"{type(value).__name__} {[self.said_of(one) for one in value]}"
        kind = self.said_of(type(value))
        if hasattr(value, "__wrapped__"):  # a cache around a function
            return f"{kind} {self.said_of(value.__wrapped__)}"
        if type(value) in _HELD:
            return f"{kind} {self.said_of(_HELD[type(value)](value))}"
        if id(value) in _SHARED:
            return f"{kind} {_SHARED[id(value)]}"
        try:
            parts = _parts(value)
        except Exception:  # noqa: BLE001 - of what cannot be taken apart only the type counts, and what a dict holds
            return f"{kind} {self._items(value)}" if isinstance(value, dict) else kind
        if isinstance(parts, str):
            return f"{kind} {getattr(value, '__module__', '')}.{parts}"
        listed = [list(part) if isinstance(part, Iterator) else part for part in parts]
        return f"{kind} {[self.said_of(part) for part in listed]}"

    def _items(self, value: Mapping[Any, Any]) -> str:
        return f"dict {[(self.said_of(key), self.said_of(one)) for key, one in value.items()]}"

    def _function(self, function: FunctionType) -> str:
        code, tree = function.__code__, defined(function.__code__)
        known = {**function.__globals__, **_cells(code.co_freevars, function.__closure__ or ())}
        given = [self.said_of(one) for one in (function.__defaults__, function.__kwdefaults__)]
        if self.places[id(function)]:  # of the first the caller is known, and gives its arguments by their places
            given += code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        if tree is None:
            parts = [(one.co_code.hex(), list(map(self.said_of, constants(one)))) for one in within(code)]
            used = [(name, known[name]) for name in sorted(names(code)) if name in known]
            return f"code {parts} {[(name, self.said_of(value)) for name, value in used]} {given}"
        return f"function {self._tree(tree, known, names(code))} {given}"

    def _class(self, kind: type) -> str:
        bases = [self.said_of(base) for base in kind.__bases__]
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
        except (OSError, TypeError, SyntaxError, IndexError):
            return f"class {kind.__qualname__} {bases}"
        known = vars(sys.modules.get(kind.__module__, ModuleType("")))
        return f"class {self._tree(tree, known, None)} {bases}"

    def _tree(self, tree: ast.AST, known: dict[str, Any], used: set[str] | None) -> str:
        """Write a definition with its names replaced: own ones by numbers, those from outside by what they are."""
        own, said, taken = bound(tree), dict[str, str](), reached(tree)
        for node in ast.walk(tree):
            if not isinstance(node, ast.Name) or node.id in said or node.id not in known:
                continue
            if node.id not in own if used is None else node.id in used:
                value = known[node.id]
                mine = isinstance(value, ModuleType) and self._own_file(getattr(value, "__file__", None))
                said[node.id] = self._module(value, taken.get(node.id)) if mine else self.said_of(value)
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        inside = [self._imported(node, taken) for node in imports]
        canonical = Canonical({name: f"${i}" for i, name in enumerate(own)} | said)
        return f"{ast.dump(canonical.visit(tree), annotate_fields=False)} {inside}"

    def _imported(self, node: ast.Import | ast.ImportFrom, taken: dict[str, set[str]]) -> list[str]:
        """What a function imports when it is called, where that is the project's own."""
        found = []
        for alias in node.names:
            name = alias.name if isinstance(node, ast.Import) else node.module or ""
            if not self._own_file(_origin(name)):
                continue
            module = importlib.import_module(name)
            if isinstance(node, ast.Import):
                found.append(self._module(module, taken.get(alias.asname or alias.name)))
            else:
                found.append(self.said_of(getattr(module, alias.name, None)))
        return found

    def _module(self, module: ModuleType, attributes: set[str] | None) -> str:
        """What is used of a module of the project; all that it says where that cannot be told."""
        if not attributes:
            return f"module {ast.dump(ast.parse(inspect.getsource(module)))}"
        return f"module {[(name, self.said_of(getattr(module, name, None))) for name in sorted(attributes)]}"

    def _own(self, value: type | FunctionType) -> bool:
        if value.__module__ == self.module:
            return True
        file = value.__code__.co_filename if isinstance(value, FunctionType) else _file(value)
        return self._own_file(file)

    def _own_file(self, file: Path | str | None) -> bool:
        if file is None or self.root is None:
            return False
        path = Path(file).resolve()
        library = any(path.is_relative_to(one) for one in _LIBRARIES if one)
        return not library and path.is_relative_to(self.root.resolve())


def _parts(value: object) -> str | tuple[Any, ...]:
    """A value as pickle takes it apart: some types, patterns among them, are known to ``copyreg`` alone."""
    known = copyreg.dispatch_table.get(type(value))
    return value.__reduce_ex__(4) if known is None else known(value)


def _file(kind: type) -> Path | None:
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return None if file is None else Path(file)


def _origin(name: str) -> str | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    return None if spec is None else spec.origin


def _cells(names: Sequence[str], cells: Sequence[CellType]) -> dict[str, object]:
    found = dict[str, object]()
    for name, cell in zip(names, cells, strict=True):
        with contextlib.suppress(ValueError):  # nothing is in it yet
            found[name] = cell.cell_contents
    return found
