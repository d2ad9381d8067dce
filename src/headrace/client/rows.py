"""Rows on their way to a service: whatever holds them in Python, written so that no digit and no zone is lost."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from headrace.errors import Fault, HeadraceError

ROWS_AT_ONCE, BYTES_AT_ONCE = 1000, 4 << 20
"""Of one request; longer ones go in several."""
_AS_TEXT = (decimal.Decimal, uuid.UUID)


def as_json(row: Any) -> bytes:
    """Return a row as one line of JSON.

    Args:
        row: a mapping, a dataclass, or what has ``_asdict`` or ``model_dump`` as named tuples and models of Pydantic
            do. Decimals go as text, times in ISO 8601, members of an ``Enum`` as their values.

    Raises:
        HeadraceError: HR-CLIENT-004 for what JSON cannot hold.

    Example:
        >>> as_json({"amount": decimal.Decimal("12.50"), "at": datetime.date(2026, 1, 31)})
        b'{"amount":"12.50","at":"2026-01-31"}'
    """
    try:
        return json.dumps(_fields(row), default=_plain, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        cure = "write None for a value that is not there"
        raise _cannot("a number that is not finite, or a row within itself", cure) from None
    except TypeError as error:
        # our own words, and those of json, name types and no values
        raise _cannot(str(error), "give numbers, text, Decimal, datetime, date, None, lists and mappings") from None


def batches(rows: Iterable[Any], unsent: dict[int, HeadraceError] | None = None) -> Iterator[list[bytes]]:
    """Yield rows as JSON, so many at once as a service takes.

    Args:
        rows: as for ``as_json``.
        unsent: takes what JSON cannot hold, by the place of the row; without it the first such row is raised.

    Raises:
        HeadraceError: HR-CLIENT-004, as ``as_json``.
    """
    some, size = list[bytes](), 0
    for place, row in enumerate(rows):
        try:
            line = as_json(row)
        except HeadraceError as error:
            if unsent is None:
                raise
            unsent[place] = error
            continue
        if some and (len(some) == ROWS_AT_ONCE or size + len(line) >= BYTES_AT_ONCE):
            yield some
            some, size = [], 0
        some.append(line)
        size += len(line) + 1
    if some:
        yield some


def rows_of(table: Any) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table of Arrow, or of what gives its rows to Arrow, as Polars and pandas do."""
    import pyarrow as pa

    for batch in pa.table(table).to_batches(max_chunksize=ROWS_AT_ONCE):
        yield from batch.to_pylist()


def is_table(rows: Any) -> bool:
    """Return whether rows are a table."""
    return hasattr(rows, "__arrow_c_stream__")


def _fields(row: Any) -> dict[str, Any]:
    if isinstance(row, Mapping):
        return dict(row)
    if dataclasses.is_dataclass(row) and not isinstance(row, type):
        return {one.name: getattr(row, one.name) for one in dataclasses.fields(row)}
    for method in ("_asdict", "model_dump"):
        if callable(made := getattr(row, method, None)) and not isinstance(row, type):
            return dict(made())
    raise TypeError(f"a row that is a {type(row).__name__}")


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, _AS_TEXT):
        return str(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat(timespec="microseconds") if value.microsecond else value.isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if callable(item := getattr(value, "item", None)) and not getattr(value, "ndim", 0):
        return item()  # a scalar of NumPy
    if isinstance(value, tuple | set | frozenset) or not isinstance(value, type):
        return _inner(value)
    raise TypeError(f"a value that is a {type(value).__name__}")


def _inner(value: Any) -> Any:
    if isinstance(value, Mapping) or dataclasses.is_dataclass(value):
        return _fields(value)
    raise TypeError(f"a value that is a {type(value).__name__}")


def _cannot(found: str, cure: str) -> HeadraceError:
    return HeadraceError(Fault("HR-CLIENT-004", "row", found, "what JSON can hold", cure))
