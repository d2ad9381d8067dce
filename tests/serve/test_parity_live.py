"""Live parity: a sample of what is served is held against history while it is served; what differs is named."""

import json
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pytest

from headrace.run import load_project
from headrace.serve import parity
from headrace.serve.app import start
from headrace.serve.drain import spool_of
from headrace.serve.journal import Reader
from headrace.serve.parity_live import LiveParity, live_figures
from headrace.serve.spool import opened
from tests.run.bank import edit
from tests.shop import DECIDE, START, payment


@pytest.fixture
def served(shop):
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        yield running, client


def ask(client, numbers, **more):
    for number in numbers:
        assert client.post(DECIDE, json=payment(number, **more)).status_code == 200


def journal_of(shop):
    return Reader(spool_of(shop.state_dir) / "records-0")


def always(shop, running, **more):
    return LiveParity(shop, running.office.spool, running.office.journal, share=1.0, seed=1, **more)


def test_what_is_served_is_compared_before_it_is_in_the_lake(shop, served):
    running, client = served
    live = always(shop, running)
    assert live.step()
    assert live.figures().as_dict() == {
        "records": 0, "compared": 0, "differing": 0, "skipped": {}, "examples": [], "served": 0, "unchecked": 0,
        "oldest_unchecked_s": 0.0, "failed": "",
    }  # fmt: skip
    for number in range(40):
        ask(client, [number], customer_id=3)
        assert client.post("/events/payments", json=payment(number, customer_id=3)).status_code == 200
    assert not shop.lake().exists("decisions_desk")
    assert live.figures().unchecked == 40
    assert live.figures().oldest_unchecked_s > 0
    assert live.step()
    figures = live.figures()
    assert (figures.records, figures.differing, figures.skipped, figures.failed) == (40, 0, {}, "")
    assert (figures.unchecked, figures.oldest_unchecked_s) == (0, 0)
    features = len(client.post(f"{DECIDE}?features=1", json=payment(900)).json()["features"])
    assert figures.compared == 40 * (features + 2)


def test_a_sample_is_taken_and_the_cursor_is_kept(shop, served):
    running, client = served
    live = always(shop, running, sample=5)
    ask(client, range(12))
    assert live.step()
    assert (live.figures().records, live.figures().served) == (5, 12)
    ask(client, range(20, 23))
    again = always(shop, running)
    assert again.figures().unchecked == 3
    assert again.step()
    assert (again.figures().records, again.figures().served) == (8, 15)
    assert live_figures(shop.state_dir)["records"] == 8
    (shop.state_dir / "parity" / "live.json").write_text("{")
    assert live_figures(shop.state_dir) is None
    assert always(shop, running).figures().records == 0


def test_records_that_are_in_the_lake_already_are_found_there(shop):
    with opened(spool_of(shop.state_dir)) as spool:
        live = LiveParity(shop, spool, journal_of(shop), share=1.0)
        with start(shop) as running, httpx.Client(base_url=running.url) as client:
            ask(client, range(6))
        assert shop.lake().rows("decisions_desk") == 6
        assert live.step()
        assert (live.figures().records, live.figures().differing) == (6, 0)


def test_it_rests_so_that_it_takes_its_share_of_the_time(shop, served):
    running, client = served
    live = LiveParity(shop, running.office.spool, running.office.journal, share=0.001)
    ask(client, range(3))
    assert live.step()
    assert not live.step()


def test_an_event_that_the_state_alone_has_is_named(shop, served):
    running, client = served
    live = always(shop, running)
    ask(client, [1], customer_id=5)
    state, contract = running.office.state, shop.project.streams["payments"].contract
    rows = pa.Table.from_pylist(
        [{"payment_id": "x", "at": START, "customer_id": 5, "terminal_id": 1, "amount": 7}],
        pa.schema([(name, one.type.arrow()) for name, one in contract.fields().items()]),
    )
    state.add("payments", rows, np.array([state.position("payments") + 1]), np.array([1]))
    at = START.replace(hour=1)
    answer = client.post(f"{DECIDE}?features=1", json=payment(2, at, customer_id=5)).json()
    assert live.step()
    assert live.figures().skipped == {"history does not reach them yet": 1}
    assert client.post("/events/payments", json=payment(3, customer_id=900)).status_code == 200
    ask(client, [4], at=at, customer_id=5)
    assert live.step()
    figures = live.figures()
    found = {one["feature"]: one for one in figures.examples}
    assert figures.differing == len(figures.examples) > 0
    one = found["spending.count_1d"]
    assert (one["service"], one["key"]) == ("desk", {"payment_id": "live-4"})
    assert one["served"] == answer["features"]["spending.count_1d"] == one["recomputed"] + 1
    assert one["cause"]
    assert one["record_id"]


def test_an_altered_record_is_named(shop):
    with opened(spool_of(shop.state_dir)) as spool:
        live = LiveParity(shop, spool, journal_of(shop), share=1.0)
        with start(shop) as running, httpx.Client(base_url=running.url) as client:
            ask(client, range(3))
        lake = shop.lake()
        records = lake.read("decisions_desk").to_pylist()
        records[1]["score"] += 0.25
        lake.overwrite("decisions_desk", pa.Table.from_pylist(records, schema=lake.schema("decisions_desk")))
        assert live.step()
        (one,) = live.figures().examples
    assert (one["feature"], one["served"]) == ("score", records[1]["score"])
    assert one["recomputed"] == records[1]["score"] - 0.25
    assert one["cause"] == "the record was altered after it was written"
    assert one["key"] == {"payment_id": json.loads(records[1]["request"])["payment_id"]}
    assert not parity(shop).passed


def test_what_other_declarations_served_is_told_apart(shop):
    with opened(spool_of(shop.state_dir)) as spool:
        begun = LiveParity(shop, spool, journal_of(shop), share=1.0)
        assert begun.step()
        with start(shop) as running, httpx.Client(base_url=running.url) as client:
            ask(client, range(4))
        edit(shop.folder, '"score > 0.02"', '"score > 0.03"')
        live = LiveParity(load_project(shop.folder), spool, journal_of(shop), share=1.0)
        assert live.step()
        assert (live.figures().records, live.figures().skipped) == (0, {"served by other declarations": 4})


def test_what_goes_wrong_ends_no_service_and_is_told(shop, served):
    running, client = served
    live = always(shop, running)
    ask(client, range(2))
    for file in shop.lake().files("payments"):
        Path(file).rename(f"{file}.away")
    assert live.step()
    assert live.figures().failed
    assert (live.figures().unchecked, live.figures().records) == (2, 0)
    ask(client, [2])
    for file in shop.lake().files("payments"):
        Path(f"{file}.away").rename(file)
    assert live.step()
    assert (live.figures().records, live.figures().failed, live.figures().differing) == (3, "", 0)
