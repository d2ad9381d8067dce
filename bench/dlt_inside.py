"""Run by the Python of dlt, without Headrace: loads a folder's file, or a table of PostgreSQL, into DuckDB.

``python -I dlt_inside.py WAY FOLDER`` prints the seconds and what is in the table afterwards, as JSON.
"""

import datetime
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import dlt
import duckdb
import pyarrow as pa
import pyarrow.compute as pc

AT_ONCE = 100_000
"""Rows of a batch: at dlt's own 5,000 the Arrow ways take twice as long."""
SUMS = """
select count(*) as rows, sum(round(amount * 100)::bigint)::bigint as cents, sum(customer_id)::bigint as customers
from bench.payments
"""


def csv_arrow(folder: Path) -> Any:
    """DuckDB reads and types; rows that it cannot read and rows that break a check are left out."""
    from dlt.sources.filesystem import filesystem, read_csv_duckdb

    files = filesystem(bucket_url=folder.as_uri(), file_glob="rows.csv")
    types = {
        "payment_id": "BIGINT", "at": "TIMESTAMPTZ", "customer_id": "BIGINT", "amount": "DOUBLE", "fee": "DOUBLE",
        "currency": "VARCHAR", "country": "VARCHAR", "note": "VARCHAR",
    }  # fmt: skip
    reader = read_csv_duckdb(chunk_size=AT_ONCE, use_pyarrow=True, header=True, columns=types, ignore_errors=True)
    return (files | reader).with_name("payments").add_map(_checked)


def _checked(batch: Any) -> Any:
    good = pc.greater_equal(batch["amount"], 0)
    for one in (
        pc.less_equal(batch["amount"], 10_000),
        pc.greater_equal(batch["customer_id"], 1),
        pc.is_in(batch["currency"], value_set=pa.array(["EUR", "USD", "GBP", "CHF"])),
        pc.match_substring_regex(batch["country"], "^[A-Z]{2}$"),
        pc.less_equal(pc.utf8_length(batch["note"]), 20),
    ):
        good = pc.and_(good, one)
    return batch.filter(good)


def csv_rows(folder: Path) -> Any:
    """Pandas reads, and a contract of Pydantic leaves out the rows that break it: dlt's own way to check rows."""
    from dlt.common.libs.pydantic import DltConfig
    from dlt.sources.filesystem import filesystem, read_csv
    from pydantic import BaseModel, Field

    class Payment(BaseModel):
        payment_id: int
        at: datetime.datetime
        customer_id: Annotated[int, Field(ge=1)]
        amount: Annotated[float, Field(ge=0, le=10_000)]
        fee: float
        currency: Literal["EUR", "USD", "GBP", "CHF"]
        country: Annotated[str, Field(pattern=re.compile("^[A-Z]{2}$"))]
        note: Annotated[str, Field(max_length=20)]

        dlt_config: DltConfig = {}

    Payment.__annotations__.pop("dlt_config", None)
    files = filesystem(bucket_url=folder.as_uri(), file_glob="rows.csv")
    rows = (files | read_csv(chunksize=AT_ONCE)).with_name("payments")
    rows.apply_hints(columns=Payment, schema_contract={"data_type": "discard_row"})
    return rows


def postgres(backend: str, **kwargs: Any) -> Any:
    """The rows of a table behind the last one that was read."""
    from dlt.sources.sql_database import sql_table

    return sql_table(
        os.environ["BENCH_POSTGRES"],
        table="payments",
        backend=backend,
        chunk_size=AT_ONCE,
        backend_kwargs=kwargs,
        incremental=dlt.sources.incremental("payment_id", range_start="open"),
    )


WAYS = {
    "csv-arrow": csv_arrow,
    "csv-rows": csv_rows,
    "postgres-sqlalchemy": lambda _: postgres("sqlalchemy"),
    "postgres-pyarrow": lambda _: postgres("pyarrow"),
    "postgres-connectorx": lambda _: postgres("connectorx"),
    "postgres-connectorx-stream": lambda _: postgres("connectorx", return_type="arrow_stream"),
}


def main(way: str, folder: Path) -> None:
    """Load once; a table that is there from the load before is added to."""
    place = folder / way
    if way.startswith("csv"):
        shutil.rmtree(place, ignore_errors=True)
    place.mkdir(exist_ok=True)
    database = place / "rows.duckdb"
    pipeline = dlt.pipeline(
        "bench", pipelines_dir=str(place), destination=dlt.destinations.duckdb(str(database)), dataset_name="bench"
    )
    source = WAYS[way](folder)
    begun = time.perf_counter()
    pipeline.run(source, write_disposition="append").raise_on_failed_jobs()
    seconds = time.perf_counter() - begun
    with duckdb.connect(str(database), read_only=True) as connection:
        done = connection.execute(SUMS)
        found = dict(zip([one[0] for one in done.description], done.fetchone(), strict=True))
    print(json.dumps({"seconds": seconds, "found": found}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve())
