"""The batch engine on tables as they come: empty ones, wrong ones, and the columns that it hands on."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

import headrace as hr
from headrace.engines import batch
from headrace.errors import HeadraceError
from headrace.kernel.aggregates import catalogue
from headrace.plan import compile_features
from tests.plan.strategies import columns_of, usual
from tests.plan.worlds import START, Event, Level, by_batch, events, levels, table

USER = hr.Entity("user")
PLAN = compile_features(
    [hr.Features("g", events, by=USER, features={"c": hr.count("1d"), "m": hr.max("n", "1d")})], events
)
ONE = {"at": START, "user": 1, "n": 5}


def run(spine: pa.Table, sources: dict[str, pa.Table] | None = None, plan: Any = PLAN) -> pa.Table:
    found = {"events": table([ONE], Event)} if sources is None else sources
    return batch.features(plan, spine, lambda name, columns: found[name])


@pytest.mark.parametrize("kind", list(catalogue()))
def test_no_rows_and_no_events(kind: str) -> None:
    column = columns_of(kind)[0]
    feature = hr.aggregate(kind, column, "1d", include_current=True, **usual(kind))
    plan = compile_features([hr.Features("g", events, by=USER, features={"f": feature})], events)
    row = ONE | {column: None}
    assert by_batch(plan, [], {"events": []}) == []
    assert by_batch(plan, [], {"events": [row]}) == []
    assert len(by_batch(plan, [row], {"events": []})) == 1


def test_no_rows_of_a_state() -> None:
    plan = compile_features([hr.Features("s", levels, by=USER, features={"l": "level", "n": "name"})], events)
    nothing = {"levels": table([], Level)}
    assert run(table([ONE], Event), nothing, plan).select(["s.l", "s.n"]).to_pylist() == [{"s.l": None, "s.n": None}]
    assert run(table([], Event), nothing, plan).num_rows == 0


def test_the_spine_is_handed_on_as_it_is_with_features_behind() -> None:
    spine = table([ONE, ONE | {"at": START + 1}], Event).append_column("mine", pa.array(["a", "b"]))
    made = run(spine)
    assert made.column_names == [*spine.column_names, "g.c", "g.m"]
    assert made.select(spine.column_names).equals(spine)
    assert made.column("g.c").to_pylist() == [0, 1]


def test_types_of_features() -> None:
    types = {"i": "n", "f": "ratio", "d": "money", "b": "flag", "s": "word", "t": "seen", "y": "day"}
    group = hr.Features("g", events, by=USER, features={name: hr.last(value, "1d") for name, value in types.items()})
    plan = compile_features([group], events)
    row = {"at": START, "user": 1} | dict.fromkeys(types.values())
    made = run(table([row], Event), {"events": table([row], Event)}, plan)
    found = [str(made.schema.field(f"g.{name}").type) for name in types]
    assert found == ["int64", "double", "double", "bool", "string", "timestamp[us, tz=UTC]", "date32[day]"]


def refused(spine: pa.Table, code: str, sources: dict[str, pa.Table] | None = None) -> str:
    with pytest.raises(HeadraceError) as error:
        run(spine, sources)
    assert [fault.code for fault in error.value.faults] == [code]
    return str(error.value)


def test_a_missing_column_is_told_with_the_nearest_name() -> None:
    spine = table([ONE], Event).rename_columns(["at", "usr", "n"])
    assert "did you mean 'usr'?" in refused(spine, "HR-FRAME-001")
    assert "events" in refused(table([ONE], Event), "HR-FRAME-001", {"events": table([ONE], Event).drop_columns(["n"])})


def test_a_time_without_a_zone_is_refused() -> None:
    spine = table([ONE], Event).set_column(0, "at", pa.array([START], pa.timestamp("us")))
    assert "tz_localize('UTC')" in refused(spine, "HR-FRAME-002")


def test_a_value_of_another_type_is_refused_without_showing_it() -> None:
    spine = table([ONE], Event).set_column(1, "user", pa.array(["secret"]))
    assert "secret" not in refused(spine, "HR-FRAME-003")


def test_a_row_without_a_time_is_refused() -> None:
    spine = table([ONE, ONE], Event).set_column(0, "at", pa.array([START, None], pa.timestamp("us", "UTC")))
    assert "1 rows of the spine without at" in refused(spine, "HR-FRAME-004")


def test_another_zone_is_the_same_moment() -> None:
    spine = table([ONE | {"at": START + 1}], Event)
    elsewhere = spine.set_column(0, "at", spine.column("at").cast(pa.timestamp("us", "Asia/Tokyo")))
    assert run(elsewhere).column("g.c").to_pylist() == run(spine).column("g.c").to_pylist() == [1]
