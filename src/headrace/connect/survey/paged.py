"""How an API pages, as far as its first answer shows it: in a header, by a next address, a token, or by counting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.connect.origins.shape import Literal

_WITHIN = ("", "meta.", "paging.", "pagination.", "links.", "_links.", "response_metadata.", "page_info.")
_NEXT = ("next", "next.href", "next_url", "nextUrl", "next_link", "nextLink", "next_page_url", "next_page")
_TOKENS = {
    "next_cursor": "cursor", "nextCursor": "cursor", "cursors.after": "after", "next_page_token": "page_token",
    "nextPageToken": "pageToken", "next_token": "next_token", "nextToken": "nextToken",
    "continuation_token": "continuation_token", "continuationToken": "continuationToken", "next": "cursor",
    "end_cursor": "after",
}  # fmt: skip
"""Of tokens by their name, the parameter that most servers take them in."""
_PAGES = ("page", "current_page", "page_number")
_OFFSETS = ("offset", "skip", "start")
_TOTALS = ("total", "total_count", "totalCount", "total_items", "total_results")

LOOKED_AT = tuple(
    tuple(f"{outer}{name}".split("."))
    for outer in _WITHIN
    for name in dict.fromkeys((*_NEXT, *_TOKENS, *_PAGES, *_OFFSETS, *_TOTALS))
)
"""Paths of an answer at which something may be said of other pages."""


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
    found = {".".join(path): value for path, value in said.items()}
    for path, value in _named(found, _NEXT):
        if isinstance(value, str) and value.startswith(("http://", "https://", "/", "?")):
            return f"next:{path}"
    for path, value in _named(found, _TOKENS):
        if isinstance(value, str) and value and "://" not in value and not isinstance(value, Literal):
            name = next(one for one in _TOKENS if path == one or path.endswith(f".{one}"))
            return f"token:{_TOKENS[name]}:{path}"
    if not rows or total_of(said) in range(rows + 1):
        return ""
    if any(_is_number(value) for _, value in _named(found, (*_PAGES, "next", "next_page"))):
        return "page:page"
    offsets = [path for path, value in _named(found, _OFFSETS) if _is_number(value)]
    return f"offset:{offsets[0].rpartition('.')[2]}" if offsets else ""


def total_of(said: Mapping[tuple[str, ...], Any]) -> int | None:
    """Return how many rows an answer says that there are, None where it does not say it."""
    found = {".".join(path): value for path, value in said.items()}
    return next((int(value) for _, value in _named(found, _TOTALS) if _is_number(value)), None)


def _named(found: Mapping[str, Any], names: Any) -> list[tuple[str, Any]]:
    return [(outer + name, found[outer + name]) for outer in _WITHIN for name in names if outer + name in found]


def _is_number(value: Any) -> bool:
    return isinstance(value, str) and value.isdigit()
