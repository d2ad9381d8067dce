"""As-of look-up of state: Headrace against DuckDB's ASOF join and the way Feast's default offline store does it."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

import headrace as hr
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


def run(rows: int = 100_000, states: int = 1_000_000, keys: int = 20_000, rounds: int = 5) -> Result:
    """Look up the newest state of a key as of each row."""
    random = np.random.default_rng(3)

    def utc(values: np.ndarray) -> pa.Array:
        return pa.array(values).cast(pa.timestamp("us", tz="UTC"))

    spine = pa.table({"at": utc(np.sort(random.integers(0, 60 * DAY, rows))), "key": random.integers(0, keys, rows)})
    since = np.sort(random.choice(60 * DAY, states, replace=False))
    table = pa.table({"key": random.integers(0, keys, states), "since": utc(since), "level": random.random(states)})
    plan = compile_features([levels], questions)

    def ours() -> np.ndarray:
        found = features(plan, spine, lambda name, columns: table.select(list(columns)))
        return found.column("f.level").to_numpy()

    rivals = {
        "Headrace": ours,
        "DuckDB ASOF": lambda: _duckdb(spine, table),
        "merge and drop duplicates (Feast's default offline store)": lambda: _merged(spine, table),
    }
    ours()
    seconds, results = in_turn(rivals, rounds)
    first = results["Headrace"]
    for name, other in results.items():
        if not np.array_equal(first, other, equal_nan=True):
            raise AssertionError(f"{name} and Headrace disagree")
    what = f"{rows:,} rows against {states:,} states of {keys:,} keys"
    return Result("as-of join", what, seconds, "results equal", "2x DuckDB, 100x Feast's default store")


def _duckdb(spine: pa.Table, table: pa.Table) -> np.ndarray:
    connection = duckdb.connect()
    numbered = spine.append_column("row", pa.array(np.arange(spine.num_rows)))
    connection.register("spine", numbered)
    connection.register("states", table)
    query = 'select level from spine asof left join states on spine.key = states.key and spine."at" >= states.since'
    return connection.sql(query + " order by spine.row").to_arrow_table().column("level").to_numpy()


def _merged(spine: pa.Table, table: pa.Table) -> np.ndarray:
    """Join on the key, drop what lies in the future, keep the newest: the steps of that store, in pandas."""
    rows, states = spine.to_pandas().reset_index(names="row"), table.to_pandas()
    joined = rows.merge(states, on="key", how="left")
    known = joined[(joined["since"] <= joined["at"]) | joined["since"].isna()]
    newest = known.sort_values("since").drop_duplicates("row", keep="last")
    found: np.ndarray = rows[["row"]].merge(newest[["row", "level"]], on="row", how="left")["level"].to_numpy()
    return found


def suite(small: bool) -> list[Result]:
    """Run the benchmark at its full or at a tenth of its size."""
    return [run(10_000, 100_000, 2_000, 1)] if small else [run()]
