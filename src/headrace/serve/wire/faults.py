"""What can be wrong with a request before anybody looks at what it asks."""

from __future__ import annotations

from headrace.serve.wire.limits import Limits
from headrace.serve.wire.refusal import Declined, refused


def not_http() -> Declined:
    """Return the refusal of what no HTTP library writes, or what two readers could read in two ways."""
    found, cure = "what is not HTTP, or can be read in two ways", "send what an HTTP library writes"
    return refused("HR-WIRE-001", found, "one whole request after another", cure)


def long_target(limits: Limits) -> Declined:
    """Return the refusal of a path that is too long."""
    expected = f"at most {limits.target:,} bytes"
    return refused("HR-WIRE-002", "a longer path with its query", expected, "send data in the body")


def long_head(limits: Limits) -> Declined:
    """Return the refusal of headers that are too many or too long."""
    expected = f"at most {limits.headers} of {limits.head:,} bytes together"
    return refused("HR-WIRE-003", "more headers", expected, "leave out what the service does not need")


def half() -> Declined:
    """Return the refusal of a request that stopped coming."""
    return refused("HR-REQUEST-008", "half a request", "all of it, without long pauses", "send it again, to its end")


def unknown_expectation() -> Declined:
    """Return the refusal of an ``Expect`` that HTTP does not know."""
    return refused("HR-WIRE-006", "an unknown expectation", "expect: 100-continue", "leave the header out")


def many_rows(found: str, most: int) -> Declined:
    """Return the refusal of more rows than a request may have."""
    cure = "send them in several requests; a table is scored with 'headrace score'"
    return refused("HR-REQUEST-001", found, f"at most {most:,} rows", cure)


def no_room() -> Declined:
    """Return the refusal of a large body while others take all the memory that there is for such."""
    found, cure = "large bodies that are still coming, as many as there is room for", "wait, then send it again"
    return refused("HR-SERVE-014", found, "room", cure)
