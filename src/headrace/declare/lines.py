"""Where the parts of a declaration are written: Python tells where the whole begins, its source tells the rest."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from functools import lru_cache


def parts(filename: str, line: int) -> dict[str, int]:
    """Return the lines of the names in the body of the class, or of the keys of the call, that begins at a line.

    Args:
        filename: of the source; where it cannot be had, nothing is found.
        line: as a frame has it.
    """
    linecache.checkcache(filename)
    found: dict[str, int] = {}
    for begin, name, at in _parts("".join(linecache.getlines(filename))):
        if begin == line:
            found.setdefault(name, at)
    return found


@lru_cache(maxsize=8)
def _parts(source: str) -> tuple[tuple[int, str, int], ...]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    return tuple(part for node in ast.walk(tree) for part in (*_of_class(node), *_of_call(node)))


def _of_class(node: ast.AST) -> Iterator[tuple[int, str, int]]:
    if isinstance(node, ast.ClassDef):
        for one in node.body:
            if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
                yield node.lineno, one.target.id, one.lineno
            if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name):
                yield node.lineno, one.targets[0].id, one.lineno


def _of_call(node: ast.AST) -> Iterator[tuple[int, str, int]]:
    if isinstance(node, ast.Call):
        given = (*node.args, *(one.value for one in node.keywords))
        for key in (key for one in given if isinstance(one, ast.Dict) for key in one.keys):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield node.lineno, key.value, key.lineno
