"""Text to typed columns: strict forms only, whole columns at a time, and a reason for each value that does not fit."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.contracts.forms import matches, strange
from headrace.contracts.problems import (
    CALENDAR,
    DIGITS,
    LOCAL,
    NAIVE,
    NOT_FINITE,
    RANGE,
    TYPE,
    Problem,
    Rows,
    blank,
    where,
)
from headrace.declare import Field
from headrace.types import LogicalType

Read = tuple[pa.Array, list[Problem]]
"""A column in the contract's type, null where it could not be read, and why it could not."""

_INT = r"^-?[0-9]+$"
_FLOAT = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_NOT_FINITE = r"^(?i)[+-]?(nan|inf|infinity)$"
_BOOL = r"^(?i)(true|false|0|1)$"
DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
MOMENT = DAY + r"[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
OFFSET = r"(Z|[+-][0-9]{2}(:?[0-5][0-9])?)"
_TABLES_END, _CALENDAR_ENDS = "2037-01-01", "9999-12-30"
"""Behind the first of these days tables of time zones tell no change of clocks, only the rule for all that come."""
_DECIMAL = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)$"


def read_text(field: Field, raw: pa.Array) -> Read:
    """Return a column of text in a field's type, with the problems of what is not of that type."""
    return _READERS[field.type.name](field, raw)


def safe_cast(values: pa.Array, target: pa.DataType) -> tuple[pa.Array, Rows]:
    """Return values cast without any loss, null where that cannot be, and the positions at which it cannot."""
    try:
        return pc.cast(values, target), np.empty(0, np.int64)
    except pa.ArrowInvalid:
        bad = _refused(values, target)
        return pc.cast(blank(values, bad), target), bad


def in_zone(field: Field, naive: pa.Array) -> tuple[pa.Array, Rows]:
    """Return naive times as moments in the field's zone, and the positions whose clock time is not one moment there."""
    utc = pa.timestamp("us", tz="UTC")
    early, late = (
        pc.cast(pc.assume_timezone(naive, field.zone, ambiguous=which, nonexistent=which), utc)
        for which in ("earliest", "latest")
    )
    first, last = (pa.scalar(day).cast(naive.type) for day in (_TABLES_END, _CALENDAR_ENDS))
    beyond = where(pc.and_(pc.greater_equal(naive, first), pc.less(naive, last)))
    if len(beyond):
        later = naive.take(pa.array(beyond))
        early, late = (_with(one, beyond, _by_rule(later, field.zone, fold)) for fold, one in enumerate((early, late)))
    bad = where(pc.not_equal(early, late))
    return blank(early, bad), bad


def _by_rule(naive: pa.Array, zone: str, fold: int) -> pa.Array:
    """Return naive times as moments by the rule of a zone, which Arrow does not know for the years after its table."""
    there, coded = zoneinfo.ZoneInfo(zone), pc.dictionary_encode(naive)
    moments = [one.replace(tzinfo=there, fold=fold) for one in coded.dictionary.to_pylist()]
    return pa.array(moments, pa.timestamp("us", tz="UTC")).take(coded.indices)


def _with(column: pa.Array, places: Rows, values: pa.Array) -> pa.Array:
    mask = np.zeros(len(column), np.bool_)
    mask[places] = True
    return pc.replace_with_mask(column, pa.array(mask), values)


def naive_text(field: Field) -> str:
    """Return the problem and the cure for a time without zone."""
    helper = f"hr.{field.role}" if field.role else "hr.field"
    return f'has no time zone (cure: an offset such as Z, or {helper}(zone="UTC") in the contract)'


def local_text(field: Field) -> str:
    """Return the problem of a clock time that a change of clocks skips or repeats."""
    return f"is no single moment in {field.zone}: clocks change there then"


def _refused(values: pa.Array, target: pa.DataType) -> Rows:
    """Find what a cast refuses by halving: a few casts for each bad value, none for each good one."""
    bad: list[int] = []
    spans = [(0, len(values))]
    while spans:
        start, end = spans.pop()
        try:
            pc.cast(values.slice(start, end - start), target)
        except pa.ArrowInvalid:
            if end - start == 1:
                bad.append(start)
                continue
            step = max(1, (end - start) // 16)
            spans += [(at, min(at + step, end)) for at in range(start, end, step)]
    return np.array(sorted(bad), np.int64)


def _split(
    raw: pa.Array, form: str, match: Callable[..., pa.BooleanArray] = pc.match_substring_regex
) -> tuple[pa.Array, Rows]:
    """Return the values of a form, null elsewhere, and the positions of those that have another form."""
    bad = where(pc.invert(match(raw, form)))
    return blank(raw, bad), bad


def _numbers(raw: pa.Array, target: pa.DataType, letters: bytes) -> tuple[pa.Array, Rows] | None:
    """Return the numbers of a column, and the positions of what holds other letters; None where one must look closer.

    Of the letters of a number only numbers can be cast, so that none of them needs a regular expression.
    """
    other = strange(raw, letters)
    with suppress(pa.ArrowInvalid):
        return pc.cast(blank(raw, other), target), other
    return None


def _int(field: Field, raw: pa.Array) -> Read:
    found = _numbers(raw, pa.int64(), b"-0123456789")
    return _any_int(field, raw) if found is None else (found[0], _found(field, (TYPE, "is not an int", found[1])))


def _simple(form: str, beyond: str, said: str) -> Callable[[Field, pa.Array], Read]:
    def read(field: Field, raw: pa.Array) -> Read:
        fitting, other = _split(raw, form)
        values, refused = safe_cast(fitting, field.type.arrow())
        kind = _a(field.type)
        return values, _found(field, (TYPE, f"is not {kind}", other), (beyond, said, refused))

    return read


def _float(field: Field, raw: pa.Array) -> Read:
    found = _numbers(raw, pa.float64(), b"-+.eE0123456789")
    if found is None:
        fitting, other = _split(raw, _FLOAT)
        found = pc.cast(fitting, pa.float64()), other
    values, other = found
    endless = where(pc.is_inf(values))
    odd = other[where(pc.match_substring_regex(raw.take(pa.array(other)), _NOT_FINITE))]
    wrong = np.setdiff1d(other, odd)
    return blank(values, endless), _found(
        field, (TYPE, "is not a float", wrong), (NOT_FINITE, "is not a finite number", np.union1d(odd, endless))
    )


def _timestamp(field: Field, raw: pa.Array) -> Read:
    aware = matches(raw, f"^{MOMENT}{OFFSET}$")
    if pc.all(pc.fill_null(aware, True)).as_py():
        values, never = safe_cast(raw, field.type.arrow())
        return values, _found(field, (CALENDAR, _NO_DAY, never))
    naive = matches(raw, f"^{MOMENT}$")
    other = where(pc.invert(pc.or_(aware, naive)))
    values, never = safe_cast(pc.if_else(aware, raw, None), field.type.arrow())
    problems = [(TYPE, "is not a timestamp (ISO 8601, at most microseconds)", other), (CALENDAR, _NO_DAY, never)]
    if not field.zone:
        return values, _found(field, *problems, (NAIVE, naive_text(field), where(naive)))
    clock, never_there = safe_cast(pc.if_else(naive, raw, None), pa.timestamp("us"))
    moments, changed = in_zone(field, clock)
    problems += [(CALENDAR, _NO_DAY, never_there), (LOCAL, local_text(field), changed)]
    return pc.coalesce(values, moments), _found(field, *problems)


def _date(field: Field, raw: pa.Array) -> Read:
    fitting, other = _split(raw, f"^{DAY}$", matches)
    values, never = safe_cast(fitting, field.type.arrow())
    return values, _found(field, (TYPE, "is not a date", other), (CALENDAR, _NO_DAY, never))


def _decimal(field: Field, raw: pa.Array) -> Read:
    precision, scale = field.type.precision, field.type.scale
    whole = precision - scale
    exact, unfit = _split(raw, rf"^[+-]?(0*[0-9]{{0,{whole}}}(\.[0-9]{{0,{scale}}}0*)?)$")
    rest = raw.take(pa.array(unfit))
    number = pc.match_substring_regex(rest, _DECIMAL)
    odd = pc.match_substring_regex(rest, _NOT_FINITE)
    digits, endless = unfit[where(number)], unfit[where(odd)]
    bare = where(pc.match_substring_regex(exact, r"^[+-]?\.?$"))
    wrong = np.union1d(np.setdiff1d(unfit, np.union1d(digits, endless)), bare)
    # Zeros in front or behind change no value, but the cast counts them as digits.
    plain = pc.replace_substring_regex(blank(exact, bare), r"^([+-]?)0+([0-9])", r"\1\2")
    if pc.any(pc.match_substring_regex(plain, rf"\.[0-9]{{{scale}}}0+$")).as_py():
        plain = pc.replace_substring_regex(plain, rf"(\.[0-9]{{{scale}}})0+$", r"\1")
    values, refused = safe_cast(plain, field.type.arrow())
    return values, _found(
        field,
        (TYPE, "is not a decimal number", wrong),
        (NOT_FINITE, "is not a finite number", endless),
        (DIGITS, digits_text(field.type), np.union1d(digits, refused)),
    )


def digits_text(logical: LogicalType) -> str:
    """Return the problem of a number that a decimal type cannot hold exactly."""
    whole, scale = logical.precision - logical.scale, logical.scale
    return f"has more than {whole} digits before or {scale} after the point, and nothing is rounded"


def _string(_field: Field, raw: pa.Array) -> Read:
    return pc.cast(raw, pa.string()), []


def _a(logical: LogicalType) -> str:
    return f"an {logical.name}" if logical.name[0] in "aeiou" else f"a {logical.name}"


def _found(field: Field, *found: tuple[str, str, Rows]) -> list[Problem]:
    return [Problem(code, field.name, text, rows) for code, text, rows in found if len(rows)]


_any_int = _simple(_INT, RANGE, "does not fit in 64 bits")
_NO_DAY = "is not a date or time that exists"
_READERS: dict[str, Callable[[Field, pa.Array], Read]] = {
    "int": _int,
    "float": _float,
    "bool": _simple(_BOOL, TYPE, "is not a bool"),
    "str": _string,
    "timestamp": _timestamp,
    "date": _date,
    "decimal": _decimal,
}
