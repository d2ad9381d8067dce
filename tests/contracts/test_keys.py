"""The key index: exactly the rows whose key an earlier accepted row has, whatever the batches and the hashes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.contracts import KeyIndex, held, keys

_ROW = st.tuples(st.integers(0, 4) | st.none(), st.sampled_from(["a", "b", ""]), st.booleans())


def table(rows: list[tuple[int | None, str, bool]]) -> pa.Table:
    return pa.table(
        {"a": pa.array([row[0] for row in rows], pa.int64()), "b": pa.array([row[1] for row in rows], pa.string())}
    )


def plainly(rows: list[tuple[int | None, str, bool]], seen: set[tuple[int | None, str]]) -> list[int]:
    repeats = []
    for at, (a, b, good) in enumerate(rows):
        if a is None:
            continue
        if (a, b) in seen:
            repeats.append(at)
        elif good:
            seen.add((a, b))
    return repeats


@pytest.mark.parametrize("bits", [64, 1])
@settings(max_examples=40, deadline=None)
@given(
    stored=st.lists(_ROW, max_size=6), batches=st.lists(st.lists(_ROW, max_size=6), max_size=4), settle=st.booleans()
)
def test_like_a_plain_set(
    bits: int,
    stored: list[tuple[int | None, str, bool]],
    batches: list[list[tuple[int | None, str, bool]]],
    settle: bool,
) -> None:
    """With hashes of one bit nearly all keys collide: only the comparison of the keys themselves is left."""
    lake = [table([row for row in stored if row[0] is not None])]
    seen: set[tuple[int | None, str]] = {(a, b) for a, b, _ in stored if a is not None}
    index = KeyIndex(["a", "b"], lambda: list(lake))
    hashes = keys._hashes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "_hashes", lambda one: hashes(one) & np.uint64(2**bits - 1))
        for rows in batches:
            good = np.array([row[2] for row in rows], np.bool_)
            before = set(seen)
            assert index.repeated(table(rows), good).tolist() == plainly(rows, seen)
            if settle:
                lake.append(table([(a, b, True) for a, b in sorted(seen - before)]))
                index.settle()


def test_many_runs_are_merged() -> None:
    index = KeyIndex(["a"])
    for start in range(0, 200, 10):
        batch = pa.table({"a": list(range(start, start + 10))})
        assert index.repeated(batch, np.ones(10, np.bool_)).tolist() == []
    everything = pa.table({"a": list(range(200))})
    assert index.repeated(everything, np.ones(200, np.bool_)).tolist() == list(range(200))


@settings(max_examples=60, deadline=None)
@given(
    stored=st.lists(st.integers(-5, 20), max_size=8, unique=True),
    batches=st.lists(st.tuples(st.lists(st.integers(-5, 60) | st.none(), max_size=8), st.booleans()), max_size=8),
    bits=st.sampled_from([64, 3]),
)
def test_numbers_that_grow_and_numbers_that_do_not(
    stored: list[int], batches: list[tuple[list[int | None], bool]], bits: int
) -> None:
    """Keys that ascend are not hashed until some do not; a filter of a few bits lets nothing through that is held."""
    seen: set[tuple[int | None, str]] = {(one, "") for one in stored}
    index = KeyIndex(["a"], lambda: [pa.table({"a": pa.array(stored, pa.int64())})])
    hashes = keys._hashes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "_hashes", lambda one: hashes(one) >> np.uint64(64 - bits) << np.uint64(64 - bits))
        patch.setattr(held, "_WORTH_IT", 4)
        patch.setattr(held, "_AT_ONCE", 3)
        for values, ascending in batches:
            rows = sorted(values, key=lambda one: (one is None, one)) if ascending else values
            one = pa.table({"a": pa.array(rows, pa.int64())})
            expected = plainly([(value, "", True) for value in rows], seen)
            assert index.repeated(one, np.ones(len(rows), np.bool_)).tolist() == expected
