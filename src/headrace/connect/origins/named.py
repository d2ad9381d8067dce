"""Where the answers of most servers say that there is another page, and what they call it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.connect.origins.page import Path
from headrace.connect.origins.shape import Literal

WITHIN = ("", "meta.", "paging.", "pagination.", "links.", "_links.", "response_metadata.", "page_info.", "page.")
_NEXT = (
    "next", "next.href", "next_url", "nextUrl", "next_link", "nextLink", "next_page_url", "next_page", "nextRecordsUrl",
    "@odata.nextLink",
)  # fmt: skip
_ADDRESSES = ("http://", "https://", "/", "?")
TOKENS = {
    "next_cursor": "cursor", "nextCursor": "cursor", "cursors.after": "after", "next_page_token": "page_token",
    "nextPageToken": "pageToken", "next_token": "next_token", "nextToken": "nextToken",
    "continuation_token": "continuation_token", "continuationToken": "continuationToken", "next": "cursor",
    "end_cursor": "after",
}  # fmt: skip
"""Of tokens by their name, the parameter that most servers take them in."""
NUMBERS = ("next", "next_page")
_MORE = ("has_more", "hasMore", "has_next", "hasNext", "has_next_page", "hasNextPage")
_LISTS = ("links", "_links", "link")
"""Of links as lists of objects, of which one has ``rel``: next."""


def paths_of(text: str) -> tuple[Path, ...]:
    """Return the places of an answer that a path may mean: names within one another, or one name with points in it.

    Example:
        >>> paths_of("next"), paths_of("@odata.nextLink")
        ((('next',),), (('@odata', 'nextLink'), ('@odata.nextLink',)))
    """
    return tuple(dict.fromkeys((tuple(text.split(".")), (text,))))


_NEXT_AT = tuple(path for outer in WITHIN for name in _NEXT for path in paths_of(outer + name))
SAID_AT = tuple(
    dict.fromkeys(
        (
            *_NEXT_AT,
            *(tuple(f"{outer}{name}".split(".")) for outer in WITHIN for name in (*TOKENS, *NUMBERS, *_MORE)),
            *((name,) for name in _LISTS),
        )
    )
)
"""Places at which an answer may say that there is another page."""


def next_named(said: Mapping[Path, Any]) -> str:
    """Return how an answer shows the address of another page, as ``pages`` of ``hr.Api`` says it, or nothing.

    Example:
        >>> next_named({("links", "next"): "/orders?page=2"}), next_named({("next",): "orders?page=2"})
        ('next:links.next', 'next:next')
        >>> next_named({("next",): "a81f"})
        ''
    """
    for path in _NEXT_AT:
        text = said.get(path)
        if isinstance(text, str) and not isinstance(text, Literal) and (text.startswith(_ADDRESSES) or "?" in text):
            return f"next:{'.'.join(path)}"
    return ""


def token_named(said: Mapping[Path, Any]) -> str:
    """Return how an answer shows a token that asks for another page, as ``pages`` of ``hr.Api`` says it, or nothing.

    Example:
        >>> token_named({("meta", "next_cursor"): "a81f"}), token_named({("next_cursor",): None})
        ('token:cursor:meta.next_cursor', '')
    """
    for outer in WITHIN:
        for name, param in TOKENS.items():
            value = said.get(tuple(f"{outer}{name}".split(".")))
            if isinstance(value, str) and value and "://" not in value and not isinstance(value, Literal):
                return f"token:{param}:{outer}{name}"
    return ""


def following(said: Mapping[Path, Any]) -> str | None:
    """Return how an answer shows that it is one page of several; empty where it does not say how, None where it is all.

    Example:
        >>> following({("next_page",): "2"}), following({("has_more",): True}), following({("has_more",): False})
        ('page:page', '', None)
    """
    if named := next_named(said) or token_named(said):
        return named
    at = {".".join(path): value for path, value in said.items()}
    if any(_is_number(at.get(f"{outer}{name}")) for outer in WITHIN for name in NUMBERS):
        return "page:page"
    more = any(at.get(f"{outer}{name}") is True for outer in WITHIN for name in _MORE)
    return "" if more or any(map(_links_on, map(at.get, _LISTS))) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, str) and value.isdigit() and value != "0"


def _links_on(value: Any) -> bool:
    """Whether a list of links, each a list of pairs as it was read, has one to the next page."""
    if not isinstance(value, list):
        return False
    return any(dict(one).get("rel") == "next" for one in value if isinstance(one, list) and all(map(_is_pair, one)))


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2
