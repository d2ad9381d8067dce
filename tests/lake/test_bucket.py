"""A lake in a bucket of S3: what holds on a disk holds there, between processes too; what does not is refused."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

import headrace as hr
from headrace.clock import now_us
from headrace.connect import ingest
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake, MergeReport, Within, parts, vacuum
from headrace.lake.bucket import system
from headrace.lake.lease import leased
from tests.buckets import served
from tests.connect.test_files import GOOD, Payment

_WRITER = """
import sys
import pyarrow as pa
from headrace.lake import Lake

lake, writer = Lake("s3://bank/beside"), int(sys.argv[1])
for n in range(1, 6):
    lake.merge("t", pa.table({"k": [0, 10 + writer], "writer": [writer] * 2, "n": [n] * 2}), keys=["k"])
    lake.append("t", pa.table({"k": [100 * writer + 100 + n], "writer": [writer], "n": [n]}), once=(f"w{writer}", n))
    with lake.lock("t"):
        highest = max([0, *lake.read("counted")["n"].to_pylist()] if lake.exists("counted") else [0])
        lake.append("counted", pa.table({"n": [highest + 1]}))
"""
_HOLDER = """
import sys, time
from headrace.lake import Lake

with Lake("s3://bank/held").lock("t"):
    print("held", flush=True)
    time.sleep(float(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("s3")
    with served(folder, "bank"):
        yield folder / "log"


def begun(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def hours(begin: int, count: int) -> pa.Table:
    first = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    at = [first + datetime.timedelta(hours=n) for n in range(begin, begin + count)]
    seq = pa.array(range(begin + 1, begin + 1 + count), pa.int64())
    return pa.table({"_seq": seq, "at": at, "shop": [n % 3 for n in range(begin, begin + count)]})


@pytest.mark.usefixtures("log")
def test_the_life_of_a_table(tmp_path: Path) -> None:
    lake = Lake("s3://bank/life")
    assert lake.tables() == []
    assert not lake.exists("t")
    for begin in (0, 10, 20):
        version = lake.append("t", hours(begin, 10), once=("load", begin))
        assert lake.append("t", hours(begin, 10), once=("load", begin)) == version
    rows = pa.concat_tables([hours(begin, 10) for begin in (0, 10, 20)])
    assert lake.tables() == ["t"]
    assert lake.read("t").equals(rows.cast(lake.schema("t")))
    assert lake.read("t", version=2).num_rows == 20
    assert sum(one.num_rows for one in lake.batches("t", within=Within("_seq", 5, 12))) == 8
    assert (lake.rows("t"), lake.sequence("t"), lake.committed("t", "load")) == (30, 30, 20)
    change = hours(4, 1).set_column(0, "_seq", pa.array([31])).set_column(2, "shop", pa.array([9]))
    assert lake.merge("t", change, keys=["at"]) == MergeReport(4, updated=1)
    assert lake.compact("t").files_before == 4
    assert lake.version("t") == 4
    assert pl.scan_delta("s3://bank/life/t", storage_options=_for_polars()).collect()["shop"].sum() == 30 - 1 + 9
    lake.restore("t", 2)
    assert (lake.rows("t"), lake.sequence("t")) == (20, 31)
    done = lake.vacuum("t", now_us() + 10_000_000, {4})
    assert (done.files, lake.unreadable("t")) == (1, {5}) if done.versions == (5,) else done.files >= 1
    assert lake.read("t", version=4)["shop"].to_pylist().count(9) == 1
    lake.overwrite("t", hours(50, 1))
    assert lake.rows("t") == 1
    with pytest.raises(HeadraceError, match="HR-LAKE-007"):
        lake.read("t", version=99)
    with pytest.raises(HeadraceError, match="HR-LAKE-021: found a lake in a bucket, s3://bank/life"):
        lake.attach(tmp_path / "views.duckdb")


def _for_polars() -> dict[str, str]:
    return {"aws_endpoint_url": os.environ["AWS_ENDPOINT_URL"], "aws_allow_http": "true", "aws_region": "eu-west-1"}


def test_queries_ask_for_no_file_that_has_none_of_the_rows(log: Path) -> None:
    lake = Lake("s3://bank/pruned")
    for begin in range(0, 50, 10):
        lake.append("t", hours(begin, 10))
    last = hours(50, 10)
    lake.append("t", last.set_column(2, "shop", pa.array([None, *last["shop"].to_pylist()[1:]])))
    queries = {
        "select shop, count(*) as n from t group by all order by all": 6,
        "select count(*) as n from t where at >= timestamptz '2026-01-02 00:00:00+00' "
        "and at < timestamptz '2026-01-02 06:00:00+00'": 1,
        "select count(*) as n from t where _seq between 15 and 25": 2,
        "select _seq from t where shop is null": 6,
    }
    told = (
        [{"shop": 0, "n": 20}, {"shop": 1, "n": 20}, {"shop": 2, "n": 19}, {"shop": None, "n": 1}],
        [{"n": 6}],
        [{"n": 11}],
        [{"_seq": 51}],
    )
    for (query, files), rows in zip(queries.items(), told, strict=True):
        before = len(log.read_text())
        assert lake.sql(query).to_pylist() == rows
        time.sleep(0.2)
        read = set(re.findall(r"GET /bank/pruned/t/(part-\S+)\.parquet", log.read_text()[before:]))
        assert len(read) == files
    with lake.answered("select shop from t order by _seq desc limit 2") as answer:
        assert [row for one in answer.batches for row in one["shop"].to_pylist()] == [2, 1]
    assert lake.sql("select count(*) as n from t", {"t": 1}).to_pylist() == [{"n": 10}]
    assert {"name": "t"} in lake.sql("show tables").to_pylist()
    with pytest.raises(HeadraceError, match="HR-LAKE-005|HR-LAKE-006"):
        lake.sql("select * from read_text('/etc/hostname')")


@pytest.mark.usefixtures("log")
def test_two_processes_lose_and_double_nothing() -> None:
    lake = Lake("s3://bank/beside")
    lake.append("t", pa.table({"k": [0], "writer": [9], "n": [0]}))
    writers = [begun(_WRITER, writer) for writer in range(2)]
    assert [one.wait(240) for one in writers] == [0, 0]
    rows = {row["k"]: row["n"] for row in lake.read("t").to_pylist()}
    assert lake.rows("t") == len(rows), "each key once"
    assert rows == {0: 5, 10: 5, 11: 5} | {100 * w + 100 + n: n for w in range(2) for n in range(1, 6)}
    assert lake.read("counted")["n"].to_pylist() == list(range(1, 11)), "one at a time read and counted on"


@pytest.mark.usefixtures("log")
def test_a_lease_keeps_others_out_and_ends_with_its_holder() -> None:
    lake = Lake("s3://bank/held")
    holder = begun(_HOLDER, 600)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(HeadraceError, match=f"HR-LAKE-009.*process {holder.pid}"), lake.lock("t", wait_s=0):
        pass
    with lake.lock("other", wait_s=0):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    begin = time.monotonic()
    with lake.lock("t"):
        assert time.monotonic() - begin < 30, "a holder on this machine that is no more binds nobody"


@pytest.mark.usefixtures("log")
def test_a_lease_that_is_not_renewed_passes_on_and_its_holder_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from headrace.lake import lease
    from headrace.lake.bucket import place

    path = place("s3://bank/leases/t")
    monkeypatch.setattr(lease._Holder, "is_gone", staticmethod(lambda told: False))  # as of another machine
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER.replace("bank/held", "bank/paused"), "600"], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    paused = place("s3://bank/paused/.locks/t")
    holder.send_signal(signal.SIGSTOP)
    try:
        with leased(paused, wait_s=60, lasts_s=1.5):
            pass
    finally:
        holder.kill()
        holder.wait()
    with pytest.raises(HeadraceError, match="HR-LAKE-022"), leased(path, lasts_s=0.8):  # noqa: PT012
        monkeypatch.setattr(lease, "_say", _unreachable)
        time.sleep(2)


def _unreachable(*_: Any) -> None:
    raise OSError("Generic S3 error: no route")


@pytest.mark.usefixtures("log")
def test_files_are_loaded_into_it(tmp_path: Path) -> None:
    lake, stream = Lake("s3://bank/loaded"), hr.Table("payments", Payment, source="in/*.csv")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.csv").write_text(GOOD)
    (tmp_path / "in" / "2.csv").write_text("payment_id,amount\nq1,2\nq2,-1\n")
    report = ingest(stream, tmp_path, lake)
    assert (report.accepted, report.quarantined) == (2, 1)
    assert ingest(stream, tmp_path, lake).files_skipped == 2
    assert lake.sql("select count(*) as n from payments").to_pylist() == [{"n": 2}]


def test_a_failure_leaves_no_files(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake("s3://bank/failed")
    monkeypatch.setattr(parts, "PART_ROWS", 5)
    monkeypatch.setattr(parts, "GROUP_ROWS", 5)

    def coming() -> Iterator[pa.RecordBatch]:
        yield from hours(0, 10).to_batches(max_chunksize=5)
        raise OSError("the source went away")

    with pytest.raises(HeadraceError):
        lake.append("t", pa.RecordBatchReader.from_batches(hours(0, 1).schema, coming()))
    assert lake.tables() == []
    assert not any((lake.root / "t").iterdir())
    assert re.search(r"DELETE /bank/failed/t/part-", log.read_text())


@pytest.mark.usefixtures("log")
def test_what_cannot_be_reached_is_told_without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HeadraceError, match=r"HR-LAKE-023.*\(NoSuchBucket\)") as raised:
        Lake("s3://nobodys/lake").append("t", hours(0, 1))
    assert "secret-of-mine" not in str(raised.value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for work in (Lake.tables, lambda lake: lake.append("t", hours(0, 1))):
        with pytest.raises(HeadraceError, match="HR-LAKE-023") as raised:
            work(Lake("s3://bank/life"))
        assert "secret-of-mine" not in str(raised.value)


@pytest.mark.usefixtures("log")
def test_a_dropped_table_leaves_nothing_and_may_come_again() -> None:
    lake = Lake("s3://bank/dropping")
    for n in range(3):
        lake.append("t", pa.table({"n": [n]}))
    lake.append("other", pa.table({"n": [7]}))
    lake.drop("t")
    assert lake.tables() == ["other"]
    assert not (lake.root / "t").exists()
    lake.append("t", pa.table({"word": ["x"]}))
    assert lake.read("t").to_pydict() == {"word": ["x"]}


class Killed:
    """A file system that some operations outlive."""

    def __init__(self, left: int) -> None:
        self.left, self.system = left, system()

    def __getattr__(self, name: str) -> Any:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return getattr(self.system, name)


@pytest.mark.usefixtures("log")
def test_a_drop_that_is_killed_leaves_a_table_that_is_listed_and_can_be_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Lake("s3://bank/killing").append("other", pa.table({"n": [7]}))
    whole = False
    for operations in itertools.count():
        for n in range(2):
            Lake("s3://bank/killing").append("t", pa.table({"n": [n]}))
        with monkeypatch.context() as patched, contextlib.suppress(KeyboardInterrupt):
            patched.setattr(vacuum, "system", lambda left=operations: Killed(left))
            Lake("s3://bank/killing").drop("t")
            whole = True
        lake, left_out = Lake("s3://bank/killing"), list[Fault]()
        assert "other" in lake.readable(left_out.append)
        if whole:
            break
        assert lake.tables() == ["other", "t"]
        assert [one.cure for one in left_out] == ([] if operations < 2 else ["headrace lake drop t"])
        lake.drop("t")
        assert not (lake.root / "t").exists()
    assert operations > 5
    assert not (lake.root / "t").exists()
