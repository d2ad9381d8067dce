"""Contracts that change under live events: a service that starts, runs on, or refuses, and parity afterwards."""

from __future__ import annotations

from pathlib import Path

import httpx
import pyarrow as pa
import pytest

from headrace.errors import HeadraceError
from headrace.lake import Lake
from headrace.run import LoadedProject, RunFailed, load_project, run
from headrace.serve import parity
from headrace.serve.app import start
from headrace.serve.drain import drain_events
from headrace.serve.spool import opened
from headrace.types import INT, STR, Decimal, Timestamp
from tests.run.bank import edit
from tests.shop import DECIDE, payment

AMOUNT = "    amount: hr.Decimal(12, 2) = hr.field(ge=0, le=10000)\n"
FIRST = (
    "    channel: str | None\n    payment_id: str = hr.key()\n    at: hr.Timestamp = hr.event_time()\n    customer_id"
)
KEY = "    payment_id: str = hr.key()\n    at: hr.Timestamp = hr.event_time()\n    customer_id"


def with_channel(shop: LoadedProject) -> LoadedProject:
    """The project with one field more, in front of all others."""
    edit(shop.folder, KEY, FIRST)
    return load_project(shop.folder)


def post(client: httpx.Client, number: int, **more: object) -> httpx.Response:
    return client.post("/events/payments", json=payment(number, **more))


def channels(loaded: LoadedProject) -> dict[str, str | None]:
    rows = loaded.lake().read("payments", columns=["payment_id", "channel"]).to_pylist()
    return {row["payment_id"]: row["channel"] for row in rows if row["payment_id"].startswith("live")}


def test_a_field_is_added_while_a_service_runs(shop: LoadedProject) -> None:
    with start(shop, settle_s=0.1) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        assert post(client, 1).status_code == 200
        assert client.post(DECIDE, json=payment(101)).status_code == 200
        evolved = with_channel(shop)
        assert run(evolved).ok
        assert "channel" in evolved.lake().schema("payments").names
        assert post(client, 2).status_code == 200, "the service goes on by the contract that it was started with"
        assert "HR-REQUEST-005" in post(client, 3, channel="web").text
        assert client.post(DECIDE, json=payment(102)).status_code == 200
    with start(evolved, settle_s=0.1) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        assert post(client, 3, channel="web").status_code == 200
        assert client.post(DECIDE, json=payment(103)).status_code == 200
    assert channels(evolved) == {"live-1": None, "live-2": None, "live-3": "web"}
    assert run(evolved).ok
    report = parity(evolved)
    assert (report.differing, report.records) == (0, 3)


def test_a_service_that_starts_before_a_run_brings_tables_along(shop: LoadedProject) -> None:
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        assert post(client, 1).status_code == 200
    evolved = with_channel(shop)
    with start(evolved) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        assert post(client, 2, channel="shop").status_code == 200
        assert client.post(DECIDE, json=payment(101)).status_code == 200
    assert channels(evolved) == {"live-1": None, "live-2": "shop"}
    assert run(evolved).ok
    assert parity(evolved).differing == 0


def test_a_service_does_not_start_on_what_it_cannot_follow(shop: LoadedProject) -> None:
    edit(shop.folder, "    terminal_id: int\n    amount", "    terminal_id: str\n    amount")
    edit(shop.folder, "    terminal_id: int\n    customer_id", "    terminal_id: str\n    customer_id")
    with pytest.raises(HeadraceError) as told, start(load_project(shop.folder)):
        pass
    assert {fault.code for fault in told.value.faults} == {"HR-EVOLVE-001"}
    assert "service desk" in told.value.faults[0].found


def test_a_wider_type_waits_for_a_service_to_end(shop: LoadedProject) -> None:
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        assert post(client, 1).status_code == 200
        edit(shop.folder, AMOUNT, AMOUNT.replace("12, 2", "14, 2"))
        with pytest.raises(RunFailed) as told:
            run(load_project(shop.folder))
        assert [fault.code for fault in told.value.faults if fault.severity == "error"] == ["HR-EVOLVE-003"]
        assert post(client, 2).status_code == 200
    evolved = load_project(shop.folder)
    assert run(evolved).ok
    assert evolved.lake().schema("payments").field("amount").type == pa.decimal128(14, 2)
    live = evolved.lake().read("payments").filter(pa.compute.field("_load") == "live")
    assert live["payment_id"].to_pylist() == ["live-1", "live-2"]


def test_events_are_drained_in_the_fields_in_which_they_were_written(tmp_path: Path) -> None:
    import headrace as hr

    class Payment(hr.Contract):
        channel: str | None
        amount: Decimal(14, 3)  # type: ignore[valid-type]
        at: hr.Timestamp = hr.event_time()  # type: ignore[valid-type]
        number: int = hr.key()

    stream, lake = hr.Stream("payments", Payment), Lake(tmp_path / "lake")
    with opened(tmp_path / "spool") as spool:
        spool.put_layout("payments", {"number": INT, "at": Timestamp, "amount": Decimal(12, 2)})
        spool.put_events("payments", 1, [[7, 1_000_000, 150]], 2_000_000)
        assert drain_events(spool, lake, stream) == 1
        assert lake.schema("payments").names[:3] == ["number", "at", "amount"]
        spool.put_layout("payments", {"channel": STR | None, "number": INT, "at": Timestamp, "amount": Decimal(12, 2)})
        spool.put_events("payments", 2, [["web", 8, 1_000_000, 250]], 2_000_000)
        assert drain_events(spool, lake, stream) == 1
    rows = lake.read("payments", columns=["number", "amount", "channel", "_seq"]).to_pylist()
    assert [(row["number"], str(row["amount"]), row["channel"], row["_seq"]) for row in rows] == [
        (7, "1.50", None, 1),
        (8, "2.50", "web", 2),
    ]
