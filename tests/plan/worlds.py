"""Small worlds of rows: contracts with a column of every type, tables from plain rows, and comparison bit by bit."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, settings

import headrace as hr
from headrace.declare import Contract
from headrace.engines import batch
from headrace.plan.meaning import Plan

Row = Mapping[str, Any]
START = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z in microseconds."""
SECOND, MINUTE, HOUR, DAY = 10**6, 60 * 10**6, 3600 * 10**6, 86_400 * 10**6
LOG = {"_seq": pa.int64(), "_known_at": pa.timestamp("us", tz="UTC")}


class Event(hr.Contract):
    """A column of every type, with the magnitudes at which arithmetic gets hard."""

    at: hr.Timestamp = hr.event_time()
    user: int | None
    shop: str | None
    n: int | None = hr.field(ge=-(2**62) + 1, le=2**62 - 1)
    near: int | None = hr.field(ge=-(2**60) + 1, le=2**60 - 1)
    wide: int | None
    money: hr.Decimal(18, 2) | None
    fine: hr.Decimal(18, 18) | None
    ratio: float | None = hr.field(ge=-1e140, le=1e140)
    share: float | None = hr.field(ge=-1.0, le=1.0)
    free: float | None
    flag: bool | None
    word: str | None
    seen: hr.Timestamp | None
    day: hr.Date | None


class Level(hr.Contract):
    """State of a user."""

    since: hr.Timestamp = hr.valid_from()
    until: hr.Timestamp | None = hr.valid_to()
    user: int | None
    level: int | None = hr.field(ge=0, le=9)
    name: str | None


events = hr.Stream("events", Event)
others = hr.Stream("others", Event)
levels = hr.Table("levels", Level, source="levels.csv")


def table(rows: Sequence[Row], contract: type[Contract]) -> pa.Table:
    """Return plain rows as a lake table would hold them; columns that the first row lacks are left out."""
    types = {name: one.type.arrow() for name, one in contract.fields().items()} | LOG
    names = [name for name in types if not rows or name in rows[0]]
    if not rows:
        names = list(contract.fields())
    return pa.table({name: _array([row[name] for row in rows], types[name]) for name in names})


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_decimal(kind):
        values = [
            None if value is None else Decimal(value).quantize(Decimal(1).scaleb(-kind.scale)) for value in values
        ]
    return pa.array(values, type=kind)


def by_batch(plan: Plan, spine: Sequence[Row], sources: Mapping[str, Sequence[Row]]) -> list[dict[str, Any]]:
    """Return the features of each row by the batch engine."""
    contracts = {group.stream.name: group.stream.contract for group in plan.windows}
    contracts |= {state.table.name: state.table.contract for state in plan.states if state.table.contract}
    assert plan.spine is not None
    tables = {name: table(rows, contracts[name]) for name, rows in sources.items() if name in contracts}
    found = batch.features(plan, table(spine, plan.spine.contract), lambda name, columns: tables[name])
    return found.select([output.name for output in plan.outputs]).to_pylist()


def bits(value: Any) -> Any:
    """Return what two values must share to be the same to the last bit, their type and the sign of zero included."""
    if isinstance(value, float):
        return ("float", struct.pack(">d", value))
    if isinstance(value, list | tuple):
        return [bits(one) for one in value]
    return (type(value).__name__, value)


def differences(left: Iterable[Row], right: Iterable[Row]) -> list[tuple[int, str, Any, Any]]:
    """Return row, feature and both values wherever two lists of rows are not the same."""
    pairs = enumerate(zip(left, right, strict=True))
    return [(at, name, a[name], b[name]) for at, (a, b) in pairs for name in a if bits(a[name]) != bits(b[name])]


def examples(count: int) -> settings:
    """Return how many random worlds a test looks at: a few, or many with HYPOTHESIS_PROFILE=thorough."""
    thorough = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
    few = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    return settings(max_examples=count * 25 if thorough else count, deadline=None, suppress_health_check=few)
