"""A small shop whose files are made by hand, for tests of the report of data: three loads, the last one otherwise."""

import numpy as np
import pandas as pd

from headrace.run import load_project, run

PROJECT = '''
import headrace as hr


class Shop(hr.Contract):
    """A shop."""

    shop_id: int = hr.key()


class Sale(hr.Contract):
    """One sale, as the till reports it."""

    sale_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    shop_id: int
    buyer: str = hr.field(privacy="personal")
    card: str = hr.field(subject=True)
    how: str
    note: str | None
    net: hr.Decimal(8, 2) = hr.field(ge=0)
    gross: hr.Decimal(8, 2)

    with_tax = hr.check("gross >= net")
    cheap = hr.check("net < 90", severity="warn")
    recent = hr.fresh("1d")
    nets = hr.distribution("net", within=0.2)


shops = hr.Table("shops", Shop, source="data/shops*")
sales = hr.Stream("sales", Sale, source="data/sales*", owner="<b>till</b>")
cards = hr.Table("cards", query="select card, sale_id, buyer, net from sales", owner="till")
totals = hr.Table("totals", query="select shop_id, count(*) as sales, sum(net) as net from sales group by all")
project = hr.Project("shop", sources=[shops, sales, cards, totals])
'''
LATER = """
later = hr.Stream("later", Sale, source="data/later*")
project = hr.Project("shop", sources=[shops, sales, cards, totals, later])
"""
SECRET = "Rumpelstiltskin"
"""Stands in every value that no report may show."""


def rows(load, count=400):
    """The sales of a load, before any of them is spoilt."""
    rng = np.random.default_rng(load)
    net = (rng.gamma(4, 5, count) + 30 * (load == 3)).round(2).clip(0, 95)
    return pd.DataFrame(
        {
            "sale_id": [f"{SECRET}-{load}-{n}" for n in range(count)],
            "at": pd.date_range(f"2026-0{load}-01", periods=count, freq="1h", tz="UTC").strftime("%Y-%m-%dT%H:%M:%SZ"),
            "shop_id": rng.integers(1, 40, count),
            "buyer": [f"{SECRET} {n % 50}" for n in range(count)],
            "card": [f"{SECRET}{n % 70}" for n in range(count)],
            "how": rng.choice(["cash", "card", "<i>cheque</i>"] if load < 3 else ["cash", "card", "phone"], count),
            "note": [f"{SECRET} says {n}" if n % 4 else "" for n in range(count)],
            "net": net,
            "gross": (net * 1.19).round(2),
        }
    )


def make_shop(folder):
    """Write the project and its files, and load them one after the other."""
    (folder / "data").mkdir(parents=True)
    (folder / "project.py").write_text(PROJECT)
    (folder / "headrace.toml").write_text("")
    pd.DataFrame({"shop_id": range(1, 40)}).to_csv(folder / "data" / "shops.csv", index=False)
    for load in (1, 2, 3):
        sales = rows(load)
        if load > 1:
            sales.loc[[7, 11], "gross"] = 0
            sales.loc[13, "net"] = -1
        sales.to_csv(folder / "data" / f"sales-{load}.csv", index=False)
        run(load_project(folder))
    (folder / "project.py").write_text(PROJECT + LATER)
    return load_project(folder)


def accepted():
    """The rows that the lake has, computed apart from it."""
    found = []
    for load in (1, 2, 3):
        sales = rows(load).assign(load=load)
        found.append(sales.drop([7, 11, 13]) if load > 1 else sales)
    return pd.concat(found)
