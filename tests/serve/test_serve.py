"""The service as its clients see it: answers, refusals, records that survive, and parity with history."""

import asyncio
import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from unittest.mock import Mock

import httpx
import pyarrow as pa
import pytest

from headrace.connect import ingest
from headrace.errors import HeadraceError
from headrace.run import load_project, run
from headrace.run.steps import live_events
from headrace.serve import drain, parity
from headrace.serve.app import serve, start
from headrace.serve.drain import spool_of
from headrace.serve.office import office
from headrace.serve.spool import opened
from tests.disks import fill, small_disk
from tests.run.bank import edit
from tests.serve.server import Server
from tests.shop import DECIDE, START, payment, rows_of

KILLS = int(os.environ.get("HEADRACE_KILLS", "3"))


@pytest.fixture
def client(shop):
    with start(shop, settle_s=0.2) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        yield client


def test_an_answer_names_its_model_its_record_and_its_reasons(client):
    answer = client.post(f"{DECIDE}?explain=3&features=1", json=payment(1)).json()
    assert answer["decision"] in ("block", "review", "allow")
    assert 0 <= answer["score"] <= 1
    assert set(answer["model"]) == {"name", "version", "digest"}
    told = {"feature", "value", "contribution", "space", "method"}
    assert [set(one) for one in answer["reasons"]] == [told] * 3
    assert {(one["space"], one["method"]) for one in answer["reasons"]} == {("log-odds", "linear")}
    assert answer["features"]["now.amount"] == 37.25
    assert set(client.post(DECIDE, json=payment(2)).json()) == {"decision", "score", "record_id", "model"}
    assert client.get("/health/live").json() == {"live": True}
    assert client.get("/health/ready").json() == {"ready": True, "services": ["desk"]}


def test_the_first_rule_that_holds_decides(client):
    assert client.post(DECIDE, json=payment(1, amount="901")).json()["decision"] == "block"


def test_bad_requests_are_refused_and_leave_no_record(client, shop):
    bad = [
        (b"{", "HR-REQUEST-002", 400),
        (b"[" * 50_000, "HR-REQUEST-002", 400),
        (b" " * 100_000, "HR-REQUEST-001", 413),
        (json.dumps(payment(1) | {"amuont": 1}).encode(), "HR-REQUEST-005", 400),
        (json.dumps(payment(1)).encode("utf-16"), "HR-REQUEST-002", 400),
        (b"", "HR-REQUEST-002", 400),
        (json.dumps(payment(1, at=START.replace(tzinfo=None))).encode(), "HR-DATA-009", 400),
        (json.dumps(payment(1, amount="-1")).encode(), "HR-DATA-004", 400),
        (json.dumps(payment(1, at=START - timedelta(days=4000))).encode(), "HR-ONLINE-003", 400),
    ]
    for body, code, status in bad:
        answer = client.post(DECIDE, content=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert set(answer.json()["error"]) == {"code", "place", "found", "expected", "cure"}
        assert all(one[part] for one in answer.json()["errors"] for part in one)
    for path in (DECIDE, "/events/payments"):
        form = client.post(path, content=json.dumps(payment(1)), headers={"content-type": "text/plain"})
        assert (form.status_code, form.json()["error"]["code"]) == (415, "HR-REQUEST-010")
    unknown = client.post("/services/desl/decide", json=payment(1)).json()["error"]
    assert (unknown["code"], unknown["cure"]) == ("HR-SERVE-007", "did you mean 'desk'?")
    for method, path, status in [
        ("POST", "/services/desl/decide", 404),
        ("POST", "/events/paiments", 404),
        ("GET", DECIDE, 405),
        ("GET", "/nothing", 404),
        ("POST", f"{DECIDE}?explain=-1", 400),
        ("POST", f"{DECIDE}?explian=1", 400),
    ]:
        answer = client.request(method, path, json=payment(1))
        assert answer.status_code == status
        assert all(answer.json()["error"].values())
    drain(shop)
    assert rows_of(shop, "decisions_desk") == []


@pytest.fixture
def features(client):
    """Features of a customer at a moment, asked with a new payment each time: an id is decided once."""
    ids = (f"ask-{number}" for number in range(1000))
    return lambda ask: client.post(f"{DECIDE}?features=1", json=ask | {"payment_id": next(ids)}).json()["features"]


def test_what_is_posted_is_read_by_the_next_request_and_taken_once(client, shop, features):
    later = payment(7, START + timedelta(hours=2))
    before = features(later)
    event = payment(7, START + timedelta(hours=1))
    first = client.post("/events/payments", json=event).json()
    assert first["taken"] == 1
    assert client.post("/events/payments", json=event).json() == {"taken": 0, "known_before": 1, "sequences": [None]}
    assert features(later)["spending.count_1d"] == before["spending.count_1d"] + 1
    lines = "\n".join(json.dumps(payment(i)) for i in range(100, 110)) + "\n" + json.dumps({"payment_id": 1})
    assert client.post("/events/payments", content=lines).status_code == 400
    listed = [payment(i) for i in range(200, 203)]
    wrong = client.post("/events/payments", json=[*listed, {"payment_id": 1}])
    assert (wrong.status_code, wrong.json()["error"]["place"]) == (400, "event 4")
    assert client.post("/events/payments", content=b" [1,2").json()["error"]["code"] == "HR-REQUEST-002"
    assert client.post("/events/payments", json=[1] * 100_001).status_code == 413
    assert client.post("/events/payments", json=[1] * 3_000_000).status_code == 413
    assert client.post("/events/payments", json=[*listed, listed[0]]).json()["taken"] == 3
    assert client.post("/events/payments", json=[]).json()["taken"] == 0
    old = rows_of(shop, "payments")[0]
    loaded = payment(1, payment_id=old["payment_id"])
    assert client.post("/events/payments", json=loaded).json()["taken"] == 0
    drain(shop)
    table = shop.lake().read("payments").sort_by("_seq")
    assert table["_seq"].to_pylist() == list(range(1, table.num_rows + 1))
    assert table["payment_id"].to_pylist()[-4:] == ["live-7", "live-200", "live-201", "live-202"]
    assert first["sequences"] == [table.num_rows - 3]


def test_an_event_that_is_posted_again_and_again_leaves_nothing_behind(shop):
    with office(shop) as one:
        asyncio.run(one.take("payments", [json.dumps(payment(7)).encode()]))
        for _ in range(5):
            again = asyncio.run(one.take("payments", [json.dumps(payment(7)).encode()] * 2))
            assert (again["taken"], again["known_before"]) == (0, 2)
        assert one.intake.keys["payments"]._index._unsettled == []


def test_parity_of_decisions_between_late_tied_and_unknown_events(client, shop):
    choose = random.Random(3)

    def one(number):
        at = START + timedelta(minutes=choose.choice([0, 0, number, -60 * 30, 60 * 24 * 300]))
        row = payment(number, at, customer_id=choose.choice([1, 2, 3, 10**9]))
        assert client.post(DECIDE, json=row).status_code == 200
        lines = "\n".join(json.dumps(event) for event in (row, payment(number, at)))
        assert client.post("/events/payments", content=lines).json()["taken"] == 1
        if number % 10 == 0:
            assert client.post(DECIDE, json=row | {"payment_id": f"again-{number}"}).status_code == 200
        if number % 9 == 0:
            back = {"chargeback_id": f"b{number}", "at": at.isoformat(), "payment_id": row["payment_id"]}
            back |= {"terminal_id": row["terminal_id"], "customer_id": 1, "is_fraud": 1}
            assert client.post("/events/chargebacks", json=back).status_code == 200

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(300)))
    report = parity(shop)
    assert report.passed
    assert report.as_dict()["examples"] == []
    assert {row[0] for row in report.rows} >= {
        "spending.median",
        "spending.decayed",
        "who.student",
        "score",
        "decision",
    }
    assert all(compared == 330 for _, compared, _, _ in report.rows)
    table = shop.lake().read("payments")
    assert sorted(table["_seq"].to_pylist()) == list(range(1, table.num_rows + 1))


def test_a_load_beside_the_service_is_seen_by_later_rows_only(client, shop, features):
    ask = payment(3, START + timedelta(days=1))
    first = features(ask)
    client.post("/events/payments", json=payment(500, customer_id=3))
    at = (START + timedelta(hours=1)).isoformat()
    text = f"payment_id,at,customer_id,terminal_id,amount\nnew,{at},3,1,5.00\n"
    (shop.folder / "data" / "payments-more.csv").write_text(text)
    assert run(shop).ok
    for _ in range(200):
        second = features(ask)
        if second["spending.count_1d"] == first["spending.count_1d"] + 2:
            break
    else:
        pytest.fail("the state did not catch up with the lake")
    assert parity(shop).passed


def test_while_files_are_loaded_posts_are_asked_to_come_again(client, shop):
    with shop.lake().lock("payments"):
        busy = client.post("/events/payments", json=payment(700))
        assert (busy.status_code, busy.json()["error"]["code"]) == (503, "HR-SERVE-005")
        assert busy.headers["retry-after"] == "1"
        assert all(busy.json()["error"].values())
        assert client.post(DECIDE, json=payment(700)).status_code == 200
    assert client.post("/events/payments", json=payment(700)).json()["taken"] == 1


def test_a_load_begins_with_what_was_posted_before_it(client, shop):
    """Files never take the sequence of a live event, even if it came after the run had looked for such events."""
    client.post("/events/payments", json=payment(1))
    text = f"payment_id,at,customer_id,terminal_id,amount\nnew,{START.isoformat()},3,1,5.00\n"
    (shop.folder / "data" / "payments-more.csv").write_text(text)
    payments = shop.project.streams["payments"]
    report = ingest(payments, shop.folder, shop.lake(), first=lambda: live_events(shop, payments))
    assert report.accepted == 1
    last = shop.lake().read("payments", columns=["payment_id", "_seq"]).sort_by("_seq").to_pylist()[-2:]
    assert [one["payment_id"] for one in last] == ["live-1", "new"]
    assert last[1]["_seq"] == last[0]["_seq"] + 1


def test_a_stream_that_has_no_table_yet_begins_with_its_first_event(shop):
    with start(shop) as running:  # a state of a lake that is gone is not believed
        assert running.office.state.position("chargebacks") > 1
    shutil.rmtree(shop.lake().root / "chargebacks")
    ask = payment(1, START + timedelta(hours=3))
    back = {"chargeback_id": "b", "at": START.isoformat(), "payment_id": "x", "terminal_id": 1, "customer_id": 1}
    with start(shop) as running, httpx.Client(base_url=running.url) as client:
        assert client.post(f"{DECIDE}?features=1", json=ask).json()["features"]["risk.frauds"] is None
        assert client.post("/events/chargebacks", json=back | {"is_fraud": 1}).json()["sequences"] == [1]
        again = ask | {"payment_id": "again"}
        assert client.post(f"{DECIDE}?features=1", json=again).json()["features"]["risk.frauds"] == 1
    assert parity(shop).passed


def test_an_event_that_did_not_reach_the_state_is_made_up_for(shop, monkeypatch):
    with start(shop, settle_s=600) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        ask, again = payment(3, START + timedelta(days=1)), {"payment_id": "again"}
        before = client.post(f"{DECIDE}?features=1", json=ask).json()["features"]["spending.count_1d"]
        assert client.post("/events/payments", json=payment(800, customer_id=3)).status_code == 200
        add, state = running.office.state.add, running.office.state
        monkeypatch.setattr(state, "add", Mock(side_effect=OSError("disk")))
        behind = client.post("/events/payments", json=payment(801, customer_id=3))
        assert (behind.status_code, behind.json()["taken"]) == (202, 1)
        assert "do not post it again" in behind.json()["behind"]
        repeated = client.post("/events/payments", json=payment(801, customer_id=3))
        assert (repeated.status_code, repeated.json()["known_before"]) == (200, 1)
        monkeypatch.setattr(state, "add", add)
        assert client.post("/events/payments", json=payment(802, customer_id=3)).status_code == 200
        after = client.post(f"{DECIDE}?features=1", json=ask | again).json()["features"]["spending.count_1d"]
    assert after == before + 3
    assert parity(shop).passed


def test_nothing_of_a_person_is_in_refusals_or_in_what_is_logged(shop, capfd):
    with start(shop) as running, httpx.Client(base_url=running.url) as client:
        for change in ({"customer_id": "Ada"}, {"amount": "Ada"}, {"at": "Ada"}, {"terminal_id": [{"Ada": 1}]}):
            for path in (DECIDE, "/events/payments"):
                refused = client.post(path, json=payment(1) | change)
                assert refused.status_code == 400
                assert "Ada" not in refused.text
        assert "Ada" not in client.post(DECIDE, content=b'{"customer_id": Ada}').text
    assert "Ada" not in "".join(capfd.readouterr())


def test_two_that_drain_at_once_move_each_record_once(shop):
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        ids = [client.post(DECIDE, json=payment(number)).json()["record_id"] for number in range(20)]
        with ThreadPoolExecutor(4) as pool:
            moved = [one.get("decisions_desk", 0) for one in pool.map(drain, [shop] * 4)]
        assert sum(moved) == 20
        assert sorted(one["record_id"] for one in rows_of(shop, "decisions_desk")) == sorted(ids)


def altered(shop, change):
    lake = shop.lake()
    records = lake.read("decisions_desk").to_pylist()
    change(records)
    lake.overwrite("decisions_desk", pa.Table.from_pylist(records, schema=lake.schema("decisions_desk")))


def test_parity_names_what_was_altered(shop):
    with start(shop) as running:
        ids = [httpx.post(running.url + DECIDE, json=payment(i)).json()["record_id"] for i in (5, 6)]
    assert parity(shop).passed

    def change(records):
        features = json.loads(records[1]["features"])
        features["spending.count_7d"] += 1
        records[1]["features"] = json.dumps(features)

    altered(shop, change)
    report = parity(shop)
    (one,) = report.examples
    assert (one.feature, one.record_id, one.served) == ("spending.count_7d", ids[1], one.recomputed + 1)
    assert one.cause == "the record was altered after it was written"
    assert (report.differing, report.passed) == (1, False)
    assert [row for row in report.rows if row[3]] == [("spending.count_7d", 2, 1, 1)]


@pytest.mark.parametrize(
    ("old", "new", "reason", "compared"),
    [
        ('"review": "score > 0.02"', '"look": "score > 0.02"', "decided by other rules of the service", True),
        ('"score > 0.5 or amount > 900"', '"score > 0.51"', "decided by other rules of the service", True),
        (
            " payment_id: str = hr.key()",
            " payment_id: str = hr.key(max_length=3)",
            "asked with a row that breaks the contract Payment of today",
            False,
        ),
    ],
    ids=["a decision renamed", "a rule", "a length"],
)
def test_what_was_served_by_another_declaration_is_counted_apart(shop, old, new, reason, compared):
    with start(shop) as running:
        for i in (5, 6):
            httpx.post(running.url + DECIDE, json=payment(i))
    edit(shop.folder, old, new)
    report = parity(load_project(shop.folder))
    assert (report.passed, report.skipped) == (True, {reason: 2})
    names = {name for name, count, *_ in report.rows if count}
    assert "decision" not in names
    assert ("score" in names, "spending.mean_7d" in names) == (compared, compared)


def test_parity_of_what_was_served_from_a_source_without_rows(shop):
    lake = shop.lake()
    lake.overwrite("customers", lake.schema("customers").empty_table())
    with start(shop) as running:
        features = httpx.post(f"{running.url}{DECIDE}?features=1", json=payment(5)).json()["features"]
    assert features["who.student"] is None
    report = parity(shop)
    assert (report.passed, report.records) == (True, 1)


def test_no_answer_is_without_its_record_and_none_is_doubled_after_kills(shop):
    answered, posted = [], []
    server = Server(shop.folder)
    for round_ in range(KILLS):

        def ask(running, lane, round_=round_):
            for number in range(10**6):
                name = round_ * 10**6 + lane * 10**5 + number
                try:
                    answer = running.client.post(DECIDE, json=payment(name))
                    if answer.status_code == 200:
                        answered.append(answer.json()["record_id"])
                    event = running.client.post("/events/payments", json=payment(name))
                    if event.status_code == 200:
                        posted.append(f"live-{name}")
                except Exception:  # noqa: BLE001 - the server is being killed
                    return

        threads = [threading.Thread(target=ask, args=(server, lane)) for lane in range(4)]
        before = len(answered)
        for thread in threads:
            thread.start()
        while len(answered) < before + 10 + round_:
            threads[0].join(0.005)
        server.kill()
        for thread in threads:
            thread.join()
        server = Server(shop.folder)
    server.stop()
    kept = [one["record_id"] for one in rows_of(shop, "decisions_desk")]
    assert len(kept) == len(set(kept))
    assert set(answered) <= set(kept)
    events = [one["payment_id"] for one in rows_of(shop, "payments") if one["_load"] == "live"]
    assert len(events) == len(set(events))
    assert set(posted) <= set(events)
    report = parity(shop)
    assert report.passed
    assert report.records == len(kept)


def test_a_full_spool_refuses_instead_of_answering_without_a_record(shop):
    with start(shop, spool_bytes=96 * 1024) as running, httpx.Client(base_url=running.url) as client:
        answers = [client.post(DECIDE, json=payment(i)) for i in range(600)]
        refused = [one for one in answers if one.status_code != 200]
        assert f"headrace_spool_records {len(answers) - len(refused)}\n" in client.get("/metrics").text
    assert {one.status_code for one in refused} == {503}
    assert refused[0].json()["error"]["code"] == "HR-ONLINE-002"
    assert len(rows_of(shop, "decisions_desk")) == len(answers) - len(refused)


def test_a_disk_that_is_full_when_a_service_ends_loses_nothing_and_is_told_without_a_traceback(shop, tmp_path):
    with small_disk(tmp_path / "disk", "160m") as disk:
        shutil.copytree(shop.folder, disk / "shop")
        server = Server(disk / "shop")
        assert server.client.post(DECIDE, json=payment(1)).status_code == 200
        fill(disk)
        told = server.stop()
        assert re.search("HR-(LAKE|ONLINE)-002", told)
        assert "Traceback" not in told
        (disk / "filler").unlink()
        assert [one["decision"] for one in rows_of_drained(disk / "shop")] == ["allow"]


@pytest.mark.parametrize("left", [0, 4, 8, 12, 16, 24, 64])
def test_a_disk_too_full_to_begin_to_serve_is_told_and_nothing_is_in_the_way_when_there_is_room(shop, tmp_path, left):
    with small_disk(tmp_path / "disk", "160m") as disk:
        shutil.copytree(shop.folder, disk / "shop")
        shutil.rmtree(disk / "shop" / ".headrace" / "spool", ignore_errors=True)
        fill(disk, left << 10)
        begun = [sys.executable, "-m", "headrace.cli", "serve", "--project", str(disk / "shop"), "--port", "0"]
        done = subprocess.run(begun, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert re.search("HR-(ONLINE|LAKE)-002", done.stderr)
        (disk / "filler").unlink()
        server = Server(disk / "shop")
        assert server.client.post(DECIDE, json=payment(1)).status_code == 200
        server.stop()


def rows_of_drained(folder):
    drain(load_project(folder))
    return rows_of(load_project(folder), "decisions_desk")


def test_a_clock_that_goes_back_hides_nothing(shop):
    times = iter([2 * 10**15, 10**15] + [10**15] * 1000)
    last = [2 * 10**15]

    def now():
        last[0] = next(times, last[0])
        return last[0]

    with start(shop, now_us=now) as running, httpx.Client(base_url=running.url) as client:
        ask = payment(3, START + timedelta(days=1))
        before = client.post(f"{DECIDE}?features=1", json=ask).json()["features"]["spending.count_1d"]
        client.post("/events/payments", json=payment(600, customer_id=3))
        again = client.post(f"{DECIDE}?features=1", json=ask | {"payment_id": "again"}).json()["features"]
        assert again["spending.count_1d"] == before + 1
    assert parity(shop).passed


def test_only_loopback_and_only_one_process(shop):
    for host in ("0.0.0.0", "example.org", "192.168.0.1"):
        with pytest.raises(HeadraceError, match="HR-SERVE-006"):
            serve(shop, host)
    with start(shop), pytest.raises(HeadraceError, match="HR-SERVE-011"):
        serve(shop, port=0)


def test_a_broken_spool_is_told_and_not_made_anew(tmp_path):
    (tmp_path / "data.mdb").write_bytes(b"x" * 65_536)
    with pytest.raises(HeadraceError, match="HR-ONLINE-001"), opened(tmp_path):
        pass
    assert (tmp_path / "data.mdb").read_bytes() == b"x" * 65_536


def test_the_spool_is_the_users_own(shop):
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        assert client.post(DECIDE, json=payment(1)).status_code == 200
        folder = spool_of(shop.state_dir)
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
        assert {path.stat().st_mode & 0o077 for path in folder.rglob("*")} == {0}
        assert len(files) > 3
