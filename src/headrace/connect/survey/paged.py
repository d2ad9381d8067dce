"""How an API pages, as far as its first answer shows it: in a header, by a next address, a token, or by counting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.connect.origins.named import CURRENT, NUMBERS, TOTALS, WITHIN, is_number, next_named, token_named

_OFFSETS = ("offset", "skip", "start")

LOOKED_AT = tuple(tuple(f"{outer}{name}".split(".")) for outer in WITHIN for name in _OFFSETS)
"""Paths of an answer at which something may be said of other pages, beside those that are always looked at."""


def pages_of(said: Mapping[tuple[str, ...], Any], link: str | None, rows: int) -> str:
    """Return how the next page is found, as ``pages`` of ``hr.Api`` says it; empty where the answer does not show it.

    Args:
        said: what the answer has at ``LOOKED_AT``.
        link: address of the next page in the header.
        rows: of the answer.

    Example:
        >>> pages_of({("meta", "next"): "https://shop.example/orders?page=2"}, None, 10)
        'next:meta.next'
        >>> pages_of({("next_cursor",): "a81f"}, None, 10), pages_of({("total",): 12}, None, 10)
        ('token:cursor:next_cursor', '')
    """
    if link is not None:
        return "link"
    if named := next_named(said) or token_named(said):
        return named
    found = {".".join(path): value for path, value in said.items()}
    if not rows or total_of(said) in range(rows + 1):
        return ""
    if any(is_number(value) for _, value in _named(found, (*CURRENT, *NUMBERS))):
        return "page:page"
    offsets = [path for path, value in _named(found, _OFFSETS) if is_number(value)]
    return f"offset:{offsets[0].rpartition('.')[2]}" if offsets else ""


def first_of(said: Mapping[tuple[str, ...], Any]) -> str:
    """Return the number of the first page, as the first answer says it; empty where it does not.

    Example:
        >>> first_of({("page",): "0"}), first_of({("total",): "12"})
        ('0', '')
    """
    found = {".".join(path): value for path, value in said.items()}
    return next((value for _, value in _named(found, CURRENT) if is_number(value)), "")


def total_of(said: Mapping[tuple[str, ...], Any]) -> int | None:
    """Return how many rows an answer says that there are, None where it does not say it."""
    found = {".".join(path): value for path, value in said.items()}
    return next((int(value) for _, value in _named(found, TOTALS) if is_number(value)), None)


def _named(found: Mapping[str, Any], names: Any) -> list[tuple[str, Any]]:
    return [(outer + name, found[outer + name]) for outer in WITHIN for name in names if outer + name in found]
