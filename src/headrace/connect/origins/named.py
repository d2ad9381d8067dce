"""Where the answers of most servers say that there is another page, and what they call it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

from headrace.connect.origins.page import Path
from headrace.contracts.written import Literal

WITHIN = (
    "", "meta.", "paging.", "pagination.", "links.", "_links.", "response_metadata.", "page_info.", "page.",
    "pageInfo.", "meta.pagination.",
)  # fmt: skip
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
NUMBERS = ("next", "next_page", "nextPage")
CURRENT = ("page", "current_page", "currentPage", "page_number", "pageNumber", "number")
TOTALS = ("total", "total_count", "totalCount", "total_items", "total_results", "totalElements")
_LAST_PAGE = ("total_pages", "totalPages", "pages", "page_count", "pageCount", "last_page", "lastPage")
_NEXT_OFFSET = ("next_offset", "nextOffset")
_PARTS = ("limit", "per_page", "perPage", "page_size", "pageSize")
"""How many rows an answer has at most."""
_IS_LAST = ("last", "is_last", "isLast", "last_page", "lastPage")
_NOTHING = ("", "0", "-1", "#", "null", "none", "None")
_LAST_TOO = ("cursors.after", "end_cursor")
"""Tokens that the last page has as well."""
_MORE = ("has_more", "hasMore", "has_next", "hasNext", "has_next_page", "hasNextPage")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
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
            *(
                tuple(f"{outer}{name}".split("."))
                for outer in WITHIN
                for names in (TOKENS, NUMBERS, CURRENT, TOTALS, _LAST_PAGE, _NEXT_OFFSET, _PARTS, _IS_LAST, _MORE)
                for name in names
            ),
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
        if is_said(text) and (text.startswith(_ADDRESSES) or "?" in text):
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
            numbered = name in NUMBERS and isinstance(value, Literal)
            if is_said(value) and not numbered and "://" not in value:
                return f"token:{param}:{outer}{name}"
    return ""


def goes_on(said: Mapping[Path, Any]) -> bool | None:
    """Return whether an answer says outright that more pages follow it, or that none does; None where it does not.

    Example:
        >>> goes_on({("has_more",): True}), goes_on({("last",): "true"}), goes_on({("next",): "a81f"})
        (True, False, None)
    """
    at = {".".join(path): value for path, value in said.items()}
    more = {_flag(at.get(f"{outer}{name}")) for outer in WITHIN for name in _MORE}
    last = {_truth(at.get(f"{outer}{name}")) for outer in WITHIN for name in _IS_LAST}
    if True in more or False in last:
        return True
    return False if False in more or True in last else None


def following(said: Mapping[Path, Any], rows: int = 0) -> str | None:
    """Return how an answer shows that it is one page of several; empty where it does not say how, None where it is all.

    Args:
        said: what it has at ``SAID_AT``.
        rows: that it has.

    Example:
        >>> following({("next_page",): "2"}), following({("has_more",): True}), following({("has_more",): False})
        ('page:page', '', None)
        >>> following({("next_cursor",): Literal(81)}), following({("links", "next", "href"): "a81f"})
        ('token:cursor:next_cursor', '')
        >>> following({("page",): "1", ("total_pages",): "3"}), following({("total",): "5", ("limit",): "2"}, rows=2)
        ('page:page', '')
    """
    at, more = {".".join(path): value for path, value in said.items()}, goes_on(said)
    if more is False:  # said outright, whatever else there is
        return None
    named = next_named(said) or token_named(said)
    if named and (more or not named.endswith(_LAST_TOO)):
        return named
    if any(_counts_on(at, outer) for outer in WITHIN):
        return "page:page"
    if any(_skips_on(at, outer) for outer in WITHIN):
        return "offset:offset"
    shown = any(map(_links_on, map(at.get, _LISTS))) or any(_is_named(at, outer) for outer in WITHIN)
    return "" if shown or more or any(_is_part(at, outer, rows) for outer in WITHIN) else None


def _counts_on(at: Mapping[str, Any], outer: str) -> bool:
    """Whether an answer says the number of a page that is behind its own, or of the last one."""
    numbers, own = (_numbers(at, outer, names) for names in (NUMBERS, CURRENT))
    if numbers and max(numbers) > max(own, default=0):
        return True
    last = _numbers(at, outer, _LAST_PAGE)
    return bool(last) and (max(own, default=1) or 1) < max(last)


def _skips_on(at: Mapping[str, Any], outer: str) -> bool:
    """Whether an answer says behind how many rows the next are, and not that there are no more than these."""
    ahead, totals = _numbers(at, outer, _NEXT_OFFSET), _numbers(at, outer, TOTALS)
    return bool(ahead) and 0 < max(ahead) < max(totals, default=max(ahead) + 1)


def _is_part(at: Mapping[str, Any], outer: str, rows: int) -> bool:
    """Whether an answer says that there are more rows than it has, and has as many as it gives at once."""
    totals, most = _numbers(at, outer, TOTALS), _numbers(at, outer, _PARTS)
    return bool(totals and most) and max(totals) > rows >= max(most)


def _numbers(at: Mapping[str, Any], outer: str, names: Iterable[str]) -> list[int]:
    return [int(one) for name in names if is_number(one := at.get(f"{outer}{name}"))]


def _flag(value: Any) -> bool | None:
    return _FLAGS.get(str(value).lower())


def _truth(value: Any) -> bool | None:
    """A truth of JSON, or its word; a number may be that of the last page."""
    return _flag(value) if str(value).lower() in ("true", "false") else None


def _is_named(at: Mapping[str, Any], outer: str) -> bool:
    """Whether an answer names another page by what is no address; of numbers of pages ``_counts_on`` judges."""
    named = [(name, at.get(f"{outer}{name}")) for name in (*_NEXT, *NUMBERS)]
    return any(is_said(value) and not (name in NUMBERS and is_number(value)) for name, value in named)


def is_number(value: Any) -> TypeGuard[str]:
    """Return whether a value of an answer is a whole number."""
    return isinstance(value, str) and value.isdigit()


def is_said(value: Any) -> TypeGuard[str]:
    """Return whether a value of an answer names another page: nothing, null, false, 0 and the like name none."""
    return isinstance(value, str) and value not in _NOTHING


def _links_on(value: Any) -> bool:
    """Whether a list of links, each a list of pairs as it was read, has one to the next page."""
    if not isinstance(value, list):
        return False
    links = [dict(one) for one in value if isinstance(one, list) and all(map(_is_pair, one))]
    return any("next" in _relations(one.get("rel")) and one.get("href") for one in links)


def _relations(value: Any) -> list[Any]:
    """What a link is; several words may stand in one text."""
    return value.split() if isinstance(value, str) else value if isinstance(value, list) else []


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2
