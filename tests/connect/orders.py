"""What the tests of origins read: orders, and readers of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import headrace as hr
from headrace.connect.origins import Place, Reader


class Order(hr.Contract):
    """One order of a shop, as an API or a collection has it."""

    order_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()  # type: ignore[valid-type]
    customer_id: int
    amount: hr.Decimal(8, 2) = hr.field(ge=0)  # type: ignore[valid-type]
    customer_name_last: str | None
    lines: str | None
    tags: list[str] | None


def order(number: int, **more: Any) -> dict[str, Any]:
    """An order as JSON has it, with its customer nested in it and a field that nobody asked for."""
    at = f"2026-01-{number % 28 + 1:02}T00:00:00Z"
    row = {"order_id": str(number), "at": at, "customer": {"id": number, "name": {"last": "Li"}}, "amount": "1.50"}
    return row | {"beside": 1} | more


def place_in(folder: Path, contract: type[hr.Contract] = Order) -> Place:
    return Place("orders", contract, folder)


def texts(reader: Reader, since: Any = None, batch_rows: int = 1000) -> list[str]:
    """All rows of a reader that gives texts of JSON."""
    return [text for text, _ in pairs(reader, since, batch_rows)]


def pairs(reader: Reader, since: Any = None, batch_rows: int = 1000) -> list[tuple[str, Any]]:
    """All rows with their cursors."""
    return list(_pairs(reader, since, batch_rows))


def _pairs(reader: Reader, since: Any, batch_rows: int) -> Iterator[tuple[str, Any]]:
    with closing(reader):
        for batch in reader.batches(since, batch_rows):
            assert len(batch.rows) <= batch_rows
            cursors = [None] * len(batch.rows) if batch.cursor is None else batch.cursor.to_pylist()
            yield from zip(batch.rows.to_pylist(), cursors, strict=True)
