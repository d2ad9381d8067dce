"""Live events in the history of quality: judged once they are in the lake, each once, and never taken back."""

import json
from pathlib import Path

import headrace as hr
from headrace.connect import quality_now
from headrace.lake import Lake
from headrace.run import load_project, run, status
from headrace.serve.drain import drain_events
from headrace.serve.intake import layout
from headrace.serve.judging import judge_live
from headrace.serve.spool import opened
from tests.serve.server import Server


class Shop(hr.Contract):
    shop_id: int = hr.key()


class Sale(hr.Contract):
    sale_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    shop_id: int = hr.field(le=3, severity="warn")
    receipt: str | None

    shop = hr.reference("shop_id", to="shops")
    one_receipt = hr.unique("receipt")
    size = hr.volume(at_least=100, severity="stop")


SALES = hr.Stream("sales", Sale)
PROJECT = hr.Project("bakery", sources=[SALES, hr.Table("shops", Shop, source="shops*")])
AT = 1_770_000_000_000_000


def _post(lake: Lake, folder: Path, *rows: tuple[str, int, str | None]) -> None:
    with opened(folder / "spool") as spool:
        first = lake.sequence("sales") + 1
        spool.put_layout("sales", layout(SALES))
        spool.put_events("sales", first, [[name, AT, *more] for name, *more in rows], AT)
        assert drain_events(spool, lake, SALES) == len(rows)


def _history(lake: Lake) -> dict[str, dict[str, tuple[int, int]]]:
    rows = lake.sql("select _load, rule, checked, failed from quality_sales where rule <> 'profile' order by all")
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for one in rows.to_pylist():
        found.setdefault(one["_load"], {})[one["rule"]] = (one["checked"], one["failed"])
    return found


def test_what_other_rows_decide_is_looked_up_in_the_lake(tmp_path: Path) -> None:
    import pyarrow as pa

    lake = Lake(tmp_path / "lake")
    lake.append("shops", pa.table({"shop_id": [1, 2, 4]}))
    _post(lake, tmp_path, ("a", 1, "r1"), ("b", 9, "r2"))
    assert judge_live(PROJECT, lake) == {"sales": 2}
    _post(lake, tmp_path, ("c", 4, "r1"), ("d", 2, "r3"), ("e", 2, "r3"), ("f", 2, None))
    assert judge_live(PROJECT, lake) == {"sales": 4}
    assert judge_live(PROJECT, lake) == {}
    found = _history(lake)
    assert list(found) == ["live:2", "live:6"]
    assert {rule: found["live:2"][rule] for rule in ("rows", "shop", "one_receipt", "shop_id le")} == {
        "rows": (2, 0),
        "shop": (2, 1),
        "one_receipt": (2, 0),
        "shop_id le": (2, 1),
    }
    assert found["live:6"]["one_receipt"] == (4, 2)
    assert found["live:6"]["shop_id le"] == (4, 1)
    assert "size" not in found["live:6"]
    assert lake.rows("sales") == 6
    assert quality_now(lake, "sales", 5) == ((1.0, 1.0), ("one_receipt", "shop_id le"))


def test_a_table_that_is_not_loaded_yet_is_not_asked(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    _post(lake, tmp_path, ("a", 1, "r1"))
    assert judge_live(PROJECT, lake) == {"sales": 1}
    assert _history(lake)["live:1"]["shop"] == (1, 0)


def test_a_table_that_lacks_a_column_waits(tmp_path: Path) -> None:
    class Grown(Sale):
        note: str | None

    lake = Lake(tmp_path / "lake")
    _post(lake, tmp_path, ("a", 1, "r1"))
    grown = hr.Project("bakery", sources=[hr.Stream("sales", Grown), hr.Table("shops", Shop, source="shops*")])
    assert judge_live(grown, lake) == {}
    assert judge_live(PROJECT, lake) == {"sales": 1}


DECLARED = """import headrace as hr


class Shop(hr.Contract):
    shop_id: int = hr.key()


class Sale(hr.Contract):
    sale_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    shop_id: int
    net: float = hr.field(ge=0, le=100)
    receipt: str | None

    shop = hr.reference("shop_id", to="shops")
    one_receipt = hr.unique("receipt")


class Return(hr.Contract):
    at: hr.Timestamp = hr.event_time()
    sale_id: str = hr.key()
    back: int = hr.field(ge=0, le=1)


shops = hr.Table("shops", Shop, source="data/shops*")
sales = hr.Stream("sales", Sale, source="data/sales*")
returns = hr.Stream("returns", Return, source="data/returns*")
now = hr.Features("now", sales, features={"net": "net"})
cases = hr.TrainingSet("cases", sales, [now], hr.label(returns, "back", on="sale_id", matures="1d", default=0))


def fit(train):
    from sklearn.linear_model import LogisticRegression
    return LogisticRegression().fit(train.X, train.y)


back = hr.Model("back", cases, fit, hr.time_split("30d", "10d"), [hr.log_loss()], [])
desk = hr.Service("desk", back, {"ask": "score > 0.9"})
project = hr.Project("bakery", services=[desk], sources=[shops])
"""


def test_a_service_judges_what_was_posted_and_tells_it_in_status(tmp_path: Path) -> None:
    from headrace.run import train

    (tmp_path / "data").mkdir()
    (tmp_path / "headrace.toml").write_text('[project]\nname = "bakery"\n')
    (tmp_path / "project.py").write_text(DECLARED)
    (tmp_path / "data" / "shops.csv").write_text("shop_id\n1\n2\n")
    days = [f"2026-{1 + day // 28:02}-{1 + day % 28:02}T10:00:00Z" for day in range(60)]
    rows = [f"s{n},{day},{1 + n % 2},{n % 50}.5,r{n}\n" for n, day in enumerate(days)]
    (tmp_path / "data" / "sales.csv").write_text("sale_id,at,shop_id,net,receipt\n" + "".join(rows))
    back = [f"{day.replace('T10', 'T12')},s{n},1\n" for n, day in enumerate(days) if n % 3 == 0]
    (tmp_path / "data" / "returns.csv").write_text("at,sale_id,back\n" + "".join(back))
    loaded = load_project(tmp_path)
    run(loaded)
    train(loaded)
    server = Server(tmp_path)
    posted = [("x1", 1, "r1"), ("x2", 7, "new"), ("x3", 2, "new")]
    lines = [
        {"sale_id": name, "at": "2026-03-20T10:00:00Z", "shop_id": shop, "net": 1.0, "receipt": receipt}
        for name, shop, receipt in posted
    ]
    answer = server.client.post("/events/sales", content="\n".join(map(json.dumps, lines)))
    assert answer.json()["taken"] == 3, answer.text
    server.client.close()
    server.stop()
    (sales,) = [one for one in status(load_project(tmp_path)).tables if one.name == "sales"]
    assert sales.rows == 63
    assert sales.broken == ("one_receipt", "shop")
    run(load_project(tmp_path))
    live = [load for load in _history(load_project(tmp_path).lake()) if load.startswith("live:")]
    assert live == ["live:63"]
