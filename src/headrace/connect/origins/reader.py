"""What a reader of an origin is: the rows from a place on, in batches, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from headrace.declare import Contract
from headrace.errors import Fault, HeadraceError


@dataclass(frozen=True)
class Place:
    """For whom an origin is read.

    Args:
        name: of the stream or table, and of what is read where the declaration names nothing else.
        contract: whose fields are read; those that an origin has beside them are left out.
        folder: of the project, to which paths are relative.
    """

    name: str
    contract: type[Contract]
    folder: Path


@dataclass(frozen=True)
class Batch:
    """Rows as an origin has them.

    Args:
        rows: columns of the contract's names in types of the origin's own; or texts, each one JSON object.
        cursor: of each row, if the origin has one: int64, decimal, timestamp (us, UTC or without zone), date or string.
    """

    rows: pa.Table | pa.StringArray
    cursor: pa.Array | None = None


class Reader(Protocol):
    """An open origin; to be closed."""

    ordered: bool
    """Whether rows come in the order of the cursor, so that a reading that was cut off can go on behind its last."""

    def columns(self) -> pa.Schema | None:
        """Return all columns that the origin has now, with their types; None of JSON, where each row has its own."""

    def batches(self, since: Any, batch_rows: int) -> Iterator[Batch]:
        """Yield all rows, or those whose cursor is ``since`` or later; at most ``batch_rows`` at a time."""

    def keys(self, batch_rows: int) -> Iterator[pa.Table]:
        """Yield the keys of all rows that there are."""

    def close(self) -> None:
        """Let go of connections."""


class Away(HeadraceError):
    """An origin that cannot be reached now, or went away in the middle: to be tried again."""


def away(address: str, what: str, cure: str) -> Away:
    """Return the error of an origin that cannot be reached; ``what`` is said without a value of a row or a secret."""
    return Away(Fault("HR-SOURCE-020", address, what, "one that answers", cure))
