"""A new declaration takes over while its predecessor answers; one that is no good stays out, and says why."""

import asyncio
import json
import signal
import socket
import threading
import time
from datetime import timedelta
from types import SimpleNamespace

import httpx
import pytest

from headrace.errors import Fault, HeadraceError
from headrace.run import load_project, run, train
from headrace.serve import parity
from headrace.serve.office import office
from headrace.serve.wire.limits import Limits
from headrace.serve.wire.listen import Entry
from headrace.serve.workers import supervisor
from headrace.serve.workers.crew import Plan
from headrace.serve.workers.held import held
from headrace.serve.workers.trial import tried
from tests.run.bank import edit
from tests.serve.server import Server
from tests.serve.test_swap import ROOT
from tests.shop import DECIDE, START, payment, rows_of

RULE = '"review": "score > 0.02"'


class Load:
    """Clients that decide and post events all the time; what they were answered."""

    def __init__(self, url):
        self.url, self.statuses, self.decisions, self.unseen = url, [], [], []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._decide, args=(one,)) for one in range(3)]
        self._threads.append(threading.Thread(target=self._post))

    def __enter__(self):
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        for one in self._threads:
            one.join(60)

    def _decide(self, worker):
        with httpx.Client(base_url=self.url, timeout=60) as client:
            number = 0
            while not self._ended.is_set():
                number += 1
                self._answered(client.post(DECIDE, json=payment(number, payment_id=f"load-{worker}-{number}")))

    def _post(self):
        with httpx.Client(base_url=self.url, timeout=60) as client:
            number = 0
            while not self._ended.is_set():
                number += 1
                key = 2_000_000 + number
                event = payment(number, payment_id=f"posted-{number}", customer_id=key)
                self.statuses.append(client.post("/events/payments", json=event).status_code)
                row = payment(number, START + timedelta(hours=1), payment_id=f"read-{number}", customer_id=key)
                answer = client.post(f"{DECIDE}?features=1", json=row)
                self._answered(answer)
                if answer.json()["features"]["spending.count_1d"] != 1:
                    self.unseen.append(number)

    def _answered(self, answer):
        self.statuses.append(answer.status_code)
        self.decisions.append(answer.json().get("decision"))


def until(holds, seconds=180):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.1)


def reload_of(server):
    return server.client.get("/health/ready").json().get("reload", {})


def test_a_new_declaration_takes_over_under_load_and_a_bad_one_stays_out(shop):
    server = Server(shop.folder, "--workers", "2")
    project = shop.folder / "project.py"
    good = project.read_text()
    try:
        with Load(server.client.base_url) as load:
            until(lambda: len(load.statuses) > 50)
            project.write_text(f"{good}\ndef (")
            server.process.send_signal(signal.SIGHUP)
            until(lambda: reload_of(server))
            assert reload_of(server)["serves"] is False
            assert "HR-PROJECT-006" in reload_of(server)["why"]
            project.write_text(good.replace('"frauds": hr.sum("is_fraud", "7d"', '"frauds": hr.sum("is_fraud", "9d"'))
            server.process.send_signal(signal.SIGHUP)
            until(lambda: "HR-SERVE-003" in reload_of(server)["why"])
            seen = len(load.statuses)
            until(lambda: len(load.statuses) > seen + 50)
            assert "peek" not in load.decisions
            project.write_text(good.replace(RULE, '"peek": "score > -1"'))
            server.process.send_signal(signal.SIGHUP)
            until(lambda: reload_of(server).get("serves"))
            until(lambda: load.decisions[-20:].count("peek") > 10)
            time.sleep(4)  # those that answered before end in the meantime
            seen = len(load.decisions)
            until(lambda: len(load.decisions) > seen + 50)
            assert {"allow", "review"} & set(load.decisions[seen:]) == set()
        assert set(load.statuses) == {200}
        assert load.unseen == []
    finally:
        told = server.stop()
    assert told.count("HR-PROJECT-006") == told.count("HR-SERVE-003") == 1
    loaded = load_project(shop.folder)
    rows = rows_of(loaded, "decisions_desk")
    assert len({row["record_id"] for row in rows}) == len(rows) == len(load.decisions)
    assert parity(loaded).passed


def test_watched_files_are_loaded_when_they_change_also_by_a_single_worker(shop):
    server = Server(shop.folder, "--watch")
    try:
        assert server.client.post(DECIDE, json=payment(1, payment_id="before")).json()["decision"] != "peek"
        edit(shop.folder, RULE, '"peek": "score > -1"')
        until(lambda: reload_of(server).get("serves"))
        until(lambda: server.client.post(DECIDE, json=payment(1)).json()["decision"] in ("peek", "block"))
        assert server.client.post(DECIDE, json=payment(1, payment_id="after")).json()["decision"] == "peek"
        again = server.client.post(DECIDE, json=payment(1, payment_id="before")).json()
        assert again["repeated"] is True
        assert again["decision"] != "peek"
    finally:
        server.stop()


def test_a_declaration_whose_model_was_not_trained_yet_takes_over_when_it_is(shop):
    server = Server(shop.folder, "--watch")
    try:
        edit(shop.folder, '"frauds": hr.sum("is_fraud", "7d"', '"frauds": hr.sum("is_fraud", "9d"')
        until(lambda: "HR-SERVE-003" in reload_of(server).get("why", ""))
        assert "loading_since" not in server.client.get("/health/ready").json()
        loaded = load_project(shop.folder)
        run(loaded)
        train(loaded)
        registry = loaded.registry()
        registry.promote("score", max(one.number for one in registry.versions("score")))
        until(lambda: reload_of(server)["serves"])
        answer = server.client.post(DECIDE, json=payment(1)).json()
        assert answer["model"]["version"] == registry.champion("score").number
    finally:
        server.stop()


def test_a_declaration_that_fails_on_what_was_just_asked_stays_out(shop):
    server = Server(shop.folder, "--watch")
    try:
        row = payment(1, payment_id="stranger", customer_id=9_000_000)
        assert server.client.post(DECIDE, json=row).status_code == 200
        edit(shop.folder, f"{RULE}}})", f'{RULE}}}, stale_after="1m", when={{"stale": "refuse"}})')
        until(lambda: reload_of(server))
        # what a state of that moment refuses is no fault of the declaration
        assert reload_of(server)["serves"] is True
    finally:
        server.stop()


def test_a_declaration_is_tried_on_what_was_just_asked(shop):
    first = shop.registry().champion("score")
    edit(shop.folder, "score = ", ROOT)
    loaded = load_project(shop.folder)
    registry = loaded.registry()
    train(loaded)
    second = max(registry.versions("score"), key=lambda one: one.number)
    registry.promote("score", first.number)
    with office(shop) as opened:
        asyncio.run(opened.decide("desk", json.dumps(payment(1, amount="9500")).encode()))
        asyncio.run(opened.decide("desk", json.dumps(payment(2)).encode()))
    with office(shop) as opened:
        assert tried(opened, shop) == {"desk": 2}
    registry.promote("score", second.number)
    with office(loaded) as opened, pytest.raises(HeadraceError, match="HR-SERVE-022.*1 of 2 recent rows"):
        tried(opened, loaded)


def test_a_load_that_hangs_is_given_up_for_what_was_asked_meanwhile(shop, monkeypatch):
    monkeypatch.setattr(supervisor, "_PATIENCE_S", 0.2)
    begun = []

    async def begin(beside):
        begun.append(beside)
        if len(begun) == 1:
            await asyncio.sleep(3600)
        raise HeadraceError(Fault("HR-SERVE-024", "", "", "", ""))

    async def asked(one):
        one.renew()
        await asyncio.sleep(0.05)
        one.renew()  # the only signal, or look at the files, that comes after the first
        async with asyncio.timeout(30):
            while not told:
                await asyncio.sleep(0.01)

    told, stood = [], []
    plan = Plan(shop.folder, None, shop.state_dir, 1, False, Limits(), None)
    with socket.socket() as bound, held(shop.state_dir, bound) as all_held:
        one = supervisor.Supervisor(plan, Entry(), all_held)
        monkeypatch.setattr(one, "_now", SimpleNamespace(state="before"))
        monkeypatch.setattr(one, "_crew", SimpleNamespace(begin=begin))
        monkeypatch.setattr(one, "_tell_reload", told.append)
        monkeypatch.setattr(one, "_agree", lambda: None)
        monkeypatch.setattr(one, "_stand", lambda: stood.append(one._loading_us))
        asyncio.run(asked(one))
    assert len(begun) == 1 + 3
    assert all(stood), "whoever asks is told since when it loads"
