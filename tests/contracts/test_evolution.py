"""Each kind of change of a contract: what is compatible, what rows are looked at for, what breaks."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

import headrace as hr
from headrace.contracts.evolution import BREAKING, CHECKED, COMPATIBLE, moves, widens
from headrace.declare.contract import contract_of
from headrace.declare.fields import Field
from headrace.plan.promises import contract_meaning
from headrace.types import FLOAT, INT, STR, Decimal, LogicalType, Timestamp, arrow_schema, list_of

HELD = Field(type=INT, ge=0, le=100)


def kinds(was: Field | None, now: Field | None, beside: Field | None = None) -> list[tuple[str, str]]:
    """Return what a change of the field ``x`` is, beside a field that stays."""
    stays = {"id": Field(type=STR, role="key")}
    before = contract_of("T", stays | ({} if was is None else {"x": was}))
    after = contract_of("T", stays | ({} if now is None else {"x": now}) | ({} if beside is None else {"y": beside}))
    held, wanted = (arrow_schema({n: f.type for n, f in one.fields().items()}) for one in (before, after))
    return [(one.kind, one.said) for one in moves(contract_meaning(before), contract_meaning(after), held, wanted)]


@pytest.mark.parametrize(
    ("was", "now", "kind"),
    [
        (HELD, HELD, None),
        (None, Field(type=INT | None), COMPATIBLE),
        (None, Field(type=INT), BREAKING),
        (None, Field(type=INT, role="key"), BREAKING),
        (HELD, None, BREAKING),
        (HELD, Field(type=INT | None, ge=0, le=100), COMPATIBLE),
        (Field(type=INT | None), Field(type=INT), CHECKED),
        (HELD, Field(type=INT, ge=0, le=200), COMPATIBLE),
        (HELD, Field(type=INT, ge=0), COMPATIBLE),
        (HELD, Field(type=INT, ge=-1, le=100), COMPATIBLE),
        (HELD, Field(type=INT, ge=1, le=100), CHECKED),
        (HELD, Field(type=INT, ge=0, le=99), CHECKED),
        (Field(type=FLOAT, lt=1.5), Field(type=FLOAT, lt=10), COMPATIBLE),
        (Field(type=FLOAT, gt=10), Field(type=FLOAT, gt=9), COMPATIBLE),
        (Field(type=FLOAT), Field(type=FLOAT, gt=0), CHECKED),
        (Field(type=STR, isin=("a", "b")), Field(type=STR, isin=("a", "b", "c")), COMPATIBLE),
        (Field(type=STR, isin=("a", "b")), Field(type=STR, isin=("a",)), CHECKED),
        (Field(type=STR, isin=("a",)), Field(type=STR), COMPATIBLE),
        (Field(type=STR, max_length=5), Field(type=STR, max_length=9), COMPATIBLE),
        (Field(type=STR, max_length=9), Field(type=STR, max_length=5), CHECKED),
        (Field(type=STR, min_length=2), Field(type=STR, min_length=1), COMPATIBLE),
        (Field(type=STR, pattern="a+"), Field(type=STR, pattern="a*"), CHECKED),
        (Field(type=STR, pattern="a+"), Field(type=STR), COMPATIBLE),
        (Field(type=STR), Field(type=STR, privacy="personal", description="a name"), COMPATIBLE),
        (Field(type=INT), Field(type=INT, unit="EUR"), COMPATIBLE),
        (Field(type=INT, unit="EUR"), Field(type=INT, unit="USD"), CHECKED),
        (Field(type=Timestamp, zone="UTC"), Field(type=Timestamp, zone="Europe/Rome"), BREAKING),
        (Field(type=Timestamp), Field(type=Timestamp, role="event_time"), BREAKING),
        (Field(type=Timestamp, role="event_time"), Field(type=Timestamp), BREAKING),
        (Field(type=INT), Field(type=INT, role="key"), BREAKING),
        (Field(type=INT | None), Field(type=INT | None, default=None), COMPATIBLE),
        (Field(type=INT | None, default=None), Field(type=INT | None), COMPATIBLE),
        (Field(type=Decimal(12, 2)), Field(type=Decimal(14, 2)), COMPATIBLE),
        (Field(type=Decimal(12, 2)), Field(type=Decimal(14, 4)), COMPATIBLE),
        (Field(type=Decimal(12, 2)), Field(type=Decimal(12, 4)), BREAKING),
        (Field(type=Decimal(12, 2)), Field(type=Decimal(10, 2)), BREAKING),
        (HELD, Field(type=FLOAT, ge=0, le=100), COMPATIBLE),
        (Field(type=INT), Field(type=FLOAT), CHECKED),
        (HELD, Field(type=Decimal(12, 2), ge=0, le=100), COMPATIBLE),
        (Field(type=INT), Field(type=Decimal(12, 2)), CHECKED),
        (Field(type=FLOAT), Field(type=INT), BREAKING),
        (Field(type=Decimal(12, 2)), Field(type=FLOAT), BREAKING),
        (Field(type=INT), Field(type=STR), BREAKING),
        (Field(type=LogicalType("date")), Field(type=Timestamp), BREAKING),
        (Field(type=list_of(Decimal(8, 2))), Field(type=list_of(Decimal(9, 2))), COMPATIBLE),
        (Field(type=list_of(STR)), Field(type=list_of(INT)), BREAKING),
    ],
)
def test_kinds(was: Field | None, now: Field | None, kind: str | None) -> None:
    assert [one for one, _ in kinds(was, now)] == ([] if kind is None else [kind])


def test_a_renamed_field_is_guessed_at() -> None:
    found = kinds(Field(type=Decimal(8, 2)), None, beside=Field(type=Decimal(8, 2) | None))
    assert found[0] == (BREAKING, "is removed, or renamed to y")


def test_what_is_said() -> None:
    assert kinds(None, Field(type=INT | None))[0][1] == "is new: new rows carry x, older ones have null"
    assert kinds(Field(type=INT), Field(type=INT, role="key"))[0][1] == (
        "is the key now: rows that are there were taken as before"
    )
    assert kinds(HELD, Field(type=INT, ge=5, le=100))[0][1] == "ge: 0 -> 5"
    assert kinds(HELD, replace(HELD, severity="warn"))[0][1] == "severity: reject -> warn"


def test_without_what_was_promised_all_is_to_be_checked() -> None:
    class Reading(hr.Contract):
        value: int

    columns = pa.schema([("value", pa.int64())])
    assert [one.kind for one in moves(None, contract_meaning(Reading), columns, columns)] == [CHECKED]


def test_structures_widen_by_fields() -> None:
    was = pa.struct([("a", pa.decimal128(8, 2))])
    assert widens(was, pa.struct([("a", pa.decimal128(9, 2)), ("b", pa.string())]))
    assert not widens(was, pa.struct([("b", pa.string())]))
