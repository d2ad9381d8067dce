"""Fields of a contract, as a team writes them: type, role, what bounds the values, and what they mean."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from headrace.declare.base import here
from headrace.declare.rules import REJECT
from headrace.declare.sheet import Sheet
from headrace.types import STR, LogicalType, plain_member

ROLES = ("key", "event_time", "known_time", "valid_from", "valid_to")
TIME_ROLES = ROLES[1:]
NO_COLUMN = ', ; { } ( ) = "'
"""What no column of a Delta table may have in its name, beside blanks."""
OF_THE_LAKE = ("_seq", "_known_at", "_load")
"""Columns that each row of the lake has beside those of its contract."""
HEADS = ("field", "type", "role", "bounds", "unit", "privacy")


@dataclass(frozen=True)
class Field:
    """One field of a contract: its type, what bounds it, and what it means."""

    name: str = ""
    type: LogicalType = STR
    role: str = ""
    ge: Any = None
    gt: Any = None
    le: Any = None
    lt: Any = None
    isin: tuple[Any, ...] | None = None
    pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    unit: str = ""
    privacy: str = ""
    subject: bool = False
    zone: str = ""
    description: str = ""
    severity: str = REJECT
    default: Any = ...
    inner: tuple[Field, ...] = ()
    place: str = dataclasses.field(default="", compare=False, repr=False)

    @property
    def may_lack(self) -> bool:
        """Whether a source may have no such column: it is null then."""
        return self.default is None

    @property
    def item(self) -> Field:
        """What each item of a list is: all that is promised of the list, but for its length."""
        return replace(self, type=self.type.item or self.type, role="", min_length=None, max_length=None)

    @property
    def parts(self) -> tuple[Field, ...]:
        """The fields within a struct, by their paths: ``address.city`` is in ``address``."""
        return tuple(replace(one, name=f"{self.name}.{one.name}") for one in self.inner)

    def row(self) -> tuple[str, ...]:
        """Return what is shown of it: name, type, role, what bounds it, unit, privacy."""
        return self.name, repr(self.type), self.role, self._bounds(), self.unit, self.privacy

    def _bounds(self) -> str:
        words: list[tuple[str, Any]] = [("≥", self.ge), (">", self.gt), ("≤", self.le), ("<", self.lt)]
        words += [("like", self.pattern), ("length ≥", self.min_length), ("length ≤", self.max_length)]
        said = [f"{word} {bound}" for word, bound in words if bound is not None]
        if self.isin is not None:
            members = self.isin if isinstance(self.isin, tuple) else (self.isin,)
            said.append(f"one of {', '.join(map(str, members))}")
        return ", ".join(said)

    def _repr_html_(self) -> str:
        return Sheet("Field", self.description, HEADS, (self.row(),)).html()


def is_inner(name: object) -> bool:
    """Return whether a field within a column can have a name, such as ``city`` of ``address.city``.

    Example:
        >>> is_inner("order-id"), is_inner("order.id")
        (True, False)
    """
    return is_column(name) and "." not in str(name)


def is_column(name: object) -> bool:
    """Return whether a column of a table in the lake can have a name.

    Example:
        >>> is_column("order-id"), is_column("order id")
        (True, False)
    """
    if not isinstance(name, str) or not name or name.startswith("#"):
        return False
    return name.isprintable() and not any(letter in name for letter in NO_COLUMN)


def field(
    *,
    name: str = "",
    ge: Any = None,
    gt: Any = None,
    le: Any = None,
    lt: Any = None,
    isin: Iterable[Any] | None = None,
    pattern: str | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    unit: str = "",
    privacy: str = "",
    subject: bool = False,
    zone: str = "",
    description: str = "",
    severity: str = REJECT,
    default: Any = ...,
) -> Any:
    """Say more about a field of a contract.

    Args:
        name: of the column, where Python cannot write it, such as ``"class"`` or ``"order-id"``.
        ge, gt, le, lt: bounds; a value outside is quarantined, and sums are exact within them.
        isin: the only values allowed; of an ``Enum`` and a ``Literal`` their own.
        pattern: regular expression (RE2) that the whole string must match.
        min_length, max_length: of a string, in characters; of a list, in items. All else holds for each item.
        unit: unit of the value, for readers and reports, e.g. ``"EUR"``.
        privacy: tag that follows the column, e.g. ``"pseudonym"`` or ``"personal"``.
        subject: whether the column names the person whom the row is about.
        zone: IANA zone in which times without an offset are to be read, e.g. ``"UTC"``.
        description: one sentence for the reader.
        severity: what becomes of a value that breaks bounds, set, pattern or length: ``"warn"`` takes and counts it,
            ``"reject"`` puts its row into quarantine, ``"stop"`` refuses its load. A value that is missing or of
            another type is never taken.
        default: None for a column that a source may have or not; it is null there. Written ``= None`` where nothing
            else is said of the field.

    Returns:
        A ``Field`` for the class body of a ``Contract``.

    Example:
        >>> field(ge=0, unit="EUR").ge
        0
    """
    chosen: Any = isin  # one alone, such as a text, is told with all other faults
    if isinstance(isin, Iterable) and not isinstance(isin, str | bytes):
        chosen = tuple(map(plain_member, isin))
    return Field(
        name=name,
        ge=ge,
        gt=gt,
        le=le,
        lt=lt,
        isin=chosen,
        pattern=pattern,
        min_length=min_length,
        max_length=max_length,
        unit=unit,
        privacy=privacy,
        subject=subject,
        zone=zone,
        description=description,
        severity=severity,
        default=default,
        place=here(),
    )


def key(**more: Any) -> Any:
    """Mark a field as (part of) the key: unique within a file and across all of them."""
    return replace(field(**more), role="key")


def event_time(**more: Any) -> Any:
    """Mark the field that says when the event happened (UTC, microseconds)."""
    return replace(field(**more), role="event_time")


def known_time(**more: Any) -> Any:
    """Mark the field that says when the system learned of the event; without one, history counts as known at once."""
    return replace(field(**more), role="known_time")


def valid_from(**more: Any) -> Any:
    """Mark the field of a state table from which on (inclusive) its row holds."""
    return replace(field(**more), role="valid_from")


def valid_to(**more: Any) -> Any:
    """Mark the field of a state table until which (exclusive) its row holds; null means it still does."""
    return replace(field(**more), role="valid_to")
