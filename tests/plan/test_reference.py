"""The batch engine against the oracle, bit by bit, on random worlds."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace.kernel import threads as kernel_threads
from headrace.kernel.aggregates import catalogue
from headrace.plan import compile_features, reference
from headrace.plan.meaning import Plan
from tests.plan.strategies import VALUES, columns_of, logs, row, spines, usual, versions, windows
from tests.plan.worlds import DAY, MINUTE, START, by_batch, differences, events, examples, levels, others

ALL = list(VALUES)
BY = st.sampled_from([("user",), ("shop",), ("user", "shop"), ("shop", "user")])


def plan_of(by: tuple[str, ...], features: dict[str, hr.Window], source: hr.Stream = events) -> Plan:
    return compile_features([hr.Features("g", source, by=hr.Entity(*by), features=features)], events)


@pytest.mark.parametrize("kind", list(catalogue()))
def test_batch_agrees_with_the_oracle(kind: str) -> None:
    @given(st.data())
    @examples(20)
    def check(data: Any) -> None:
        plan = plan_of(data.draw(BY), {"f": data.draw(windows(kind)), "g": data.draw(windows(kind))})
        log = data.draw(logs(ALL))
        spine = data.draw(spines(log, ALL))
        learned = data.draw(st.permutations(log))
        expected = reference.features(plan, spine, {"events": log})
        assert differences(expected, by_batch(plan, spine, {"events": learned})) == []

    check()


@given(st.data())
@examples(25)
def test_other_streams_agree_with_the_oracle(data: Any) -> None:
    kind = data.draw(st.sampled_from(list(catalogue())))
    window = data.draw(windows(kind).filter(lambda one: not one.include_current))
    plan = plan_of(data.draw(BY), {"f": window}, others)
    log = data.draw(logs(ALL))
    spine = data.draw(spines(data.draw(logs(ALL, most=8)), ALL))
    expected = reference.features(plan, spine, {"others": log})
    assert differences(expected, by_batch(plan, spine, {"others": log})) == []


@given(st.data())
@examples(10)
def test_events_without_sequence_or_known_time_are_known_as_they_happen_in_the_order_given(data: Any) -> None:
    kind = data.draw(st.sampled_from(["last", "first", "last_n", "sum"]))
    plan = plan_of(("user",), {"f": data.draw(windows(kind))})
    log = data.draw(st.lists(row(ALL), max_size=12))
    assert differences(reference.features(plan, log, {"events": log}), by_batch(plan, log, {"events": log})) == []


@given(st.data())
@examples(60)
def test_states_agree_with_the_oracle(data: Any) -> None:
    features = {"level": "level", "more": "level + 1", "name": "coalesce(name, 'none')", "gone": "name is null"}
    plan = compile_features([hr.Features("s", levels, by=hr.Entity("user"), features=features)], events)
    table = data.draw(versions())
    spine = data.draw(spines(data.draw(logs([])), []))
    expected = reference.features(plan, spine, {"levels": table})
    assert differences(expected, by_batch(plan, spine, {"levels": table})) == []


@given(st.data())
@examples(8)
def test_pieces_and_threads_change_nothing(data: Any) -> None:
    kind = data.draw(st.sampled_from(list(catalogue())))
    plan = plan_of(("user",), {"f": data.draw(windows(kind))})
    log = data.draw(logs(ALL, most=20))
    whole = by_batch(plan, log, {"events": log})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("headrace.kernel.windows.in_threads", _in_single_keys)
        patch.setattr("headrace.kernel.windows.IN_CACHE", 1)
        assert differences(whole, by_batch(plan, log, {"events": log})) == []
    for user in (1, 2, None):  # a partition by key holds all that its rows need
        part = [one for one in log if one["user"] == user]
        mine = [value for value, one in zip(whole, log, strict=True) if one["user"] == user]
        assert differences(mine, by_batch(plan, part, {"events": part})) == []


def _in_single_keys(work: Any, segments: Any) -> None:
    for at in reversed(range(len(segments))):
        work(segments[at : at + 1])


def test_threads_share_the_work_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np
    import pyarrow as pa

    from headrace.engines import batch

    rng = np.random.default_rng(7)
    rows = 60_000
    user = pa.array(rng.integers(0, 500, rows))
    at = pa.array(np.sort(rng.integers(0, 10**12, rows))).cast(pa.timestamp("us", tz="UTC"))
    table = pa.table({"at": at, "user": user, "share": pa.array(rng.uniform(-1, 1, rows))})
    plan = plan_of(
        ("user",), {"m": hr.mean("share", ["1h", "1d"]), "v": hr.var("share", "1d"), "x": hr.max("share", "1d")}
    )
    made = []
    for threads in (1, 2, 7):
        monkeypatch.setattr(kernel_threads, "cores", lambda threads=threads: threads)
        kernel_threads._pool.cache_clear()
        made.append(batch.features(plan, table, lambda name, columns: table))
    kernel_threads._pool.cache_clear()
    assert made[0].equals(made[1])
    assert made[0].equals(made[2])


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("rows", [1, 25])
def test_long_histories(late: bool, rows: int) -> None:
    """A request for one row of a long history finds its windows in another way than a batch does."""
    random = Random(rows + late)
    features = {}
    for kind in catalogue():
        value = [name for name in ("free", "share", "near") if name in columns_of(kind)]
        features[kind] = hr.aggregate(kind, random.choice(value), ["1h", "1d", "lifetime"], **usual(kind))
    plan = plan_of(("user",), features)
    log = []
    for seq in range(1, 301):
        at = START + random.randrange(0, 3 * DAY, MINUTE)
        fields = {"near": random.choice([None, 7, -7, random.randrange(2**59)])}
        fields |= {"share": random.uniform(-1, 1), "free": random.gauss(0, 1) * 1e200}
        known = START + 3 * DAY + seq if late else at
        log.append({"at": at, "user": 1, **fields, "_known_at": known, "_seq": seq})
    if not late:
        log.sort(key=lambda one: one["at"])
        log = [{**one, "_seq": seq} for seq, one in enumerate(log, 1)]
    spine = random.sample(log, rows)
    assert differences(reference.features(plan, spine, {"events": log}), by_batch(plan, spine, {"events": log})) == []
