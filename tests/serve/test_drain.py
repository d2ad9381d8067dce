"""Draining: what is in the lake is not brought again, and what a restore took out of it is not taken for done."""

import importlib
import shutil
from pathlib import Path

import httpx

import headrace as hr
from headrace.lake import Lake
from headrace.serve.app import start
from headrace.serve.drain import drain_events, journals, spool_of
from headrace.serve.record import unpacked
from headrace.serve.spool import opened
from tests.shop import DECIDE, payment, rows_of


class Payment(hr.Contract):
    payment_id: str = hr.key()


PAYMENTS = hr.Stream("payments", Payment)


def test_live_events_after_a_restore_are_not_taken_for_done(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    with opened(tmp_path / "spool") as spool:

        def post(*names: str) -> None:
            first = lake.sequence("payments") + 1
            spool.put_events([("payments", first + i, [name, first + i]) for i, name in enumerate(names)], 1)
            assert drain_events(spool, lake, PAYMENTS) == len(names)

        post("a", "b")
        before = lake.version("payments")
        post("c", "d")
        lake.restore("payments", before)
        post("e")
    assert lake.read("payments")["payment_id"].to_pylist() == ["a", "b", "e"]
    assert lake.read("payments")["_seq"].to_pylist() == [1, 2, 5]


def test_records_in_the_lake_are_not_read_again_unless_the_lake_has_them_no_more(shop, monkeypatch) -> None:
    read = []
    draining = importlib.import_module("headrace.serve.drain")
    monkeypatch.setattr(draining, "unpacked", lambda *args: (read.append(one.number) or one for one in unpacked(*args)))

    def decided(*numbers: int) -> list[int]:
        with start(shop) as running, httpx.Client(base_url=running.url, timeout=60) as client:
            read.clear()
            for number in numbers:
                assert client.post(DECIDE, json=payment(number)).status_code == 200
        return read

    assert decided(1, 2, 3) == [1, 2, 3]
    assert decided(4, 5) == [4, 5]
    assert len(rows_of(shop, "decisions_desk")) == 5
    (journal,) = journals(spool_of(shop.state_dir))
    assert [path.stat().st_mode & 0o777 for path in journal.glob("moved-*")] == [0o600]
    shutil.rmtree(shop.lake().root / "decisions_desk")
    assert decided() == []
    assert [one["record_id"][-2:] for one in rows_of(shop, "decisions_desk")] == ["-4", "-5"], "those still at hand"
