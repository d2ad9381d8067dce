"""Definitions as trees: where they are, which names they bind and reach, and how they look without their names."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from types import CodeType


def defined(code: CodeType) -> ast.AST | None:
    """Return the tree of a function in its file; None where that cannot be found or is no longer what runs."""
    try:
        lines, _ = inspect.findsource(code)
        tree = ast.parse("".join(lines))
    except (OSError, SyntaxError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda) and code.co_name == "<lambda>" and _runs(node, code):
            return node
        if (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name == code.co_name
            and min([node.lineno, *(one.lineno for one in node.decorator_list)]) == code.co_firstlineno
        ):
            return node
    return None


def _runs(node: ast.Lambda, code: CodeType) -> bool:
    """Whether code was made of a lambda: one line may have several that differ in a number, or only in their place."""
    if node.lineno != code.co_firstlineno:
        return False
    made = compile(ast.Expression(node), "", "eval").co_consts[0]
    return _placed(made) == _placed(code)


def _placed(code: CodeType) -> list[tuple[object, ...]]:
    return [(one.co_code, one.co_names, constants(one), list(one.co_positions())) for one in within(code)]


def within(code: CodeType) -> Iterator[CodeType]:
    """Code and all code inside it."""
    yield code
    for one in code.co_consts:
        if inspect.iscode(one):
            yield from within(one)


def constants(code: CodeType) -> list[object]:
    """Constants of code, without the code inside it."""
    return [one for one in code.co_consts if not inspect.iscode(one)]


def names(code: CodeType) -> set[str]:
    """Names that code, and code inside it, looks up outside; attributes are among them."""
    return {name for one in within(code) for name in (*one.co_names, *one.co_freevars)}


def bound(tree: ast.AST) -> list[str]:
    """Names that a definition binds and that nobody outside can see, in the order of their appearance."""
    found = dict[str, None]()
    outer = {name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names}
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.setdefault(node.name)
            case ast.arg():
                found.setdefault(node.arg)
            case ast.Name(ctx=ast.Store()):
                found.setdefault(node.id)
            case ast.alias(asname=str(name)):
                found.setdefault(name)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                found.setdefault(name)
    kept = outer | {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg} | _members(tree)
    return [name for name in found if name not in kept]


def _members(tree: ast.AST) -> set[str]:
    """Names in the bodies of classes: they are reached as attributes, so they are part of the meaning."""
    found = set[str]()
    for kind in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        for node in kind.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(node.name)
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            found |= {one.id for one in targets if isinstance(one, ast.Name)}
    return found


def reached(tree: ast.AST) -> dict[str, set[str]]:
    """For each name, the attributes that are taken of it; none where it is also used by itself."""
    taken = dict[str, set[str]]()
    owners = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            taken.setdefault(node.value.id, set()).add(node.attr)
    alone = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in owners}
    return {name: attributes for name, attributes in taken.items() if name not in alone}


class Canonical(ast.NodeTransformer):
    """Replaces names, and drops docstrings and annotations."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def _of(self, name: str | None) -> str | None:
        return None if name is None else self.names.get(name, name)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self._of(node.id) or "", node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(self._of(node.arg) or "", None)

    def visit_alias(self, node: ast.alias) -> ast.AST:
        return ast.alias(node.name, self._of(node.asname))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._definition(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._definition(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._definition(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        node.name = self._of(node.name)
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> ast.AST:
        first = node.body[0]
        said = first.value if isinstance(first, ast.Expr) else None
        if isinstance(said, ast.Constant) and isinstance(said.value, str):
            node.body = node.body[1:] or [ast.Pass()]
        node.name = self._of(node.name) or ""
        if not isinstance(node, ast.ClassDef):
            node.returns = None
        return self.generic_visit(node)
