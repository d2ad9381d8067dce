"""The service as its clients see it: answers, refusals, records that survive, and parity with history."""

import json
import random
import threading
from datetime import UTC, datetime, timedelta

import pytest

from headrace.errors import HeadraceError
from headrace.online import State
from headrace.serve.app import serve
from headrace.serve.office import office
from headrace.serve.parity import parity
from headrace.serve.records import put, stored
from tests.serve.conftest import Server

START = datetime(2026, 2, 14, tzinfo=UTC)


def payment(number, at=START, **more):
    row = {
        "payment_id": f"live-{number}",
        "at": at.isoformat(),
        "customer_id": number % 7,
        "terminal_id": number % 11,
        "amount": f"{(number * 37) % 300}.25",
    }
    return row | more


def decide(server, row, query=""):
    return server.client.post(f"/services/desk/decide{query}", json=row)


def test_an_answer_names_its_model_its_record_and_its_reasons(server, shop):
    answer = decide(server, payment(1), "?explain=3&features=1").json()
    assert answer["decision"] in ("block", "review", "allow")
    assert 0 <= answer["score"] <= 1
    assert answer["record_id"] == "desk-1"
    assert answer["model"]["name"] == "score"
    assert len(answer["model"]["digest"]) == 64
    assert [set(one) for one in answer["reasons"]] == [{"feature", "value", "moves_score_by", "method"}] * 3
    assert answer["features"]["now.amount"] == 37.25


def test_rules_see_fields_and_the_first_that_holds_wins(standing):
    assert decide(standing, payment(1, amount="901")).json()["decision"] == "block"


BAD = [
    (b"{", "HR-REQUEST-001", "not JSON"),
    (b'{"amount": NaN}', "HR-REQUEST-001", "not JSON"),
    (b'{"amount": 1, "amount": 2}', "HR-REQUEST-002", "'amount' twice"),
    (b"[" * 100_000, "HR-REQUEST-003", "nested too deeply"),
    (b"[1]", "HR-REQUEST-004", "a list"),
    (json.dumps(payment(1) | {"amuont": 1}).encode(), "HR-REQUEST-005", "unknown field 'amuont'"),
    (json.dumps({k: v for k, v in payment(1).items() if k != "at"}).encode(), "HR-REQUEST-006", "'at' is missing"),
    (json.dumps(payment(1, customer_id="7")).encode(), "HR-REQUEST-007", "'customer_id' is str"),
    (json.dumps(payment(1, customer_id=True)).encode(), "HR-REQUEST-007", "'customer_id' is bool"),
    (json.dumps(payment(1, customer_id=2**70)).encode(), "HR-REQUEST-008", "beyond 64 bits"),
    (json.dumps(payment(1, amount="-1")).encode(), "HR-REQUEST-009", "amount"),
    (json.dumps(payment(1, amount="12.345")).encode(), "HR-REQUEST-009", "amount"),
    (json.dumps(payment(1) | {"at": "2026-02-30T00:00:00Z"}).encode(), "HR-REQUEST-009", "at"),
    (json.dumps(payment(1) | {"at": "2026-02-03T00:00:00"}).encode(), "HR-REQUEST-009", "at"),
]


def test_bad_requests_are_told_what_is_wrong_and_leave_no_record(server, shop):
    for body, code, words in BAD:
        answer = server.client.post("/services/desk/decide", content=body)
        assert answer.status_code == 400, body[:60]
        assert answer.json()["error"]["code"] == code, body[:60]
        assert words in answer.json()["error"]["found"], body[:60]
    assert decide(server, payment(1)).json()["record_id"] == "desk-1"


def test_unknown_names_methods_and_huge_bodies(standing):
    nearest = standing.client.post("/services/desl/decide", json={}).json()["error"]
    assert (nearest["code"], nearest["cure"]) == ("HR-SERVE-002", "did you mean 'desk'?")
    assert standing.client.post("/events/paiments", json={}).status_code == 404
    assert standing.client.get("/services/desk/decide").status_code == 405
    assert standing.client.get("/nothing").status_code == 404
    assert standing.client.post("/services/desk/decide", content=b" " * 1_100_000).status_code == 413


def test_what_is_posted_is_read_by_the_next_request_and_taken_once(standing):
    before = decide(standing, payment(7, START + timedelta(hours=2)), "?features=1").json()["features"]
    event = payment(7, START + timedelta(hours=1))
    assert standing.client.post("/events/payments", json=event).json()["taken"] == 1
    assert standing.client.post("/events/payments", json=event).json()["taken"] == 0
    after = decide(standing, payment(7, START + timedelta(hours=2)), "?features=1").json()["features"]
    assert after["spending.count_1d"] == before["spending.count_1d"] + 1
    assert after["spending.last"] == 259.25


def test_parity_of_decisions_between_late_tied_and_unknown_events(server, shop):
    choose = random.Random(3)
    for number in range(150):
        at = START + timedelta(minutes=choose.choice([0, 0, number, -60 * 30]))
        row = payment(number, at, customer_id=choose.choice([1, 2, 3, 10**9]))
        assert decide(server, row).status_code == 200
        if number % 10 == 0:
            assert decide(server, row).status_code == 200
        lines = "\n".join(json.dumps(one) for one in (row, payment(number, at)))
        assert server.client.post("/events/payments", content=lines).json()["taken"] == 1
        if number % 9 == 0:
            back = {"chargeback_id": f"b{number}", "at": at.isoformat(), "payment_id": row["payment_id"]}
            back |= {"terminal_id": row["terminal_id"], "customer_id": 1, "is_fraud": 1}
            assert server.client.post("/events/chargebacks", json=back).status_code == 200
    server.stop()
    report = parity(shop)
    assert report.differing == 0
    assert {row[0] for row in report.rows} >= {"spending.median", "spending.decayed", "who.student", "score"}
    assert all(compared == 165 for _, compared, _, _ in report.rows)
    sequences = shop.lake().sql("select count(*) as n, count(distinct _seq) as d, max(_seq) as m from payments")
    counted = sequences.to_pylist()[0]
    assert counted["n"] == counted["d"] == counted["m"]


def test_parity_names_what_was_altered(shop):
    with office(shop.project, shop.state_dir) as opened:
        opened.decide("desk", payment(5))
        number = opened.decide("desk", payment(6))["record_id"].split("-")[1]
        with opened.state.writing() as transaction:
            db = opened.state.db("records|desk", transaction)
            key = int(number).to_bytes(8, "big")
            record = json.loads(bytes(transaction.get(key, db=db)))
            features = json.loads(record["features"])
            features["spending.mean_7d"] = (features["spending.mean_7d"] or 0.0) + 1e-12
            record["features"] = json.dumps(features)
            transaction.put(key, json.dumps(record).encode(), db=db)
    report = parity(shop)
    assert [(one.feature, one.record_id) for one in report.differences] == [("spending.mean_7d", "desk-2")]
    assert report.differences[0].served != report.differences[0].history


def test_no_answer_is_without_its_record_after_kills(shop):
    answered = []
    for round_ in range(5):
        running = Server(shop.folder)
        stop = threading.Event()

        def ask(running=running, stop=stop, round_=round_):
            number = 1000 * round_
            while not stop.is_set():
                number += 1
                try:
                    answered.append(decide(running, payment(number)).json()["record_id"])
                except Exception:  # noqa: BLE001 - the server is being killed
                    return

        thread = threading.Thread(target=ask)
        thread.start()
        enough = len(answered) + random.Random(round_).randint(3, 9)
        for _ in range(2_000):
            if len(answered) >= enough:
                break
            stop.wait(0.01)
        running.kill()
        stop.set()
        thread.join()
    assert parity(shop).differing == 0
    recorded = [one["record_id"] for one in stored(shop.lake(), "desk")]
    assert len(answered) > 10
    assert len(recorded) == len(set(recorded))
    assert set(answered) <= set(recorded)


def test_two_that_drain_at_once_move_each_record_once(shop):
    from headrace.serve.records import drain

    with office(shop.project, shop.state_dir) as opened:
        for number in range(20):
            opened.decide("desk", payment(number))
        lake = shop.lake()
        threads = [threading.Thread(target=drain, args=(opened.state, lake, ["desk"], [])) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(one["record_id"] for one in stored(lake, "desk")) == sorted(f"desk-{n}" for n in range(1, 21))


def test_only_loopback_and_only_one_process(shop):
    with pytest.raises(HeadraceError, match="HR-SERVE-008"):
        serve(shop, "0.0.0.0")
    with office(shop.project, shop.state_dir), pytest.raises(HeadraceError), office(shop.project, shop.state_dir):
        pass


def test_a_queue_numbers_what_it_holds_for_ever(tmp_path):
    state = State(tmp_path, [])
    with state.writing() as transaction:
        assert [put(state, "records", "desk", b"", transaction) for _ in range(2)] == [1, 2]
    with state.writing() as transaction:
        transaction.delete((2).to_bytes(8, "big"), db=state.db("records|desk", transaction))
        assert put(state, "records", "desk", b"", transaction) == 3
