"""As-of look-up of state: Headrace against DuckDB's ASOF join, Polars' join_asof and Feast's default offline store."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

import headrace as hr
from bench.feast_rival import VERSION, Absent, Feast
from bench.measure import Result, in_turn
from bench.windows import DAY
from headrace.engines.batch import features
from headrace.plan import compile_features


class State(hr.Contract):
    """A value of a key from a moment on."""

    key: int
    since: hr.Timestamp = hr.valid_from()
    level: float


class Question(hr.Contract):
    """Which value did a key have at a moment?"""

    at: hr.Timestamp = hr.event_time()
    key: int


questions = hr.Stream("questions", Question)
levels = hr.Features(
    "f", hr.Table("levels", State, source="levels.parquet"), by=hr.Entity("key"), features={"level": "level"}
)
plan = compile_features([levels], questions)

Rivals = Mapping[str, Callable[[], Any]]
"""Each returns the levels, or a function that fetches them."""


@dataclass(frozen=True)
class World:
    """Rows that ask, numbered, and states; both in the order of time."""

    rows: pa.Table
    states: pa.Table
    what: str


def world(rows: int, states: int, keys: int) -> World:
    """Return rows and states over sixty days; no two states have the same moment."""
    random = np.random.default_rng(3)

    def utc(values: np.ndarray) -> pa.Array:
        return pa.array(values).cast(pa.timestamp("us", tz="UTC"))

    at = utc(np.sort(random.integers(0, 60 * DAY, rows)))
    asked = pa.table({"at": at, "key": random.integers(0, keys, rows), "row": np.arange(rows)})
    since = np.sort(random.choice(60 * DAY, states, replace=False))
    table = pa.table({"key": random.integers(0, keys, states), "since": utc(since), "level": random.random(states)})
    return World(asked, table, f"{rows:,} rows against {states:,} states of {keys:,} keys")


def in_memory(asked: World, rounds: int) -> Result:
    """Everything lies in memory, where each rival likes it best: DuckDB also gets tables of its own."""
    connection = duckdb.connect()
    connection.register("arrow_rows", asked.rows)
    connection.register("arrow_states", asked.states)
    connection.execute("create table rows as from arrow_rows; create table states as from arrow_states")
    left, right = pl.DataFrame(asked.rows), pl.DataFrame(asked.states)

    def polars() -> np.ndarray:
        joined = left.join_asof(right, left_on="at", right_on="since", by="key", check_sortedness=False)
        return joined["level"].to_numpy()

    rivals = {
        "Headrace": lambda: ours(asked.rows, lambda: asked.states),
        "DuckDB ASOF": lambda: duckdb_asof(connection, "rows", "states"),
        "DuckDB ASOF over the same Arrow tables": lambda: duckdb_asof(connection, "arrow_rows", "arrow_states"),
        "Polars join_asof, told that all is sorted": polars,
    }
    seconds = compared(rivals, rounds)
    return Result("as-of join in memory", asked.what, seconds, "results equal", "2x DuckDB")


def from_file(asked: World, rounds: int) -> Result:
    """States lie in a Parquet file, which each rival reads: Feast's default store knows nothing else."""
    connection = duckdb.connect()
    connection.register("rows", asked.rows)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        file = folder / "states.parquet"
        pq.write_table(asked.states, file, row_group_size=100_000)  # several, so that readers can use all cores
        pq.write_table(asked.rows, folder / "rows.parquet")
        rivals = {
            "Headrace": lambda: ours(asked.rows, lambda: pq.read_table(file)),
            "DuckDB ASOF": lambda: duckdb_asof(connection, "rows", f"read_parquet('{file}')"),
        }
        seconds, notes = beside_feast(rivals, folder, rounds)
    aim = "2x DuckDB, 100x Feast's default store"
    return Result("as-of join from a file", asked.what, seconds, "results equal", aim, notes)


def beside_feast(rivals: Rivals, folder: Path, rounds: int) -> tuple[dict[str, float], dict[str, str]]:
    """Return seconds with Feast's among them and notes on it; without it where it cannot run."""
    try:
        with Feast(folder) as feast:
            return compared({**rivals, f"Feast {VERSION}, default offline store": feast.join}, rounds), feast.notes()
    except Absent as reason:
        return compared(rivals, rounds), {"Feast": str(reason)}


def ours(rows: pa.Table, states: Callable[[], pa.Table]) -> np.ndarray:
    """Let Headrace answer."""
    found = features(plan, rows, lambda name, columns: states().select(list(columns)))
    levels: np.ndarray = found.column("f.level").to_numpy()
    return levels


def duckdb_asof(connection: duckdb.DuckDBPyConnection, rows: str, states: str) -> np.ndarray:
    """Let DuckDB answer, in the order of the rows as all others do."""
    query = f"""select level from {rows} as asked asof left join {states} as states
        on asked.key = states.key and asked."at" >= states.since order by asked."row" """
    levels: np.ndarray = connection.sql(query).to_arrow_table().column("level").to_numpy()
    return levels


def compared(rivals: Rivals, rounds: int) -> dict[str, float]:
    """Return the seconds of rivals that have run before and have found the same."""
    mine = rivals["Headrace"]()
    for name, run in rivals.items():
        found = run()
        levels = found() if callable(found) else found
        if not np.array_equal(mine, levels, equal_nan=True):
            raise AssertionError(f"{name} and Headrace disagree")
    seconds, _ = in_turn(rivals, rounds)
    return seconds


def suite(small: bool) -> list[Result]:
    """Run the benchmark at its full or at a tenth of its size; Feast's time grows with the states of a key."""
    size, rounds = (10, 1) if small else (1, 3)
    rows, states = 100_000 // size, 1_000_000 // size
    many, few = (world(rows, states, keys // size) for keys in (20_000, 5_000))
    return [in_memory(many, 3 * rounds), from_file(many, rounds), from_file(few, rounds)]
