"""From a method and a path to the route that answers."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote

from headrace.errors import Fault, nearest
from headrace.serve.message import Route
from headrace.serve.wire.refusal import Declined

Found = tuple[Route, tuple[str, ...], str]
"""A route, the parts of the path that stand for its braces, and the path, percent-decoded."""
_KNOWN, _SHORT = 4_096, 256
_LISTED = 6


class Router:
    """Finds routes; a path that was asked for before is found by one look-up.

    Args:
        routes: of one method and pattern no more than one; a part in braces gives way to one that is written out.

    Example:
        >>> live = Route("GET", "/health/{what}", answer=print, scope="")
        >>> Router([live]).find("GET", b"/health/live")[1:]
        (('live',), '/health/live')
    """

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self._split = sorted(((_split(one.pattern), one) for one in routes), key=lambda one: _free(one[0]))
        self.known: dict[tuple[str, bytes], Found] = {}

    def find(self, method: str, target: bytes) -> Found:
        """Return the route of a request.

        Args:
            method: as sent; a HEAD is answered by the route of GET.
            target: the path as sent, without its query.

        Raises:
            Declined: HR-SERVE-009 for an unknown path, HR-SERVE-010 for a method that it does not have.
        """
        if (found := self.known.get((method, target))) is not None:
            return found
        asked = "GET" if method == "HEAD" else method
        path = unquote(target.decode("latin-1"))
        parts = [unquote(part) for part in target.decode("latin-1").strip("/").split("/")]
        there = [one for one in self._split if _fits(one[0], parts)]
        for pattern, route in there:
            if route.method == asked:
                taken = tuple(part for part, one in zip(parts, pattern, strict=True) if _open(one))
                if len(self.known) >= _KNOWN:  # paths are the clients' to choose: what is kept of them is bounded
                    self.known.clear()
                found = (route, taken, path)
                return self.known.setdefault((method, target), found) if len(target) <= _SHORT else found
        if there:
            raise _no_method(method, sorted({route.method for _, route in there}))
        raise self._no_path(path)

    def _no_path(self, path: str) -> Declined:
        patterns = list(dict.fromkeys(one.pattern for one in self.routes))
        more = f" and {len(patterns) - _LISTED} more" if len(patterns) > _LISTED else ""
        expected = ", ".join(patterns[:_LISTED]) + more
        cure = nearest(path[:64], patterns) if len(patterns) <= _LISTED else "call one of these"
        return Declined(Fault("HR-SERVE-009", "", "an unknown path", expected, cure))


def _no_method(method: str, there: list[str]) -> Declined:
    allowed = [*there, *(["HEAD"] if "GET" in there else [])]
    cure = f"call it with {' or '.join(there)}"
    fault = Fault("HR-SERVE-010", "", f"the method {method[:16]}", " or ".join(there), cure)
    return Declined(fault, ((b"allow", ", ".join(allowed).encode()),))


def _split(pattern: str) -> tuple[str, ...]:
    return tuple(pattern.strip("/").split("/"))


def _open(part: str) -> bool:
    return part.startswith("{") and part.endswith("}")


def _free(pattern: tuple[str, ...]) -> tuple[bool, ...]:
    return tuple(_open(part) for part in pattern)


def _fits(pattern: tuple[str, ...], parts: Sequence[str]) -> bool:
    return len(pattern) == len(parts) and all(
        _open(one) or one == part for one, part in zip(pattern, parts, strict=True)
    )
