"""The request path and the batch path agree to the last bit on random events: ties, late ones, nulls, lists."""

import numpy as np
import pyarrow as pa
import pytest

import headrace as hr
from headrace.contracts.json import column
from headrace.engines.batch import features as batch_features
from headrace.engines.batch import row_contract, source_contracts
from headrace.engines.frame import feature_array, frame
from headrace.kernel.column import held
from headrace.plan import compile_features
from headrace.serve.values import leaving
from headrace.testing import request_path
from headrace.types import LogicalType
from tests.plan.worlds import bits, differences

STAMP = pa.timestamp("us", tz="UTC")


class Event(hr.Contract):
    key: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    who: int
    place: str | None
    amount: hr.Decimal(9, 2) | None = hr.field(ge=0, le=10_000)
    ratio: float = hr.field(ge=-10, le=10)


class Person(hr.Contract):
    who: int
    since: hr.Timestamp = hr.valid_from()
    town: str


events = hr.Stream("events", Event)
people = hr.Table("people", Person, source="x")
pair, who = hr.Entity("who", "place"), hr.Entity("who")
windows = {
    "n": hr.count(["10s", "40s"]),
    "mean": hr.mean("amount", "30s", delay="2s"),
    "std": hr.std("ratio", "20s", where="amount > 50"),
    "places": hr.nunique("place", "30s"),
    "last": hr.last_known("place", "lifetime"),
    "top": hr.top_k("place", "lifetime", k=2),
    "some": hr.last_n("amount", "25s", n=3, hop="5s"),
    "q": hr.quantile("ratio", "lifetime", q=0.5),
    "own": hr.sum("amount", "9s", include_current=True),
    "decayed": hr.decayed_sum("ratio", half_life="7s"),
}
one = hr.Features("one", events, by=who, features=windows)
both = hr.Features("both", events, by=pair, features={"n": hr.count("30s")})
town = hr.Features("town", people, by=who, features={"name": "town", "long": "length(town)"})
row = hr.Features("row", events, features={"share": "amount / one.mean", "same": "place = one.last"})


def table(random, n):
    at = random.integers(0, 60, n) * 1_000_000
    late = np.where(random.random(n) < 0.3, random.integers(0, 20, n) * 1_000_000, 0)
    where = [None if x == 3 else "åbc"[x] for x in random.integers(0, 4, n)]
    amount = pa.array(random.integers(0, 10_000, n), pa.int64(), mask=random.random(n) < 0.2)
    return pa.table(
        {
            "key": [f"k{i}" for i in range(n)],
            "at": pa.array(at, pa.int64()).cast(STAMP),
            "who": random.integers(0, 3, n),
            "place": pa.array(where, pa.string()),
            "amount": amount.cast(pa.decimal128(19, 0)).cast(pa.decimal128(9, 2), safe=False),
            "ratio": np.round(random.normal(0, 3, n).clip(-10, 10), 3),
            "_seq": np.arange(1, n + 1),
            "_known_at": pa.array(at + late, pa.int64()).cast(STAMP),
        }
    )


@pytest.mark.parametrize("seed", range(25))
def test_rows_asked_one_by_one_get_the_values_of_the_batch(seed):
    random = np.random.default_rng(seed)
    plan = compile_features([row, one, both, town], events)
    history, asked = table(random, 60), table(random, 25)
    since = pa.array(random.integers(0, 40, 6) * 1_000_000, pa.int64()).cast(STAMP)
    towns = pa.table({"who": random.integers(0, 3, 6), "since": since, "town": [f"t{i}" for i in range(6)]})
    contracts = source_contracts(plan)
    tables = {"events": history, "people": towns}
    sources = {name: frame(tables[name], columns, contracts[name], name) for name, columns in plan.sources.items()}
    for spine in (asked, asked.drop_columns(["_seq", "_known_at"])):
        rows = frame(spine, tuple(dict.fromkeys(("at", *plan.row_columns))), row_contract(plan), "rows")
        batch = batch_features(plan, spine, lambda name, columns: tables[name])
        single = request_path(plan, rows, "at", sources)
        assert differences(single.to_pylist(), batch.select(single.column_names).to_pylist()) == []


def test_a_value_leaves_a_service_as_it_leaves_the_batch():
    kinds = {"float": [0.1, -0.0, None], "bool": [True, None], "int": [2**63 - 1, None], "str": ["ü", None]}
    for name, values in kinds.items():
        made = column(LogicalType(name), values)
        assert [bits(leaving(held(made, i), made.type)) for i in range(len(values))] == [
            bits(value) for value in feature_array(made).to_pylist()
        ]
    decimals = column(LogicalType("decimal", precision=18, scale=2), [10**17 + 1, -5, None])
    left = [leaving(held(decimals, i), decimals.type) for i in range(3)]
    assert [bits(value) for value in left] == [bits(value) for value in feature_array(decimals).to_pylist()]
