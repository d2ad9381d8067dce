"""Reading a part: the same rows as a filter over all of them, from no more files than need be."""

import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from headrace.lake import Lake, Within, parts
from headrace.lake.log import ordered

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path)
    for begin in range(1, 40, 10):
        seq = pa.array(range(begin, begin + 10), pa.int64())
        at = pa.array(
            [START + datetime.timedelta(hours=n) for n in range(begin, begin + 10)], pa.timestamp("us", "UTC")
        )
        lake.append("t", pa.table({"_seq": seq, "at": at, "s": [f"{n}" if n % 7 else None for n in seq.to_pylist()]}))
    return lake


def read(lake: Lake, within: Within) -> list[int]:
    return [seq for batch in lake.batches("t", within=within) for seq in batch["_seq"].to_pylist()]


def us(hours: int) -> int:
    return int((START + datetime.timedelta(hours=hours)).timestamp()) * 1_000_000


@pytest.mark.parametrize(("low", "high"), [(None, None), (1, 40), (11, 20), (15, 16), (40, None), (None, 1), (41, 50)])
def test_the_rows_between_bounds_in_their_order(lake: Lake, low: int | None, high: int | None) -> None:
    expected = [n for n in range(1, 41) if (low or 0) <= n <= (high or 99)]
    assert read(lake, Within("_seq", low, high)) == expected
    moments = (None if one is None else us(one) for one in (low, high))
    assert read(lake, Within("at", *moments)) == expected


def test_files_without_such_rows_are_not_opened(lake: Lake) -> None:
    for path in lake.files("t")[:3]:
        Path(path).write_bytes(b"nothing that could be read")
    assert read(lake, Within("_seq", low=32)) == list(range(32, 41))
    assert read(lake, Within("at", low=us(32))) == list(range(32, 41))


def test_row_groups_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "GROUP_ROWS", 100)
    lake = Lake(tmp_path)
    lake.append("t", pa.table({"_seq": pa.array(range(1, 1001), pa.int64())}))
    sizes = [batch.num_rows for batch in lake.batches("t", within=Within("_seq", low=951), batch_rows=100)]
    assert sizes == [50]


def test_nulls_lie_nowhere(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append("t", pa.table({"_seq": pa.array([1, 2, 3], pa.int64()), "n": pa.array([None, 5, None], pa.int64())}))
    assert [b["n"].to_pylist() for b in lake.batches("t", within=Within("n"))] == [[5]]


def test_times_that_another_writer_rounded_down(tmp_path: Path) -> None:
    import deltalake

    at = pa.array([START.replace(microsecond=1999)], pa.timestamp("us", "UTC"))
    deltalake.write_deltalake(str(tmp_path / "t"), pa.table({"at": at}))
    low = pc.cast(at, pa.int64())[0].as_py()
    assert sum(batch.num_rows for batch in Lake(tmp_path).batches("t", within=Within("at", low=low))) == 1
    (file,) = ordered(deltalake.DeltaTable(str(tmp_path / "t")))
    assert (file["min.at"], file["max.at"]) == (low - 999, low)
