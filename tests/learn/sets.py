"""A small lake and a set over it that needs three passes, for tests of building: deterministic, some pieces long."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import headrace as hr
from headrace.engines import job, spilled
from headrace.lake import Lake

DAY_US = 86_400_000_000
START_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
ROWS, PIECE = 2000, 600
SPILLING = 400_000
"""Bytes of memory that a build of this set cannot do with: it is cut into several partitions."""


class Event(hr.Contract):
    event_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    user: int
    shop: str
    amount: float = hr.field(ge=0, le=1000)


class Truth(hr.Contract):
    at: hr.Timestamp = hr.event_time()
    event_id: str
    bad: int = hr.field(ge=0, le=1)


events, truths = hr.Stream("events", Event), hr.Stream("truths", Truth)
by_user = hr.Features(
    "u",
    events,
    hr.Entity("user"),
    {"n": hr.count("7d"), "mean": hr.mean("amount", "30d"), "_shop": hr.last("shop", "30d")},
)
by_shop = hr.Features("s", events, hr.Entity("shop"), {"users": hr.nunique("user", "30d")})
now = hr.Features("now", events, features={"amount": "amount", "ratio": "amount / u.mean", "moved": "shop <> u._shop"})
label = hr.label(truths, "bad", on="event_id", matures="2d", default=0)


def cases(where: str | None = "amount > 10") -> hr.TrainingSet:
    return hr.TrainingSet("cases", events, [now, by_user, by_shop], label, where=where)


def small_pieces() -> None:
    """Cut the spine into pieces of a few hundred rows."""
    job.PIECE = spilled.PIECE = PIECE


def filled(folder: Path) -> Lake:
    """Return a lake with the events of sixty days and truths about a tenth of them."""
    lake, random = Lake(folder / "lake"), np.random.default_rng(3)
    at = times(np.sort(random.integers(0, 60 * DAY_US, ROWS)) + START_US)
    columns = {"event_id": [f"e{n}" for n in range(ROWS)], "at": at, "user": random.integers(0, 90, ROWS)}
    columns |= {"shop": [f"s{n}" for n in random.integers(0, 30, ROWS)], "amount": random.integers(0, 1000, ROWS) * 1.0}
    lake.append("events", logged(columns))
    told = pc.add(at.cast(pa.int64()).take(pa.array(range(0, ROWS, 10))), DAY_US).cast(at.type)
    ids = pa.array([f"e{n}" for n in range(0, ROWS, 10)])
    lake.append("truths", logged({"at": told, "event_id": ids, "bad": np.ones(len(ids), np.int64)}))
    return lake


def more(lake: Lake) -> None:
    """Append one event, so that the set is another one."""
    last = lake.read("events").slice(ROWS - 1)
    seq = pa.array([ROWS + 1])
    lake.append("events", last.set_column(last.column_names.index("_seq"), "_seq", seq))


def times(us: np.ndarray) -> pa.Array:  # type: ignore[type-arg]
    return pa.array(us).cast(pa.timestamp("us", tz="UTC"))


def logged(columns: dict[str, object]) -> pa.Table:
    table = pa.table(columns)
    seq = pa.array(np.arange(1, table.num_rows + 1))
    return table.append_column("_seq", seq).append_column("_known_at", table["at"])
