"""The meaning of a user's function as text: what it computes, whatever its lines, names of locals and comments."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from types import ModuleType
from typing import Any


def meaning(function: Callable[..., Any]) -> str:
    """Return a canonical text of a function and of the functions and constants of its own module that it uses.

    Moving it, renaming its locals, comments and docstrings change nothing; any other edit does.

    Example:
        >>> def one(x):
        ...     # a comment
        ...     return x + 1
        >>> def two(y): return y + 1
        >>> meaning(one).replace("one", "two") == meaning(two)
        True
    """
    seen: dict[str, str] = {}
    _collect(function, seen)
    return "\n".join(f"{name}: {text}" for name, text in seen.items())


def _collect(function: Callable[..., Any], seen: dict[str, str]) -> None:
    name = getattr(function, "__qualname__", type(function).__name__).rpartition("<locals>.")[2]
    if name in seen:
        return
    seen[name] = ""
    tree = _tree(function)
    if tree is None:
        seen[name] = f"{getattr(function, '__module__', '')}.{name}"
        return
    used = sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)})
    seen[name] = ast.dump(_Canonical(tree).visit(tree), annotate_fields=False)
    around = inspect.getclosurevars(function) if inspect.isfunction(function) else None
    outside = {**around.globals, **around.nonlocals} if around is not None else {}
    for word in used:
        if word in outside:
            _value(word, outside[word], function, seen)


def _value(word: str, value: object, function: Callable[..., Any], seen: dict[str, str]) -> None:
    """A helper of the same project counts by its source, a constant by its value, a library by its name."""
    if isinstance(value, ModuleType):
        seen[word] = f"module {value.__name__}"
    elif callable(value) and getattr(value, "__module__", None) == function.__module__:
        _collect(value, seen)
    elif isinstance(value, int | float | str | bytes | bool | tuple | list | dict | None):
        seen[word] = repr(value)
    else:
        kind = value if callable(value) else type(value)
        seen[word] = f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', '')}"


def _tree(function: Callable[..., Any]) -> ast.AST | None:
    try:
        module = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None
    wanted = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
    return next((node for node in ast.walk(module) if isinstance(node, wanted)), None)


class _Canonical(ast.NodeTransformer):
    """Numbers local names in the order of their appearance, and drops docstrings and annotations."""

    def __init__(self, tree: ast.AST) -> None:
        self.numbers: dict[str, str] = {}
        kept = {name for node in ast.walk(tree) if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names}
        for node in ast.walk(tree):
            name = node.arg if isinstance(node, ast.arg) else None
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                name = node.id
            if name is not None and name not in kept:
                self.numbers.setdefault(name, f"${len(self.numbers)}")

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self.numbers.get(node.id, node.id), node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(self.numbers.get(node.arg, node.arg), None)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        first = node.body[0]
        said = first.value if isinstance(first, ast.Expr) else None
        if isinstance(said, ast.Constant) and isinstance(said.value, str):
            node.body = node.body[1:] or [ast.Pass()]
        node.returns = None
        return self.generic_visit(node)
