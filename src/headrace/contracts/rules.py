"""What a contract promises about the values of a column: each rule one comparison of the whole column."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.clock import to_us
from headrace.contracts.problems import BOUND, EMPTY, LENGTH, PATTERN, PERIOD, SET, Problem, where
from headrace.declare import Contract, Field
from headrace.errors import Fault, HeadraceError
from headrace.types import LogicalType

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
    rules = [*_null(field, raw), *_bounds(field, values), *_set(field, values), *_text(field, values)]
    found = [(code, text, where(mask), shown) for code, text, mask, shown in rules]
    return [Problem(code, field.name, text, rows, shown) for code, text, rows, shown in found if len(rows)]


def check_rules(contract: type[Contract]) -> list[Fault]:
    """Return the rules of a contract that cannot be applied, such as a pattern or a bound of another type."""
    faults: list[Fault] = []
    for field in contract.fields().values():
        # Patterns are only compiled when there is a text to match.
        sample = pa.array([""]) if field.type.name == "str" else pa.nulls(1, field.type.arrow())
        try:
            broken(field, sample, sample)
        except HeadraceError as error:
            faults += [replace(fault, place=contract.place) for fault in error.faults]
    return faults


def broken_period(contract: type[Contract], columns: dict[str, pa.Array]) -> list[Problem]:
    """Return the rows of a state table that end before they begin: no moment would ever see them."""
    start, end = contract.role("valid_from"), contract.role("valid_to")
    if start is None or end is None:
        return []
    rows = where(pc.less_equal(columns[end], columns[start]))
    return [Problem(PERIOD, end, f"is not after {start}", rows)] if len(rows) else []


_Rule = tuple[str, str, pa.BooleanArray, bool]


def _null(field: Field, raw: pa.Array) -> Iterator[_Rule]:
    if not field.type.nullable and raw.null_count:
        yield EMPTY, "is empty and may not be", pc.is_null(raw), False


def _bounds(field: Field, values: pa.Array) -> Iterator[_Rule]:
    for name, (outside, text) in _BOUNDS.items():
        bound = getattr(field, name)
        if bound is not None:
            yield BOUND, f"{text} {bound}", outside(values, scalar(bound, field.type)), True


def _set(field: Field, values: pa.Array) -> Iterator[_Rule]:
    if field.isin is not None:
        allowed = pa.array([scalar(value, field.type).as_py() for value in field.isin], values.type)
        listed = ", ".join(str(value) for value in field.isin[:10]) + (", …" if len(field.isin) > 10 else "")
        outside = pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, allowed)))
        yield SET, f"is none of {listed}", outside, True


def _text(field: Field, values: pa.Array) -> Iterator[_Rule]:
    if field.type.name != "str":
        return
    if field.pattern is not None:
        yield PATTERN, f"does not match {field.pattern}", pc.invert(_matches(field, values)), True
    if field.min_length is not None:
        short = pc.less(pc.utf8_length(values), field.min_length)
        yield LENGTH, f"is shorter than {field.min_length}", short, True
    if field.max_length is not None:
        long = pc.greater(pc.utf8_length(values), field.max_length)
        yield LENGTH, f"is longer than {field.max_length}", long, True


def _matches(field: Field, values: pa.Array) -> pa.BooleanArray:
    try:
        return pc.match_substring_regex(values, f"^(?:{field.pattern})$")
    except pa.ArrowInvalid as error:
        found = f"the pattern {field.pattern} of {field.name}"
        expected = "a regular expression of RE2 (no look-around, no back-references)"
        raise HeadraceError(Fault("HR-DATA-106", "", found, expected, "write it without these")) from error


def scalar(bound: Any, logical: LogicalType) -> pa.Scalar[Any]:
    """Return a value that a contract names (a bound, a member of a set) as an Arrow value to compare columns with.

    Raises:
        HeadraceError: HR-DATA-107 when it is no value of the field's type.

    Example:
        >>> from headrace.types import Decimal
        >>> scalar(0.5, Decimal(12, 2)).as_py()
        Decimal('0.5')
    """
    try:
        return _SCALARS.get(logical.name, _same)(bound, logical)
    except (ValueError, TypeError, ArithmeticError, pa.ArrowInvalid) as error:
        found = f"{bound!r} in a contract, as a value of a field of type {logical.bare!r}"
        cure = "write it as such a value, or change the type of the field"
        raise HeadraceError(Fault("HR-DATA-107", "", found, "a value of that type", cure)) from error


def _same(bound: Any, logical: LogicalType) -> pa.Scalar[Any]:
    return pa.scalar(bound, logical.arrow())


def _number(bound: Any, _logical: LogicalType) -> pa.Scalar[Any]:
    return pa.scalar(float(bound)) if isinstance(bound, (float, decimal.Decimal)) else pa.scalar(int(bound))


def _exact(bound: Any, _logical: LogicalType) -> pa.Scalar[Any]:
    return pa.scalar(decimal.Decimal(str(bound)))


def _moment(bound: Any, _logical: LogicalType) -> pa.Scalar[Any]:
    moment = datetime.datetime.fromisoformat(bound) if isinstance(bound, str) else bound
    return pa.scalar(to_us(moment), pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def _day(bound: Any, _logical: LogicalType) -> pa.Scalar[Any]:
    return pa.scalar(datetime.date.fromisoformat(bound) if isinstance(bound, str) else bound, pa.date32())


_SCALARS: dict[str, Callable[[Any, LogicalType], pa.Scalar[Any]]] = {
    "int": _number,
    "decimal": _exact,
    "timestamp": _moment,
    "date": _day,
}
