"""Tables of the lake: versions, order, names, columns, and what is said when something is not there."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import deltalake
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.errors import HeadraceError
from headrace.lake import Lake, parts


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def rows(*numbers: int) -> pa.Table:
    return pa.table({"n": pa.array(numbers, pa.int64())})


def test_versions(lake: Lake) -> None:
    first = lake.append("t", rows(1, 2), message={"why": "first"})
    second = lake.append("t", rows(3))
    third = lake.overwrite("t", pa.table({"other": ["x"]}))
    assert lake.read("t", version=first)["n"].to_pylist() == [1, 2]
    assert lake.read("t", version=second)["n"].to_pylist() == [1, 2, 3]
    assert lake.read("t").to_pylist() == [{"other": "x"}]
    assert (lake.version("t"), lake.rows("t"), lake.rows("t", second)) == (third, 1, 3)
    assert [(one["version"], one["rows"], one["message"]) for one in lake.history("t")][-2] == (1, 2, {"why": "first"})


def test_as_of_a_moment(lake: Lake) -> None:
    lake.append("t", rows(1))
    moments = {one["version"]: one["at"] for one in lake.history("t")}
    assert lake.read("t", at=moments[1])["n"].to_pylist() == [1]
    with pytest.raises(
        HeadraceError, match=r"HR-LAKE-007: found t did not exist yet at 20\d\d-.*a moment from 20\d\d-"
    ):
        lake.read("t", at=moments[0] - 1)


def test_rows_keep_their_order_across_batches_files_and_commits(lake: Lake) -> None:
    """Deltalake's own writer mixes the batches of a reader; the order of events is part of their meaning."""
    numbers = np.arange(1, 700_001)
    table = pa.table({"_seq": numbers})
    lake.append("t", pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=50_000)))
    lake.append("t", pa.table({"_seq": np.arange(700_001, 700_004)}))
    assert np.array_equal(lake.read("t")["_seq"].to_numpy(), np.arange(1, 700_004))
    parts = list(lake.batches("t", batch_rows=100_000))
    assert max(part.num_rows for part in parts) == 100_000
    assert np.array_equal(np.concatenate([part["_seq"].to_numpy() for part in parts]), np.arange(1, 700_004))


def test_every_type_of_a_contract_is_read_back_as_written(lake: Lake) -> None:
    schema = pa.schema(
        {
            "i": pa.int64(), "f": pa.float64(), "b": pa.bool_(), "s": pa.string(), "t": pa.timestamp("us", "UTC"),
            "d": pa.date32(), "m": pa.decimal128(18, 2), "l": pa.list_(pa.string()),
        }
    )  # fmt: skip
    values = {
        "i": [1],
        "f": [0.1],
        "b": [True],
        "s": ["é"],
        "t": [0],
        "d": [0],
        "m": [Decimal("1.50")],
        "l": [["x", None]],
    }
    table = pa.table({k: pa.array(v, schema.field(k).type) for k, v in values.items()}, schema=schema)
    table = pa.concat_tables([table, pa.Table.from_pylist([{}], schema=schema)])
    lake.append("t", table)
    assert lake.read("t").equals(table)
    assert lake.schema("t").names == schema.names
    assert pa.Table.from_batches(lake.batches("t", columns=["m", "l"])).equals(table.select(["m", "l"]))
    assert deltalake.DeltaTable(str(lake.root / "t")).to_pyarrow_table().num_rows == 2


def test_bounds_in_the_log_let_readers_skip_files(lake: Lake) -> None:
    lake.append("t", pa.table({"n": [3, 9], "at": pa.array([0, 1], pa.timestamp("us", "UTC"))}))
    (added,) = pa.table(deltalake.DeltaTable(str(lake.root / "t")).get_add_actions(flatten=True)).to_pylist()
    assert (added["num_records"], added["min.n"], added["max.n"]) == (2, 3, 9)


def test_no_rows(lake: Lake) -> None:
    lake.append("t", rows(), once=("a", 1))
    assert (lake.read("t").num_rows, lake.files("t"), list(lake.batches("t")), lake.committed("t", "a")) == (
        0,
        [],
        [],
        1,
    )
    assert lake.sql("select count(*) as c from t").to_pylist() == [{"c": 0}]


def test_unknown_things_have_a_nearest_name(lake: Lake) -> None:
    lake.append("payments", rows(1))
    attempts: list[tuple[Callable[[], object], str]] = [
        (lambda: lake.read("paymets"), "HR-LAKE-001: found no table paymets in the lake.*did you mean 'payments'"),
        (lambda: lake.read("payments", version=7), "HR-LAKE-007: found payments has no version 7; expected .* 0 to 1"),
        (lambda: lake.read("payments", columns=["m"]), "HR-LAKE-011: found payments has no column m"),
        (lambda: lake.append("../x", rows(1)), "HR-LAKE-004: found the table name '../x'"),
        (
            lambda: lake.append("payments", pa.table({"n": ["x"]})),
            "HR-LAKE-008: found rows for payments that differ .* n;",
        ),
    ]
    for wrong, text in attempts:
        with pytest.raises(HeadraceError, match=text):
            wrong()
    assert lake.tables() == ["payments"]


def test_a_schema_can_be_given(lake: Lake) -> None:
    lake.append("t", pa.table({"n": pa.array([1], pa.int32())}), schema=pa.schema([("n", pa.int64())]))
    assert lake.schema("t").field("n").type == pa.int64()


def test_a_lock_waits_and_is_free_again(lake: Lake) -> None:
    with lake.lock("t"), pytest.raises(HeadraceError, match="HR-LAKE-009: found t has been worked on by another"):
        lake.lock("t", wait_s=0.05).__enter__()
    with lake.lock("t", wait_s=0):
        assert lake.tables() == []


def test_wide_rows_make_smaller_row_groups_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "GROUP_BYTES", 8_000)
    monkeypatch.setattr(parts, "GROUP_ROWS", 1_000)
    monkeypatch.setattr(parts, "PART_ROWS", 2_000)
    lake = Lake(tmp_path)
    lake.append("narrow", pa.table({"n": range(3_000)}))
    lake.append("wide", pa.table({f"n{column}": range(3_000) for column in range(10)}))

    def groups(file: str) -> list[int]:
        told = pq.read_metadata(file)
        return [told.row_group(number).num_rows for number in range(told.num_row_groups)]

    assert [groups(file) for file in lake.files("narrow")] == [[1_000, 1_000], [1_000]]
    assert [groups(file) for file in lake.files("wide")] == [[100, 100]] * 15
    assert lake.compact("wide").files_before == 0, "a full file of a wide table is full"
