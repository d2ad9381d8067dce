"""Loading of a CSV file: through its contract into a Delta table, beside dlt into its DuckDB destination."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

import headrace as hr
from bench import dlt_rival
from bench.apart import Absent, answer
from bench.measure import Result
from headrace.connect.loading.ingest import ingest
from headrace.lake import Lake

CHUNK = 1_000_000
WAYS = {
    "csv-arrow": "dlt, DuckDB's reader, Arrow batches, checks written by hand",
    "csv-rows": "dlt, rows through a contract of Pydantic",
}
"""The fastest way that dlt has, which knows no checks of rows, and its own way to check them."""
MOST_BY_ROWS = 50_000
"""Rows that dlt takes one by one in the run; its seconds are for all, in proportion."""


class Payment(hr.Contract):
    """A payment as it comes in a file."""

    payment_id: int = hr.key()
    at: hr.Timestamp = hr.event_time()
    customer_id: int = hr.field(ge=1)
    amount: float = hr.field(ge=0, le=10_000)
    fee: float
    currency: str = hr.field(isin=["EUR", "USD", "GBP", "CHF"])
    country: str = hr.field(pattern="[A-Z]{2}")
    note: str = hr.field(max_length=20)


payments = hr.Stream("payments", Payment, source="rows.csv")


def world(path: Path, rows: int, seed: int = 1) -> dict[str, int]:
    """Write a file in which about one row in two thousand breaks the contract; return what is to be accepted."""
    random, told = np.random.default_rng(seed), {"rows": 0, "cents": 0, "customers": 0}
    with path.open("wb") as file:
        file.write((",".join(Payment.fields()) + "\n").encode())
        for start in range(0, rows, CHUNK):
            table, cents, good = _chunk(random, start, min(CHUNK, rows - start), rows)
            pacsv.write_csv(table, file, pacsv.WriteOptions(include_header=False, quoting_style="needed"))
            told["rows"] += int(good.sum())
            told["cents"] += int(cents[good].sum())
            told["customers"] += int(table["customer_id"].to_numpy()[good].sum())
    return {**told, "refused": rows - told["rows"]}


def _chunk(random: np.random.Generator, start: int, count: int, rows: int) -> tuple[pa.Table, Any, Any]:
    def some() -> Any:
        return random.random(count) < 1e-4

    span = 183 * 86_400_000_000
    low, high = (1_700_000_000_000_000 + span * at // rows for at in (start, start + count))
    at = pa.array(np.sort(random.integers(low, high, count))).cast(pa.timestamp("us", tz="UTC"))
    cents = random.integers(0, 100_000, count)
    texts = pc.cast(pa.array(np.round(cents / 100, 2)), pa.string())
    unread, below, unknown, small, long = some(), some(), some(), some(), some()
    texts = pc.if_else(
        pa.array(unread), "12,50", pc.if_else(pa.array(below), pc.binary_join_element_wise("-1", texts, ""), texts)
    )
    notes = pa.array(["thanks", "for the shoes", "rent of this month"]).take(pa.array(random.integers(0, 3, count)))
    codes = np.where(unknown, 4, random.integers(0, 4, count))
    columns = {
        "payment_id": np.arange(start, start + count),
        "at": pc.strftime(at, "%Y-%m-%dT%H:%M:%SZ"),
        "customer_id": random.integers(1, 200_000, count),
        "amount": texts,
        "fee": np.round(cents / 10_000, 4),
        "currency": pa.array(["EUR", "USD", "GBP", "CHF", "XXX"]).take(pa.array(codes)),
        "country": pa.array(["DE", "FR", "IT", "xx"]).take(pa.array(np.where(small, 3, codes % 3))),
        "note": pc.if_else(pa.array(long), "a note that is much too long for it", notes),
    }
    return pa.table(columns), cents, ~(unread | below | unknown | small | long)


def load(folder: Path) -> dict[str, Any]:
    """Load the file of a folder in this process; return the seconds, and what is in the lake."""
    lake = Lake(folder / "lake")
    begun = time.perf_counter()
    report = ingest(payments, folder, lake)
    seconds = time.perf_counter() - begun
    assert report.received == report.accepted + report.quarantined
    query = "select count(*) as n, sum(round(amount * 100)::bigint)::bigint as c, sum(customer_id)::bigint as k"
    found = lake.sql(f"{query} from payments").to_pylist()[0]
    told = {
        "rows": found["n"],
        "cents": found["c"],
        "customers": found["k"],
        "refused": lake.rows("quarantine_payments"),
    }
    return {"seconds": seconds, "found": told}


def run(rows: int = 10_000_000, rounds: int = 2) -> Result:
    """Load the same file by each rival, each in a process of its own."""
    seconds: dict[str, float] = {}
    notes: dict[str, str] = {}
    with tempfile.TemporaryDirectory(dir=os.environ.get("HEADRACE_BENCH_FOLDER")) as place:
        folder = Path(place)
        expected = world(folder / "rows.csv", rows)
        least = min(rows, MOST_BY_ROWS)
        (folder / "few").mkdir()
        expected_few = world(folder / "few" / "rows.csv", least)
        for _ in range(rounds):
            shutil.rmtree(folder / "lake", ignore_errors=True)
            ours = answer([sys.executable, "-m", "bench.loading", str(folder)], dlt_rival.ROOT)
            _take("Headrace", ours.said, expected, seconds, 1)
            notes["peak memory of Headrace"] = f"{ours.peak_gb:.2f} GB"
            for way, name in WAYS.items():
                few = way == "csv-rows"
                try:
                    theirs = dlt_rival.load(way, folder / "few" if few else folder)
                except Absent as error:
                    notes[name] = str(error)
                    continue
                _take(name, theirs.said, expected_few if few else expected, seconds, rows / least if few else 1)
                notes[f"peak memory of {name}"] = f"{theirs.peak_gb:.2f} GB"
        if least < rows:
            notes[WAYS["csv-rows"]] = f"seconds in proportion to {least:,} rows"
    what = f"{rows:,} rows x {len(Payment.fields())} columns of CSV, each in a process of its own"
    agreed = f"counts and sums equal, {expected['refused']:,} rows refused"
    return Result("load of CSV", what, seconds, agreed, "5x dlt, below 1 GB", notes)


def _take(name: str, said: dict[str, Any], expected: dict[str, int], seconds: dict[str, float], times: float) -> None:
    found = said["found"]
    wanted = {key: expected[key] for key in found}
    assert found == wanted, f"{name}: {found} is not {wanted}"
    seconds[name] = min(seconds.get(name, float("inf")), said["seconds"] * times)


def suite(small: bool) -> list[Result]:
    """Return the results of this file."""
    return [run(100_000, 1) if small else run()]


if __name__ == "__main__":
    print(json.dumps(load(Path(sys.argv[1]))))
