"""What a privacy tag that is said stands for: which tags it answers, and which of those below it leaves."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from headrace.plan.lineage import Node

FREE = ("anonymous", "internal", "pseudonym", "public")
"""Tags of columns that models may learn from without a word; every other, ``personal`` first, has to be said again."""


def free(tag: str) -> bool:
    """Return whether models may learn from what has a tag, without a word."""
    return tag.lower() in FREE


def unanswered(tags: Iterable[str], said: Collection[str]) -> list[str]:
    """Return the tags that a declaration does not answer: each answers itself, those of ``FREE`` alone answer all.

    Args:
        tags: of what it is made of.
        said: by the declaration.

    Example:
        >>> unanswered(["health", "personal"], ["personal"]), unanswered(["health", "personal"], ["public"])
        (['health'], [])
    """
    if said and all(map(free, said)):
        return []
    return [tag for tag in tags if not free(tag) and tag not in said]


def said_of(node: Node, known: Collection[str], grouped: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the tags that stand for those that a node is made of, and the tags that it has beside them.

    Args:
        node: that says some.
        known: tags that columns have.
        grouped: whether they are said of a group or label, which answers for what it is made of, tag by tag.
    """
    if not grouped or all(map(free, node.declared)):
        return node.declared, ()
    return (), tuple(tag for tag in node.declared if tag in known or free(tag))
