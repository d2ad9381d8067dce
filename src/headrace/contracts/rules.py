"""What a contract promises about the values of a column: each rule one comparison of the whole column."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.contracts.alike import longer, outside, unlike
from headrace.contracts.nested import broken_within
from headrace.contracts.problems import BOUND, EMPTY, LENGTH, PATTERN, PERIOD, SET, Problem, Rows, never_taken, where
from headrace.declare import Contract, Field
from headrace.errors import Fault, HeadraceError, closest
from headrace.types import LogicalType, value_as

_BOUNDS: dict[str, tuple[Callable[..., pa.BooleanArray], str]] = {
    "ge": (pc.less, "is below"),
    "gt": (pc.less_equal, "is not above"),
    "le": (pc.greater, "is above"),
    "lt": (pc.greater_equal, "is not below"),
}


def broken(field: Field, raw: pa.Array, values: pa.Array) -> list[Problem]:
    """Return the rules of a field that some values break; what could not be read is not judged again.

    Args:
        field: the promises.
        raw: the column as received.
        values: the same in the field's type, null where it is null or could not be read.
    """
    if field.type.nested:
        return never_taken(field, _null(field, raw)) + broken_within(field, raw, values, broken)
    rules = [*_bounds(field, values), *_set(field, values), *_text(field, values)]
    return never_taken(field, _null(field, raw)) + [
        Problem(code, field.name, text, rows, True, promise, field.severity)
        for code, text, rows, promise in rules
        if len(rows)
    ]


_ONE_TEXT = pa.StringArray.from_buffers(1, pa.py_buffer(bytes(8)), pa.py_buffer(b""))
"""One empty text, made without ``pa.array`` and ``pa.scalar``: these load pandas, which a check has no use for."""


def check_rules(contract: type[Contract]) -> list[Fault]:
    """Return what is wrong with a contract by itself, or else the patterns and zones that cannot be read."""
    faults = list(contract.faults)
    for field in contract.columns().values() if not faults else ():
        try:
            if field.pattern is not None:
                _matches(field, _ONE_TEXT)  # which compiles the pattern, as there is a text to match
            _known_zone(field)
        except HeadraceError as error:
            faults += [replace(fault, place=field.place or contract.place) for fault in error.faults]
    return faults


def _known_zone(field: Field) -> None:
    try:
        if field.zone:
            zoneinfo.ZoneInfo(field.zone)
            pc.assume_timezone(pa.nulls(1, pa.timestamp("us")), field.zone)
    except (pa.ArrowInvalid, zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        found, known = f"the zone {field.zone!r} of {field.name}", zoneinfo.available_timezones()
        cure = f"write zone={closest(field.zone, sorted(known)) or 'UTC'!r}, or another of the IANA's names"
        raise HeadraceError(Fault("HR-DATA-107", "", found, "an IANA zone, such as 'Europe/Rome'", cure)) from error


def broken_period(contract: type[Contract], columns: dict[str, pa.Array]) -> list[Problem]:
    """Return the rows of a state table that end before they begin: no moment would ever see them."""
    start, end = contract.role("valid_from"), contract.role("valid_to")
    if start is None or end is None:
        return []
    rows = where(pc.less_equal(columns[end], columns[start]))
    return [Problem(PERIOD, end, f"is not after {start}", rows)] if len(rows) else []


_Rule = tuple[str, str, Rows, str]
"""Code, what is wrong, where it is, and the word of the promise."""


def _null(field: Field, raw: pa.Array) -> Iterator[Problem]:
    if not field.type.nullable and raw.null_count:
        yield Problem(EMPTY, field.name, "is empty and may not be", where(pc.is_null(raw)), False)


def _bounds(field: Field, values: pa.Array) -> Iterator[_Rule]:
    for name, (beyond, text) in _BOUNDS.items():
        bound = getattr(field, name)
        if bound is not None:
            yield BOUND, f"{text} {bound}", where(beyond(values, _scalar(bound, field.type))), name


def _set(field: Field, values: pa.Array) -> Iterator[_Rule]:
    if field.isin is not None:
        allowed = [value_as(value, field.type) for value in field.isin]
        listed = ", ".join(str(value) for value in field.isin[:10]) + (", …" if len(field.isin) > 10 else "")
        yield SET, f"is none of {listed}", outside(values, allowed), "isin"


def _text(field: Field, values: pa.Array) -> Iterator[_Rule]:
    if field.type.name != "str":
        return
    if field.pattern is not None:
        odd = unlike(values, partial(_matches, field))
        yield PATTERN, f"does not match {field.pattern}", odd, "pattern"
    if field.min_length is not None:
        short = where(pc.less(pc.utf8_length(values), field.min_length))
        yield LENGTH, f"is shorter than {field.min_length}", short, "min_length"
    if field.max_length is not None:
        yield LENGTH, f"is longer than {field.max_length}", longer(values, field.max_length), "max_length"


def _matches(field: Field, values: pa.Array) -> pa.BooleanArray:
    try:
        return pc.match_substring_regex(values, f"^(?:{field.pattern})$")
    except pa.ArrowInvalid as error:
        found = f"the pattern {field.pattern} of {field.name}"
        expected = "a regular expression of RE2 (no look-around, no back-references)"
        raise HeadraceError(Fault("HR-DATA-106", "", found, expected, "write it without these")) from error


def _scalar(value: Any, kind: LogicalType) -> pa.Scalar[Any]:
    """A value that a contract names, to compare columns with; bounds of numbers may lie between those of the type."""
    held = value_as(value, kind)
    if kind.name == "int":
        return pa.scalar(held if isinstance(held, int) else float(held))
    return pa.scalar(held) if kind.name == "decimal" else pa.scalar(held, kind.arrow())
