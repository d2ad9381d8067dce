"""Rules beyond single fields, and what becomes of rows by their severity: all in one pass over a batch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace.contracts import Across, KeyIndex, tally, validate
from headrace.contracts.keys import repeated
from headrace.contracts.quality import Figures, History, instability


class Sale(hr.Contract):
    sale_id: int = hr.key()
    net: int = hr.field(ge=0, le=1000)
    gross: int | None = hr.field(le=1000, severity="warn")
    word: str | None = hr.field(isin=["a", "b"])
    receipt: str | None
    shop: int | None
    above = hr.check("gross >= net", severity="warn")
    small = hr.check("net * 2 < 100 or word = 'a'")
    one_receipt = hr.unique("shop", "receipt")
    known_shop = hr.reference("shop", to="shops")


def sales(**columns: list[Any]) -> pa.Table:
    rows = len(next(iter(columns.values())))
    plain = {"sale_id": list(range(rows)), "net": [1] * rows, "gross": [2] * rows}
    empty = {name: [None] * rows for name in ("word", "receipt", "shop")}
    given = {**plain, **empty, **columns}
    kinds = {name: one.type.arrow() for name, one in Sale.fields().items()}
    return pa.table({name: pa.array(values, kinds[name]) for name, values in given.items()})


def shops(*ids: int) -> Any:
    return lambda _: [pa.table({"shop": list(ids)})]


def reasons(batch: pa.Table, across: Across | None = None) -> dict[int, list[str]]:
    aside = validate(Sale, batch, across).quarantined
    return dict(zip(aside["_row"].to_pylist(), aside["reasons"].to_pylist(), strict=True))


def test_a_row_is_rejected_with_all_its_reasons() -> None:
    found = reasons(sales(net=[1, 60, 60, -5], word=["a", "b", "a", "c"]))
    assert found == {
        2: ["HR-QUALITY-010 small: does not hold: net * 2 < 100 or word = 'a'"],
        4: ["HR-DATA-004 net: -5 is below 0", "HR-DATA-005 word: c is none of a, b"],
    }


def test_what_warns_is_taken_and_counted() -> None:
    result = validate(Sale, sales(net=[5, 5, 5], gross=[4, 2000, None]))
    assert result.accepted.num_rows == 3
    assert result.counts == {}
    assert {one.name: one.rows.tolist() for one in result.problems} == {"gross le": [1], "above": [0]}


def test_null_leaves_a_condition_open() -> None:
    assert reasons(sales(net=[60], word=[None])) == {}
    assert duckdb.sql("select 60 * 2 < 100 or null = 'a'").fetchall() == [(None,)]


def test_a_condition_is_not_judged_on_values_beyond_bounds() -> None:
    assert reasons(sales(net=[2**62])) == {1: [f"HR-DATA-004 net: {2**62} is above 1000"]}


def test_unique_columns_across_batches_and_nulls() -> None:
    across = Across(Sale, referred=shops(1, 2))
    first = sales(sale_id=[1, 2, 3, 4], shop=[1, 2, None, None], receipt=["x", "x", "x", "x"])
    assert reasons(first, across) == {}
    second = sales(sale_id=[5, 6], shop=[2, 1], receipt=["x", "y"])
    assert reasons(second, across) == {1: ["HR-QUALITY-011 shop, receipt: 2, x are those of an earlier row"]}


def test_what_one_rule_keeps_out_takes_nothing_from_later_rows() -> None:
    rows = sales(sale_id=[1, 1, 2, 3], shop=[1, 1, 1, 1], receipt=["x", "y", "y", "x"])
    found = reasons(rows, Across(Sale, referred=shops(1)))
    assert {row: [one[:14] for one in said] for row, said in found.items()} == {
        2: ["HR-DATA-008 sa"],
        4: ["HR-QUALITY-011"],
    }


def test_references_to_another_table() -> None:
    found = reasons(sales(shop=[1, 7, None]), Across(Sale, referred=shops(1, 2)))
    assert found == {2: ["HR-QUALITY-012 shop: 7 is not in shops"]}


def test_a_key_field_that_stops() -> None:
    class One(hr.Contract):
        id: int = hr.key(severity="stop")

    result = validate(One, pa.table({"id": [1, 1]}))
    assert [(one.name, one.severity) for one in result.problems] == [("key", "stop")]


def test_missing_values_are_never_taken() -> None:
    class One(hr.Contract):
        n: int = hr.field(ge=0, severity="warn")

    result = validate(One, pa.table({"n": ["1", "", "x", "-1"]}))
    assert result.accepted["n"].to_pylist() == [1, -1]
    assert result.quarantined["_row"].to_pylist() == [2, 3]


def test_bounds_that_only_warn_hold_nothing_for_exact_totals() -> None:
    class Loose(hr.Contract):
        at: hr.Timestamp = hr.event_time()  # type: ignore[valid-type]
        n: int = hr.field(ge=0, le=9, severity="warn")
        m: int = hr.field(ge=0, le=9)

    from headrace.plan.domains import domains

    found = domains(Loose)
    assert (found["n"].low, found["n"].high, found["m"].high) == (None, None, 9)


Rows = list[tuple[int, int, bool]]


def one_by_one(rows: Rows) -> tuple[list[int], list[int]]:
    """The slow and obvious way: each row after the other against sets of what was accepted."""
    keys: set[int] = set()
    others: set[int] = set()
    first, second = [], []
    for place, (key, other, good) in enumerate(rows):
        if key in keys:
            first.append(place)
        if other in others:
            second.append(place)
        if good and key not in keys and other not in others:
            keys.add(key)
            others.add(other)
    return first, second


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.booleans()), max_size=24), st.integers(1, 9))
def test_two_indexes_agree_with_rows_taken_one_by_one(rows: Rows, size: int) -> None:
    indexes = [KeyIndex(["k"]), KeyIndex(["o"])]
    found: tuple[list[int], list[int]] = ([], [])
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        keys = [pa.table({"k": [row[0] for row in part]}), pa.table({"o": [row[1] for row in part]})]
        good = np.array([row[2] for row in part], np.bool_)
        for mine, at in zip(found, repeated(indexes, keys, good, [True, True]), strict=True):
            mine += (at + start).tolist()
    assert found == one_by_one(rows)


def test_a_tally_knows_the_same_rules(tmp_path: Path) -> None:
    parts: Iterable[pa.Table] = [
        sales(sale_id=[1, 2, 3], net=[60, 5, 5], gross=[99, 4, 9], word=["b", None, None]),
        sales(sale_id=[4, 5, 6], shop=[1, 9, 1], receipt=["x", "x", "x"]),
    ]
    with tally(Sale, shops(1)) as counted:
        for part in parts:
            counted.take(part)
        counted.settle()
    assert (counted.rows, counted.broken) == (6, 3)
    assert dict(counted.warned) == {"HR-QUALITY-010 above: does not hold: gross >= net": 1}
    said = {one.rule: (one.checked, one.failed) for one in counted.figures.verdicts()}
    assert said["small"] == said["known_shop"] == said["one_receipt"] == said["above"] == (6, 1)
    assert said["rows"] == (6, 3)


def test_instability_is_that_of_the_book() -> None:
    # by hand: (.4-.5)·ln(.4/.5) + (.6-.5)·ln(.6/.5), with half a row in each bin, which a million rows hide
    assert instability([500_000, 500_000], [400_000, 600_000]) == pytest.approx(0.0405465, abs=1e-6)


class Reading(hr.Contract):
    value: float | None
    shape = hr.distribution("value", within=0.2)


def read(values: Any, history: History) -> Figures:
    figures = Figures(Reading, history)
    figures.take(len(values), pa.table({"value": pa.array(values, pa.float64(), from_pandas=True)}), [])
    return figures


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        (lambda v: v, True),
        (lambda v: v + 1.5, False),
        (lambda v: np.where(np.arange(len(v)) % 3 == 0, np.nan, v), False),
        (lambda v: v[:50] + 9, True),
    ],
    ids=["same", "shifted", "a third is missing", "too few to tell"],
)
def test_a_distribution_is_held_against_the_last_loads(change: Any, kept: bool) -> None:
    chance, history = np.random.default_rng(5), History()
    for _ in range(3):
        history = history.learned(read(chance.normal(size=5000), history))
    verdict = {one.rule: one for one in read(change(chance.normal(size=5000)), history).verdicts()}["shape"]
    assert verdict.ok is kept


@pytest.mark.parametrize("isin", [None, ["card", "cash", "other"]])
@pytest.mark.parametrize(("shares", "kept"), [((0.7, 0.2, 0.1), True), ((0.2, 0.7, 0.1), False)])
def test_a_distribution_of_texts_is_held_too(isin: list[str] | None, shares: Any, kept: bool) -> None:
    class Payment(hr.Contract):
        kind: str | None = hr.field(isin=isin)
        shape = hr.distribution("kind")

    chance, history = np.random.default_rng(5), History()

    def figures(shares: Any) -> Figures:
        found = Figures(Payment, history)
        for part in np.split(chance.choice(["card", "cash", "other"], 4000, p=shares), 2):
            found.take(len(part), pa.table({"kind": pa.array(part, pa.string())}), [])
        return found

    for _ in range(2):
        history = history.learned(figures((0.7, 0.2, 0.1)))
    verdict = {one.rule: one for one in figures(shares).verdicts()}["shape"]
    assert (verdict.ok, verdict.value is None) == (kept, False)


def test_profiles_tell_nothing_of_personal_fields() -> None:
    class Person(hr.Contract):
        age: int = hr.field(privacy="personal")
        customer_id: int = hr.field(subject=True)
        n: int

    figures = Figures(Person)
    figures.take(2, pa.table({"age": [30, 40], "customer_id": [1, 2], "n": [5, 6]}), [])
    ends = {one.name: (one.as_row()["least"], one.as_row()["most"]) for one in figures.profiles.values()}
    assert ends == {"age": (None, None), "customer_id": (None, None), "n": (5.0, 6.0)}
