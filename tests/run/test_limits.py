"""What a run may use: it keeps to its memory where it would take more without, and to its threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.errors import HeadraceError
from headrace.lake import Lake
from headrace.limits import LEAST, Limits, bounded, current, parse_size

PROJECT = """
import headrace as hr


class Payment(hr.Contract):
    payment_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    customer_id: int
    amount: hr.Decimal(12, 2) = hr.field(ge=0)


payments = hr.Stream("payments", Payment, source="data/payments*")
heavy = hr.Table("heavy", query='''
    select payment_id, max(at) as last, sum(amount) as total, list(customer_id) as who from payments
    group by 1 order by total, 1
''')
project = hr.Project("big", sources=[payments, heavy])
"""
ROWS = 3_000_000
MEMORY = "900MB"
_RUN = """
import re, sys
from headrace.cli import main
try:
    main(sys.argv[1:])
finally:
    # What getrusage tells begins with the memory of the process that started this one.
    peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())
    print(int(peak[1]) * 1024, file=sys.stderr)
"""


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("big")
    (folder / "project.py").write_text(PROJECT)
    (folder / "headrace.toml").write_text("")
    (folder / "data").mkdir()
    random = np.random.default_rng(1)
    start = np.datetime64(datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None), "us")
    at = start + np.sort(random.integers(0, 90 * 86_400, ROWS)).astype("timedelta64[s]")
    table = pa.table(
        {
            "payment_id": np.char.add("p", np.arange(ROWS).astype(str)),
            "at": pa.array(at).cast(pa.timestamp("us", "UTC")),
            "customer_id": random.integers(0, 100_000, ROWS),
            "amount": pa.array(random.integers(0, 10_000, ROWS)).cast(pa.decimal128(24, 2)).cast(pa.decimal128(12, 2)),
        }
    )
    pq.write_table(table, folder / "data" / "payments.parquet")
    return folder


def _peak(folder: Path, *words: str) -> int:
    """Bytes that a run has in memory at its highest, in a process of its own."""
    command = [sys.executable, "-c", _RUN, "run", "--project", str(folder), "--json", *words]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return int(ran.stderr.splitlines()[-1])


def test_a_run_keeps_to_its_memory_where_it_would_take_more(big: Path) -> None:
    free = _peak(big)
    rows = Lake(big / ".headrace" / "lake").read("heavy")
    bound = _peak(big, "heavy", "--full", "--memory", MEMORY, "--threads", "2")
    assert bound < parse_size(MEMORY) < free
    assert Lake(big / ".headrace" / "lake").read("heavy").equals(rows)


def test_threads_are_those_of_the_settings(big: Path) -> None:
    code = """
import json, os
from headrace.limits import Limits, bounded
with bounded(Limits(threads=1)):
    import duckdb, pyarrow as pa
    from headrace.kernel.threads import cores
    from headrace.sql import connected
    with connected() as connection:
        duck = connection.execute("select current_setting('threads')").fetchone()[0]
    print(json.dumps([len(os.sched_getaffinity(0)), cores(), pa.cpu_count(), duck]))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == [1, 1, 1, 1]


def test_limits_end_with_their_block() -> None:
    cores = os.sched_getaffinity(0)
    with bounded(Limits(LEAST, 1)):
        assert current() == Limits(LEAST, 1)
    assert current() == Limits()
    assert os.sched_getaffinity(0) == cores


def test_what_fits_nowhere_is_told(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append("numbers", pa.table({"n": pa.array(range(10))}))
    query = "select list(range) as all from range(60000000)"
    with bounded(Limits(LEAST, 1)), pytest.raises(HeadraceError, match="HR-SCHEDULE-007"):
        lake.sql(f"{query} where exists (select * from numbers)")


@pytest.mark.parametrize(("text", "size"), [("2GB", 2 * 10**9), ("1.5 gib", 3 * 2**29), ("800MB", LEAST)])
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["2", "GB", "799MB", "-2GB", "2 G", ""])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="GB|less than"):
        parse_size(text)
