"""What other programs ask of who reads and writes their tables: kept, or refused with its name."""

from __future__ import annotations

import json
from pathlib import Path

import deltalake
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.errors import HeadraceError
from headrace.lake import Lake


def _made(lake: Lake, name: str, features: tuple[str, ...] = (), **settings: str) -> None:
    """A table as another program makes it, whose protocol asks for features."""
    deltalake.write_deltalake(str(lake.root / name), pa.table({"n": [1, 2]}), configuration={**settings})
    entry = Path(str(lake.root / name), "_delta_log", f"{0:020}.json")
    lines = [json.loads(line) for line in entry.read_text().splitlines()]
    if features:
        protocol = next(one["protocol"] for one in lines if "protocol" in one)
        protocol.update(minWriterVersion=7, writerFeatures=list(features))
        entry.write_text("".join(f"{json.dumps(one)}\n" for one in lines))


def test_what_a_table_asks_of_its_writers_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    _made(lake, "clustered", ("clustering", "domainMetadata"))
    _made(lake, "checked")
    deltalake.DeltaTable(str(lake.root / "checked")).alter.add_constraint({"pos": "n > 0"})
    _made(lake, "kept", **{"delta.appendOnly": "true"})
    rows = pa.table({"n": [2, -5]})
    gone = pa.table({"n": [1]})
    asked = {"clustered": "with clustering, domainMetadata", "checked": "with the check constraint pos"}
    for name, told in asked.items():
        files, version = sorted(Path(str(lake.root / name)).iterdir()), lake.version(name)
        assert lake.sql(f"select sum(n) as n from {name}")["n"].to_pylist() == [3]
        for work in (
            lambda name=name: lake.append(name, rows),
            lambda name=name: lake.overwrite(name, rows),
            lambda name=name: lake.merge(name, rows, keys=["n"]),
            lambda name=name: lake.replace(name, rows, gone),
        ):
            with pytest.raises(HeadraceError, match=f"HR-LAKE-027: found {name}, {told}"):
                work()
        assert (sorted(Path(str(lake.root / name)).iterdir()), lake.version(name)) == (files, version)
    with pytest.raises(HeadraceError, match="HR-LAKE-027: found clustered"):
        lake.add_columns("clustered", pa.schema([("m", pa.int64())]))
    for work in (lambda: lake.merge("kept", rows, keys=["n"], deletes=gone), lambda: lake.overwrite("kept", rows)):
        with pytest.raises(HeadraceError, match=r"HR-LAKE-027: found kept, with delta\.appendOnly"):
            work()
    assert len([one for one in Path(str(lake.root / "kept")).iterdir() if one.suffix == ".parquet"]) == 1
    assert lake.merge("kept", rows, keys=["n"]).inserted == 1
    assert lake.compact("kept").rows == lake.compact("checked").rows == 0


def test_columns_that_another_program_widened_are_read_in_their_new_type(tmp_path: Path) -> None:
    lake, path = Lake(tmp_path / "lake"), tmp_path / "lake" / "wide"
    narrow = pa.table({"id": pa.array([1, 2], pa.int32()), "at": pa.array([0, 1], pa.date32())})
    deltalake.write_deltalake(str(path), narrow)
    metadata = deltalake.DeltaTable(str(path)).metadata()
    lines = [json.loads(line) for line in (path / "_delta_log" / f"{0:020}.json").read_text().splitlines()]
    told = next(one["metaData"] for one in lines if "metaData" in one)
    changes = {"delta.typeChanges": [{"fromType": "integer", "toType": "long"}]}
    days = {"delta.typeChanges": [{"fromType": "date", "toType": "timestamp_ntz"}]}
    fields = [{"name": "id", "type": "long", "nullable": True, "metadata": changes}]
    fields += [{"name": "at", "type": "timestamp_ntz", "nullable": True, "metadata": days}]
    told["schemaString"] = json.dumps({"type": "struct", "fields": fields})
    features = ["typeWidening", "timestampNtz"]
    protocol = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features}
    naive = pa.array([86_400_000_000], pa.timestamp("us"))
    pq.write_table(pa.table({"id": pa.array([2**40], pa.int64()), "at": naive}), path / "late.parquet")
    size = (path / "late.parquet").stat().st_size
    added = {"path": "late.parquet", "partitionValues": {}, "size": size, "modificationTime": 0, "dataChange": True}
    late = [{"protocol": protocol}, {"metaData": told}, {"add": added | {"stats": '{"numRecords":1}'}}]
    for version, actions in enumerate([late[:2], late[2:]], start=1):
        text = "".join(f"{json.dumps(one)}\n" for one in actions)
        (path / "_delta_log" / f"{version:020}.json").write_text(text)
        assert metadata.id == told["id"]
        assert lake.sql("select sum(id) as n from wide")["n"].to_pylist() == [3 if version == 1 else 2**40 + 3]
        assert lake.sql("from wide").schema.field("id").type == pa.int64()
        assert lake.sql("from wide").schema.field("at").type == pa.timestamp("us")
        assert lake.sql("from wide").num_rows == lake.read("wide").num_rows == 1 + version
    with pytest.raises(HeadraceError, match="HR-LAKE-027: found wide, with typeWidening"):
        lake.append("wide", lake.read("wide"))


def test_a_refused_table_keeps_no_other_from_being_seen(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.append("good", pa.table({"n": [1]}))
    deltalake.write_deltalake(str(tmp_path / "lake" / "cut"), pa.table({"n": [1], "d": ["x"]}), partition_by=["d"])
    left_out = []
    assert lake.attach(tmp_path / "views.duckdb", left_out.append) == 1
    assert [(one.code, one.found) for one in left_out] == [("HR-LAKE-026", "cut, partitioned by d")]
    with duckdb.connect(str(tmp_path / "views.duckdb"), read_only=True) as connection:
        assert connection.sql('select "table" from _lake').fetchall() == [("good",)]
    assert lake.sql("show tables")["name"].to_pylist() == ["good"]


def test_a_broken_log_is_no_table_of_others(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append("decisions_desk", pa.table({"n": [1]}))
    for held in ("{broken", ""):
        for entry in (tmp_path / "decisions_desk" / "_delta_log").glob("*.json"):
            entry.write_text(held)
        with pytest.raises(HeadraceError, match="HR-LAKE-026") as told:
            lake.read("decisions_desk")
        assert told.value.faults[0].cure == "restore the folder of the table from a copy"


def test_mapped_columns_are_refused_by_an_old_protocol_too(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    _made(lake, "mapped")
    entry = Path(str(lake.root / "mapped"), "_delta_log", f"{0:020}.json")
    lines = [json.loads(line) for line in entry.read_text().splitlines()]
    for one in lines:
        one.get("protocol", {}).update(minReaderVersion=2, minWriterVersion=5)
        if "metaData" in one:
            column = {"delta.columnMapping.id": 1, "delta.columnMapping.physicalName": "col-1"}
            kept = one["metaData"]["schemaString"].replace('"metadata":{}', f'"metadata":{json.dumps(column)}')
            one["metaData"].update(configuration={"delta.columnMapping.mode": "name"}, schemaString=kept)
    entry.write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    with pytest.raises(HeadraceError, match="HR-LAKE-026: found mapped, with columnMapping"):
        lake.read("mapped")
