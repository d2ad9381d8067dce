"""What ``[serve]`` of ``headrace.toml`` says: how many processes answer, and where they send their traces."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headrace.errors import Fault

_SERVER = re.compile(r"https?://[^/?#@\s]+(/[^?#@\s]*)?")


@dataclass(frozen=True)
class ServeSettings:
    """Settings of services.

    Args:
        traces: address of a collector of OpenTelemetry that takes OTLP over HTTP; None sends none.
        traces_share: of the requests whose caller says nothing of traces, from 0 to 1; None for one in a hundred.
        workers: processes that decide; None for one.
    """

    traces: str | None = None
    traces_share: float | None = None
    workers: int | None = None


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


_KINDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "traces": (
        lambda one: isinstance(one, str) and bool(_SERVER.fullmatch(one)),
        "an address without keys, such as 'http://127.0.0.1:4318'",
    ),
    "workers": (
        lambda one: isinstance(one, int) and not isinstance(one, bool) and 1 <= one <= 64,
        "a whole number from 1 to 64",
    ),
    "traces_share": (_is_share, "a number from 0 to 1, such as 0.01"),
}
KEYS = (*_KINDS, "oidc")
"""Of the section; ``[serve.oidc]`` is one of its own."""


def value_faults(values: Mapping[str, Any], place: Callable[[str], str]) -> Iterator[Fault]:
    """Yield a fault (HR-PROJECT-004) for each value of the section that is of a wrong kind.

    Args:
        values: of the section.
        place: of a key, as ``file:line``.
    """
    for key, (fits, expected) in _KINDS.items():
        if key in values and not fits(values[key]):
            shown = re.sub(r"\?.*", "?…", re.sub("//[^/]*@", "//…@", str(values[key])))
            yield Fault("HR-PROJECT-004", place(key), f"{key} = {shown!r}", expected, f"write {expected}")
