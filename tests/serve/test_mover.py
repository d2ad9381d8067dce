"""Moving records by a process of its own: as they come, whatever becomes of it, and only while there is something."""

import importlib
import os
import signal
import time
from pathlib import Path

import httpx
import psutil
import pytest

from headrace.errors import HeadraceError
from headrace.lake import Lake
from headrace.serve import mover
from headrace.serve.app import start
from headrace.serve.drain import spool_of
from headrace.serve.mover import Mover
from headrace.serve.spool import MAP_BYTES
from tests.shop import DECIDE, payment, rows_of


@pytest.fixture
def few(monkeypatch):
    """Five records are many."""
    monkeypatch.setattr(importlib.import_module("headrace.serve.office"), "MANY", 5)
    monkeypatch.setattr(mover, "_RESTS_S", 0.5)


def until(holds):
    end = time.monotonic() + 60
    while not (found := holds()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def decided(client, *numbers):
    for number in numbers:
        assert client.post(DECIDE, json=payment(number)).status_code == 200


def moved(shop):
    return sorted(row["record_id"].rpartition("-")[2] for row in rows_of(shop, "decisions_desk"))


@pytest.mark.usefixtures("few")
def test_records_come_to_the_lake_while_a_service_runs_by_a_process_that_rests_afterwards(shop):
    with start(shop, settle_s=0.05) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        office = running.office
        decided(client, *range(4))
        time.sleep(0.3)
        assert office._mover.process is None
        assert rows_of(shop, "decisions_desk") == []
        decided(client, *range(4, 8))
        process = psutil.Process(until(lambda: office._mover.process))
        until(lambda: len(rows_of(shop, "decisions_desk")) == 8)
        assert process.nice() == 10
        until(lambda: office.waiting == 0)
        until(lambda: office._mover.process is None)
        until(lambda: not process.is_running())
        decided(client, 2)
    assert len(rows_of(shop, "decisions_desk")) == 8


@pytest.mark.usefixtures("few")
def test_each_record_is_moved_once_however_often_the_process_is_killed(shop):
    with start(shop, settle_s=0.02) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        killed = set()
        for number in range(60):
            decided(client, number)
            process = running.office._mover.process
            if process is not None and process not in killed and number % 7 == 0:
                os.kill(process, signal.SIGKILL)
                killed.add(process)
            time.sleep(0.05)
        assert len(killed) > 1
    assert moved(shop) == sorted(map(str, range(1, 61)))


def test_what_the_lake_says_is_told_and_everything_is_kept(shop, tmp_path: Path):
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        decided(client, 1, 2)
        (tmp_path / "no-lake").write_text("a file")
        one = Mover(spool_of(shop.state_dir), MAP_BYTES, Lake(tmp_path / "no-lake"))
        try:
            one.look(wanted=True)
            with pytest.raises(HeadraceError) as told:
                until(lambda: one.look(wanted=True))
        finally:
            one.close()
        assert told.value.faults[0].code.startswith("HR-LAKE")
        assert rows_of(shop, "decisions_desk") == []
    assert moved(shop) == ["1", "2"]
