"""Batch scoring of payments: features, model, and the whole command, each beside the best that does the same."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import duckdb
import lightgbm
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.measure import Result, in_turn
from headrace.run import LoadedProject, load_project, run, train
from headrace.serve.scoring import score_table
from headrace.serve.scoring.deciding import Model

DAY, DAYS, START = 86_400_000_000, 60, 1_767_225_600_000_000
WINDOWS = {"count_1d": ("count", 1), "sum_1d": ("sum", 1), "mean_7d": ("mean", 7), "max_7d": ("max", 7),
           "std_7d": ("std", 7), "mean_30d": ("mean", 30)}  # fmt: skip
TREES = 200
FEATURES = ["now.amount", "now.ratio", *(f"c.{name}" for name in WINDOWS), *(f"t.{name}" for name in WINDOWS)]
PROJECT = '''
import headrace as hr


class Payment(hr.Contract):
    """A payment."""

    payment_id: int = hr.key()
    at: hr.Timestamp = hr.event_time()
    customer_id: int
    terminal_id: int
    amount: float = hr.field(ge=0, le=10_000)
    bad: int


payments = hr.Stream("payments", Payment, source="payments.parquet")
windows = {"count_1d": hr.count("1d"), "sum_1d": hr.sum("amount", "1d"), "mean_7d": hr.mean("amount", "7d"),
           "max_7d": hr.max("amount", "7d"), "std_7d": hr.std("amount", "7d"), "mean_30d": hr.mean("amount", "30d")}
by_customer = hr.Features("c", payments, hr.Entity("customer_id"), windows)
by_terminal = hr.Features("t", payments, hr.Entity("terminal_id"), windows)
now = hr.Features("now", payments, features={"amount": "amount", "ratio": "amount / c.mean_7d"})
cases = hr.TrainingSet("cases", payments, [now, by_customer, by_terminal], where="payment_id % 20 = 0",
                       label=hr.label(payments, "bad", on="payment_id", matures="1d"))


def boosting(train):
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(n_estimators=TREES, random_state=train.seed, verbose=-1, n_jobs=2).fit(train.X, train.y)
    model.booster_.save_model("booster.txt")
    return model


score = hr.Model("score", cases, boosting, hr.time_split(train="40d", test="10d"), [hr.roc_auc()])
desk = hr.Service("desk", score, decide={"block": "score > 0.6 and amount > 20", "review": "score > 0.3"})
project = hr.Project("bench", services=[desk])
'''


def laid(folder: Path, rows: int, keys: tuple[int, int] | None = None) -> LoadedProject:
    """Lay a project with generated payments into a folder, load them and train its model.

    Args:
        folder: of the project.
        rows: payments.
        keys: how many customers and terminals, each with payments; by default at most a fiftieth and a two-hundredth of
            the rows.
    """
    random = np.random.default_rng(7)
    amount = np.round(random.gamma(2.0, 40.0, rows), 2)
    customer, terminal = random.integers(0, rows // 50, rows), random.integers(0, rows // 200, rows)
    if keys:
        customer, terminal = (random.permutation(np.arange(rows) % count) for count in keys)
    odd = (amount > 150) & (terminal % 7 == 0) | (random.random(rows) < 0.01)
    at = np.sort(random.integers(0, DAYS * DAY, rows)) + START
    columns = {"payment_id": np.arange(rows), "at": pa.array(at).cast(pa.timestamp("us", tz="UTC"))}
    columns |= {"customer_id": customer, "terminal_id": terminal, "amount": amount, "bad": odd.astype(np.int64)}
    pq.write_table(pa.table(columns), folder / "payments.parquet")
    (folder / "project.py").write_text(
        PROJECT.replace("TREES", str(TREES)).replace('"booster.txt"', repr(str(folder / "booster.txt")))
    )
    (folder / "headrace.toml").write_text('[project]\nname = "bench"\n')
    loaded = load_project(folder)
    if not run(loaded).ok:
        raise AssertionError("the payments could not be loaded")
    train(loaded)
    return loaded


def by_duckdb(files: list[str]) -> pa.Table:
    """Compute the features with DuckDB's window SQL from the very files of the lake, in the order of the rows."""
    how = {"count": "count(*)", "sum": "sum(amount)", "mean": "avg(amount)", "max": "max(amount)"}
    how["std"] = "stddev_samp(amount)"
    columns, named = [], []
    for group, key in (("c", "customer_id"), ("t", "terminal_id")):
        for days in sorted({days for _, days in WINDOWS.values()}):
            edge = f"range between {days * DAY} preceding and 1 preceding"
            named.append(f"{group}{days} as (partition by {key} order by us {edge})")
        columns += [f'{how[kind]} over {group}{days} as "{group}.{name}"' for name, (kind, days) in WINDOWS.items()]
    rows = 'select *, epoch_us("at") as us from read_parquet($files)'
    found = f"select _seq, amount, {', '.join(columns)} from ({rows}) window {', '.join(named)}"
    now = 'amount as "now.amount", amount / "c.mean_7d" as "now.ratio"'
    query = f"select {now}, * exclude (amount) from ({found}) order by _seq"
    return duckdb.connect().sql(query, params={"files": files}).to_arrow_table()


def as_matrix(table: pa.Table, names: list[str]) -> np.ndarray[Any, Any]:
    """Return columns as a model takes them."""
    return np.column_stack([table.column(name).cast(pa.float64()).to_numpy().astype(np.float32) for name in names])


def by_hand(files: list[str], booster: lightgbm.Booster, to: Path) -> pa.Table:
    """The same scores and decisions by DuckDB, LightGBM and NumPy, written as Parquet."""
    table = by_duckdb(files)
    x = as_matrix(table, FEATURES)
    scores = booster.predict(x, num_threads=2)
    amount = x[:, FEATURES.index("now.amount")]
    decision = np.select([(scores > 0.6) & (amount > 20), scores > 0.3], ["block", "review"], "allow")
    table = table.append_column("score", pa.array(scores)).append_column("decision", pa.array(decision))
    pq.write_table(table, to, compression="zstd")
    return table


def agreed(ours: pa.Table, theirs: pa.Table, scores: np.ndarray[Any, Any], booster: lightgbm.Booster) -> str:
    """Hold features, scores and decisions against each other; a difference ends the run."""
    for name in FEATURES[2:]:
        mine, other = (one.column(name).cast(pa.float64()).to_numpy() for one in (ours, theirs))
        if not np.array_equal(np.isnan(mine), np.isnan(other)):
            raise AssertionError(f"null elsewhere in {name}")
        allowed = 0.0 if name.endswith(("count_1d", "max_7d")) else 1e-5 if "std" in name else 1e-9
        if np.nanmax(np.abs(mine - other) / np.maximum(np.abs(mine), 1.0)) > allowed:
            raise AssertionError(f"differs in {name}")
    apart = float(np.abs(scores - booster.predict(as_matrix(ours, FEATURES))).max())
    if apart > 1e-6 or not np.array_equal(scores, ours.column("score").to_numpy()):
        raise AssertionError(f"scores differ by {apart}")
    same = np.mean(ours.column("decision").to_numpy() == theirs.column("decision").to_numpy())
    if same < 0.9999:
        raise AssertionError(f"decisions agree in {same:.4%} of rows")
    return f"features equal to 1e-9, scores to {apart:.0e}, decisions in {same:.4%} of rows"


def measured(rows: int, rounds: int) -> list[Result]:
    """Return the times of features, of the model, and of all of it."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        loaded = laid(folder, rows)
        lake, registry = loaded.lake(), loaded.registry()
        version = registry.champion("score")
        assert version is not None
        model, files = Model(registry.load(version)), lake.files("payments")
        booster = lightgbm.Booster(model_file=str(folder / "booster.txt"))
        to = {"Headrace": folder / "ours.parquet", "by hand": folder / "theirs.parquet"}
        spent: list[dict[str, float]] = []

        def ours() -> pa.Table:
            scored = score_table(loaded, "payments", to=str(to["Headrace"]))
            spent.append(dict(scored.seconds))
            return scored

        ours()
        whole, found = in_turn({"Headrace": ours, "by hand": lambda: by_hand(files, booster, to["by hand"])}, rounds)
        made = found["Headrace"].to_arrow()
        x = as_matrix(made, list(model.scorer.features))
        scores = model.score(x)
        said = agreed(made, found["by hand"], scores, booster)
        windows, _ = in_turn({"DuckDB": lambda: by_duckdb(files)}, rounds)
        features = {"Headrace": min(one["features"] for one in spent), **windows}
        alone = {"Headrace": lambda: model.score(x), "LightGBM, 2 threads": lambda: booster.predict(x, num_threads=2)}
        scoring, _ = in_turn(alone, rounds)
        least = min(spent, key=lambda one: one["all"])
        parts = {f"{name} of it": f"{taken:.2f} s, {rows / taken:,.0f} rows/s" for name, taken in least.items()}
        parts["not by hand"] = "late events, a record of what decided, a quarantine, memory within bounds"
    what = f"{rows:,} payments, {len(FEATURES)} features of 2 entities"
    trees = f"LightGBM of {TREES} trees"
    speed = {"rows a second": f"{rows / features['Headrace']:,.0f}"}
    return [
        Result("score: features", f"{what}, from the files of the lake", features, said, "1,000,000 rows/s", speed),
        Result("score: model", f"{rows:,} rows, {trees}", scoring, said, "at the model's own speed"),
        Result("score: whole", f"{what}, {trees}, rules, Parquet", whole, said, "", parts),
    ]


def suite(small: bool) -> list[Result]:
    """Run at two million payments, or at twenty thousand."""
    return measured(20_000, 1) if small else measured(2_000_000, 3)
