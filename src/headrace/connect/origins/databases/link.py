"""What each database has to bring: its columns with their types, and the rows of a SELECT as Arrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """A column of a table or query.

    Args:
        name: as the database has it.
        kind: its type, as the contract is checked against.
        select: SQL that delivers it so that nothing is lost on the way, such as a cast to text.
        declared: its type in the database's own words.
        cursor: Arrow type of its values as a cursor; null where only they tell it; None where it has no order that one
            could go on from.
        order: SQL by which its values as a cursor are compared and sorted; the column itself where that is empty. Texts
            are compared by their code points, as here, and not by a collation, for which ``a`` may be ``A``.
    """

    name: str
    kind: pa.DataType
    select: str
    declared: str
    cursor: pa.DataType | None = None
    order: str = ""


@dataclass(frozen=True)
class Bound:
    """A value as SQL, and what is bound to it."""

    sql: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Ask:
    """What follows the columns of a SELECT.

    Args:
        source: a table's name, or a query in brackets with its alias.
        where, order, end: clauses, or nothing.
        values: bound to ``where``.
    """

    source: str
    where: str = ""
    order: str = ""
    end: str = ""
    values: tuple[Any, ...] = ()

    @property
    def sql(self) -> str:
        return " ".join(one for one in (f"from {self.source}", self.where, self.order, self.end) if one)


class Link(Protocol):
    """A connection to one database, within one snapshot of it."""

    def quoted(self, name: str) -> str:
        """Return a name as SQL."""

    def columns(self, source: str) -> list[Column]:
        """Return the columns of a table or sub-query."""

    def bound(self, column: Column, value: Any) -> Bound:
        """Return a cursor's value as SQL of the type of its column."""

    def rows(self, columns: Sequence[Column], ask: Ask, batch_rows: int) -> Iterator[pa.Table]:
        """Yield the rows of a SELECT of columns."""

    def close(self) -> None:
        """Let go of the connection."""
