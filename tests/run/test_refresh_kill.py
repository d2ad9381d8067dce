"""A refresh that is killed at any moment leaves a table that the next one makes right."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import headrace as hr
from headrace.lake import Lake
from headrace.run.refresh import refresh

_WORK = """
import sys
from pathlib import Path
import pyarrow as pa
from headrace.lake import Lake
from tests.run.test_refresh_kill import TABLES, rows_of
from headrace.run.refresh import refresh

lake = Lake(Path(sys.argv[1]))
begin = lake.rows("sales") // 20
print("go", flush=True)
for number in range(begin, begin + 200):
    lake.append("sales", rows_of(number), once=("load", number))
    for table in TABLES:
        refresh(table, lake, {"declaration": "1"})
"""
TABLES = [
    hr.Table("totals", query="select day, sum(n) as n, count(*) as c from sales group by day"),
    hr.Table("doubled", query="select id, n * 2 as n from sales where n > 3"),
    hr.Table("last", query="select * from sales qualify row_number() over (partition by day order by id desc) = 1"),
    hr.Table("sums", query="select c, sum(n) as n from totals group by c"),
]


def rows_of(number: int):  # type: ignore[no-untyped-def]
    import pyarrow as pa

    chance = random.Random(number)
    ids = range(20 * number, 20 * number + 20)
    return pa.table(
        {"id": list(ids), "day": [chance.randrange(30) for _ in ids], "n": [chance.randrange(9) for _ in ids]}
    )


def test_every_kill_leaves_what_the_next_refresh_makes_right(tmp_path: Path) -> None:
    lake, delays = Lake(tmp_path / "lake"), random.Random(5)
    for number in range(3):
        lake.append("sales", rows_of(number), once=("load", number))
    for _ in range(6):
        child = subprocess.Popen([sys.executable, "-c", _WORK, str(lake.root)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stdout.readline() == b"go\n"
        time.sleep(delays.uniform(0.2, 4))
        child.kill()
        child.wait()
        child.stdout.close()
        for table in TABLES:
            refresh(table, lake, {"declaration": "1"})
            assert _counted(lake, f"from {table.name}") == _counted(lake, table.query or ""), table.name
    assert lake.rows("sales") > 60


def _counted(lake: Lake, query: str) -> Counter[str]:
    return Counter(repr(one) for one in lake.sql(query).to_pylist())
