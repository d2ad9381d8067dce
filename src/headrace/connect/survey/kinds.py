"""Types by looking at values: as narrow as all of them allow, with room for others of their sort."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from headrace.contracts.text import DAY, MOMENT, OFFSET
from headrace.types import BOOL, FLOAT, INT, MOST_DIGITS, STR, Date, Decimal, LogicalType, Timestamp, list_of

_LARGEST = pa.scalar(2**63 - 1, pa.uint64())
_INT = r"^-?(0|[1-9][0-9]{0,17})$"
_DECIMAL = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"
_FLOAT = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_LOST = r"^[+-]?(0[0-9]|[0-9]{16})"
"""What a float would lose: zeros in front, and digits beyond those that every float holds."""
_BOOL = r"^(?i)(true|false)$"
_EXACT = 15
"""Digits that every float holds: of longer numbers, such as those of a tweet, neighbours would become one."""
_SCALE, _ROOM = 6, 2
"""Digits behind the point beyond which it is a measurement, and digits kept free before it."""
CODES = re.compile(r"phone|mobile|fax|zip|postcode|postal|plz|iban|account_?n|card_?n|barcode|ean|isbn|ssn|vat", re.I)
"""Names of columns whose digits are a text: nobody adds them up."""
_DECLARED = re.compile(r"(?:numeric|decimal|number)\s*\(\s*(\d+)\s*(?:,\s*(\d+))?\s*\)", re.I)
_WORDS = ("bool", "tinyint(1)")


def kind_of(
    name: str, values: pa.ChunkedArray, told: pa.DataType, declared: str, *, loose: bool, timed: bool
) -> LogicalType:
    """Return the type of a column, without a word on nulls.

    Args:
        name: of the column.
        values: as received.
        told: its type as its origin tells it.
        declared: its type in the words of a database, or empty.
        loose: whether text may be of any type.
        timed: whether text may be times.
    """
    if (digits := _DECLARED.match(declared)) and not declared.endswith("]"):
        if (kind := _decimal(int(digits[1]), int(digits[2] or 0))) is not None:
            return kind
        loose = True
    if pat.is_integer(values.type) and declared.lower().startswith(_WORDS) and _are_flags(values):
        return BOOL
    if pat.is_uint64(values.type) and pc.any(pc.greater(values, _LARGEST)).as_py():
        return STR
    if pat.is_timestamp(told):
        return Timestamp
    if pat.is_date(told):
        return Date
    if pat.is_string(values.type) or pat.is_large_string(values.type):
        return _of_text(name, values.drop_null(), loose=loose, timed=timed)
    found = of_type(values.type) or STR
    if found.item is not None and pc.list_flatten(values).null_count:
        return list_of(found.item | None)
    return found


def of_type(kind: pa.DataType) -> LogicalType | None:
    """Return the type of a contract that a type of Arrow is, None where there is none."""
    if pat.is_decimal(kind):  # a wider one is taken as wide as a contract has it: what does not fit is quarantined
        return _decimal(min(kind.precision, MOST_DIGITS), kind.scale)
    if pat.is_list(kind) or pat.is_large_list(kind):
        item = of_type(kind.value_type)
        return None if item is None or item.name in ("list", "decimal") else list_of(item)
    table = ((pat.is_boolean, BOOL), (pat.is_integer, INT), (pat.is_floating, FLOAT), (pat.is_string, STR),
             (pat.is_large_string, STR), (pat.is_timestamp, Timestamp), (pat.is_date, Date), (pat.is_null, STR),
             (pat.is_dictionary, STR))  # fmt: skip
    return next((logical for test, logical in table if test(kind)), None)


def has_offset(values: pa.ChunkedArray) -> bool:
    """Return whether times, as a type or as text, say their zone."""
    if pat.is_timestamp(values.type):
        return values.type.tz is not None
    return not pat.is_string(values.type) or _all(values.drop_null(), f"^{MOMENT}{OFFSET}$")


def _decimal(precision: int, scale: int) -> LogicalType | None:
    return Decimal(precision, scale) if 0 <= scale <= precision <= MOST_DIGITS and precision else None


def _are_flags(values: pa.ChunkedArray) -> bool:
    return bool(pc.all(pc.is_in(values.drop_null(), pa.array([0, 1], values.type))).as_py() in (True, None))


def _of_text(name: str, values: pa.ChunkedArray, *, loose: bool, timed: bool) -> LogicalType:
    if not len(values):
        return STR
    if (timed or loose) and _all(values, f"^{MOMENT}({OFFSET})?$"):
        return Timestamp
    if (timed or loose) and _all(values, f"^{DAY}$"):
        return Date
    if not loose or CODES.search(name):
        return STR
    if _all(values, _INT):
        return INT
    if _all(values, _BOOL):
        return BOOL
    if _all(values, _DECIMAL):
        return _of_digits(values)
    return FLOAT if _all(values, _FLOAT) and not pc.any(pc.match_substring_regex(values, _LOST)).as_py() else STR


def _of_digits(values: pa.ChunkedArray) -> LogicalType:
    """A decimal with the digits that were seen behind the point, and room before it."""
    plain = pc.replace_substring(values, "-", "")
    point = pc.find_substring(plain, ".")
    length = pc.utf8_length(plain)
    before = pc.if_else(pc.less(point, 0), length, point)
    whole, behind = _most(before), _most(pc.subtract(pc.subtract(length, before), pc.if_else(pc.less(point, 0), 0, 1)))
    if behind > _SCALE or whole + behind > MOST_DIGITS:
        return FLOAT if behind and whole <= _EXACT else INT if not behind and _are_int64(values) else STR
    return Decimal(min(MOST_DIGITS, max(whole + _ROOM, _SCALE) + behind), behind)


def _are_int64(values: pa.ChunkedArray) -> bool:
    try:
        pc.cast(values, pa.int64())
    except pa.ArrowInvalid:
        return False
    return True


def _most(values: Any) -> int:
    return int(pc.max(values).as_py())


def _all(values: pa.ChunkedArray, form: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(values, form)).as_py())
