"""Loading of a table of PostgreSQL: into a Delta table, beside dlt into its DuckDB destination; first all, then 1 %."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import headrace as hr
from bench import dlt_rival
from bench.apart import Absent, answer
from bench.loading import Payment
from bench.measure import Result
from headrace.connect.loading.ingest import ingest
from headrace.lake import Lake
from tests.connect.servers import SECRET, Postgres, postgres_folder, running

WAYS = {
    "postgres-pyarrow": "dlt, pyarrow",
    "postgres-connectorx": "dlt, connectorx",
    "postgres-connectorx-stream": "dlt, connectorx in streams",
}
AS_IT_COMES = {"postgres-sqlalchemy": "dlt as it comes, SQLAlchemy"}
"""It reads row by row, so of fewer rows."""
STAGES = ("first load", "1 % more")
MAKE = """
create table payments (
    payment_id bigint primary key, at timestamptz not null, customer_id bigint not null,
    amount double precision not null, fee double precision not null, currency text not null, country text not null,
    note text not null
)
"""
FILL = """
insert into payments
select g, timestamptz '2024-01-01 00:00:00Z' + g * interval '1.5 second', 1 + g * 7919 % 200000,
    (g * 104729 % 100000) / 100.0, (g * 104729 % 100000) / 10000.0,
    (array['EUR', 'USD', 'GBP', 'CHF'])[1 + g % 4], (array['DE', 'FR', 'IT'])[1 + g % 3],
    (array['thanks', 'for the shoes', 'rent of this month'])[1 + g * 31 % 3]
from generate_series({first}::bigint, {last}::bigint) as g
"""


def load(folder: Path) -> dict[str, Any]:
    """Load what is new in this process; return the seconds, and what is in the lake."""
    origin = hr.Database(os.environ["BENCH_URL"], table="payments", cursor="payment_id")
    lake = Lake(folder / "lake")
    begun = time.perf_counter()
    ingest(hr.Stream("payments", Payment, source=origin), folder, lake)
    seconds = time.perf_counter() - begun
    query = "select count(*) as n, sum(round(amount * 100)::bigint)::bigint as c, sum(customer_id)::bigint as k"
    found = lake.sql(f"{query} from payments").to_pylist()[0]
    return {"seconds": seconds, "found": {"rows": found["n"], "cents": found["c"], "customers": found["k"]}}


def run(rows: int = 5_000_000) -> list[Result]:
    """Load all rows of a table, then a hundredth more, by each rival in a process of its own."""
    if postgres_folder() is None:
        print("postgres: no PostgreSQL here (Debian: postgresql)", file=sys.stderr)
        return []
    with running(Postgres) as server, tempfile.TemporaryDirectory() as place:
        server.run(MAKE)
        results = []
        for stage, (first, last) in zip(STAGES, ((1, rows), (rows + 1, rows + rows // 100)), strict=True):
            server.run(FILL.format(first=first, last=last))
            server.run("analyze payments")
            results.append(_stage(server, Path(place), stage, last - first + 1, WAYS))
        return [*results, _as_it_comes(server, Path(place) / "few", rows // 25)]


def _as_it_comes(server: Postgres, folder: Path, rows: int) -> Result:
    folder.mkdir()
    server.run("truncate payments")
    server.run(FILL.format(first=1, last=rows))
    server.run("analyze payments")
    return _stage(server, folder, STAGES[0], rows, AS_IT_COMES)


def _stage(server: Postgres, folder: Path, stage: str, rows: int, ways: Mapping[str, str]) -> Result:
    expected = _sums(server)
    seconds: dict[str, float] = {}
    notes: dict[str, str] = {}
    env = {**os.environ, "BENCH_URL": server.url}
    ours = answer([sys.executable, "-m", "bench.postgres", str(folder)], dlt_rival.ROOT, env)
    theirs = {"BENCH_POSTGRES": f"postgresql://owner:{quote(SECRET, safe='')}@{server.place}"}
    answers = {"Headrace": ours}
    for way, name in ways.items():
        try:
            answers[name] = dlt_rival.load(way, folder, theirs)
        except Absent as error:
            notes[name] = str(error)
    for name, one in answers.items():
        assert one.said["found"] == expected, f"{name}: {one.said['found']} is not {expected}"
        seconds[name] = one.said["seconds"]
    notes["peak memory"] = ", ".join(f"{name} {one.peak_gb:.2f} GB" for name, one in answers.items())
    what = f"{stage}, {rows:,} rows x 8 columns, each in a process of its own"
    return Result("load of PostgreSQL", what, seconds, "counts and sums equal", "3x dlt", notes)


def _sums(server: Postgres) -> dict[str, int]:
    query = "select count(*), sum(round(amount * 100)::bigint)::bigint, sum(customer_id)::bigint from payments"
    with server.connected() as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return dict(zip(("rows", "cents", "customers"), map(int, cursor.fetchone()), strict=True))


def suite(small: bool) -> list[Result]:
    """Return the results of this file."""
    return run(50_000 if small else 5_000_000)


if __name__ == "__main__":
    print(json.dumps(load(Path(sys.argv[1]))))
