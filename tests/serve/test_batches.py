"""Many rows in one request: each is decided as if it were alone, in its place; what is wrong with one is its own."""

import asyncio
import concurrent.futures
import importlib
import json
import threading

import httpx
import msgspec
import pyarrow as pa
import pytest

from headrace.run import load_project
from headrace.serve import decisions, parity
from headrace.serve.app import start
from headrace.serve.deciding import _ENOUGH
from headrace.serve.desk import Desk
from headrace.serve.journal import Journal
from headrace.serve.office import office
from tests.run.bank import edit
from tests.serve.decided import until
from tests.shop import DECIDE, payment, rows_of


@pytest.fixture
def client(shop):
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        yield client


def posted(client, content, kind, query=""):
    return client.post(f"{DECIDE}{query}", content=content, headers={"content-type": kind})


def bare(answer):
    return {name: value for name, value in answer.items() if name not in ("record_id", "repeated")}


def test_rows_of_a_batch_are_answered_as_they_are_alone(client, shop):
    rows = [payment(number) for number in range(70)]
    many = client.post(f"{DECIDE}?explain=2&features=1", json=rows).json()
    assert len({one["record_id"] for one in many}) == 70
    for number, answer in enumerate(many):
        alone = client.post(f"{DECIDE}?explain=2&features=1", json=payment(number, payment_id=f"alone-{number}"))
        assert bare(alone.json()) == bare(answer)


def test_lines_and_arrow_are_other_ways_to_write_the_same(client):
    rows = [payment(number) for number in range(5)]
    array = client.post(DECIDE, json=rows).json()
    lines = posted(client, "\n".join(map(json.dumps, rows)), "application/x-ndjson")
    assert lines.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line) for line in lines.text.splitlines()] == [one | {"repeated": True} for one in array]
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist(rows)
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    arrow = posted(client, sink.getvalue().to_pybytes(), "application/vnd.apache.arrow.stream")
    found = pa.ipc.open_stream(arrow.content).read_all()
    for name in ("decision", "score", "record_id"):
        assert found[name].to_pylist() == [one[name] for one in array]
    assert found["errors"].null_count == 5


def test_what_is_wrong_with_a_row_stands_in_its_place_and_the_others_are_answered(client, shop):
    rows = [payment(1), payment(2, amount="-1"), {"payment_id": "x"}, payment(3), payment(3, amount="7"), 5, payment(3)]
    answers = client.post(DECIDE, json=rows).json()
    codes = [one.get("error", {}).get("code") for one in answers]
    assert codes == [None, "HR-DATA-004", "HR-REQUEST-006", None, "HR-SERVE-013", "HR-REQUEST-003", None]
    assert answers[6] == answers[3] | {"repeated": True}
    assert [one["place"] for one in answers[1]["errors"]] == ["request"]
    lines = posted(client, json.dumps(payment(4)) + "\n{", "application/x-ndjson").text.splitlines()
    assert ["error" in json.loads(line) for line in lines] == [False, True]


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"[" * 50_000, "application/json", 400, "HR-REQUEST-002"),
        (b"[{}", "application/json", 400, "HR-REQUEST-002"),
        (b"[" + b"{}," * 20_000 + b"{}]", "application/json", 413, "HR-REQUEST-001"),
        (b"{}\n" * 20_001, "application/x-ndjson", 413, "HR-REQUEST-001"),
        (b"ARROW1", "application/vnd.apache.arrow.stream", 400, "HR-REQUEST-002"),
        (b"[]", "text/csv", 415, "HR-REQUEST-010"),
        (b"[" + b" " * (17 << 20) + b"]", "application/json", 413, "HR-REQUEST-001"),
        (b"[" + b"1," * 2_000_000 + b"1]", "application/json", 413, "HR-REQUEST-001"),
        (b"\n" * 2_000_000, "application/x-ndjson", 413, "HR-REQUEST-001"),
    ],
)
def test_a_batch_that_cannot_be_read_is_refused_whole(client, content, kind, status, code):
    answer = posted(client, content, kind)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_nothing_is_an_answer_to_nothing(client):
    assert client.post(DECIDE, json=[]).json() == []
    assert posted(client, b"", "application/x-ndjson").content == b""


def test_requests_at_once_are_each_answered_from_their_own_row_and_all_are_on_record(client, shop):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda i: client.post(f"{DECIDE}?features=1", json=payment(i)).json(), range(200)))
    for number, answer in enumerate(answers):
        assert answer["features"]["now.amount"] == float(payment(number)["amount"])
    report = parity(shop)
    assert report.passed
    assert report.records == 200
    assert len({row["record_id"] for row in rows_of(shop, "decisions_desk")}) == 200


@pytest.mark.parametrize("beside", [_ENOUGH - 1, _ENOUGH])
def test_what_comes_while_the_disk_is_busy_is_one_group_and_a_large_one_does_not_wait(shop, monkeypatch, beside):
    sizes, free, append, decide_all = [], threading.Event(), Journal.append, Desk.decide_all

    def slow(journal, *args):
        assert free.wait(60)
        append(journal, *args)

    def counted(desk, rows, *args):
        sizes.append(len(rows))
        return decide_all(desk, rows, *args)

    with start(shop) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        monkeypatch.setattr(Journal, "append", slow)
        monkeypatch.setattr(Desk, "decide_all", counted)
        with concurrent.futures.ThreadPoolExecutor(beside + 1) as pool:
            answers = [pool.submit(client.post, DECIDE, json=payment(0))]
            until(lambda: sizes == [1])
            answers += [pool.submit(client.post, DECIDE, json=payment(1 + i)) for i in range(beside)]
            until(lambda: sum(sizes) + len(running.office._deciding._waiting) == 1 + beside)
            until(lambda: sum(sizes) > 1 or beside < _ENOUGH)
            assert not any(answer.done() for answer in answers)
            free.set()
            assert {answer.result().status_code for answer in answers} == {200}
    assert sizes == [1, beside]


def test_what_goes_wrong_with_one_row_of_a_group_keeps_no_answer_from_the_others(shop, monkeypatch):
    deciding = importlib.import_module("headrace.serve.deciding")

    def written(context, decided, *more):
        if decided.row["payment_id"] == "live-1":
            raise RuntimeError("a record that cannot be written")
        return packed(context, decided, *more)

    def broken(_answer):
        raise RuntimeError("an answer that cannot be given")

    packed = deciding.packed
    with office(shop) as opened:

        async def asked():
            monkeypatch.setattr(deciding, "packed", written)
            rows = [msgspec.json.encode(payment(number)) for number in range(4)]
            gives = {2: {"give": broken}}
            some = [opened.ask("desk", row, **gives.get(number, {})) for number, row in enumerate(rows)]
            return await asyncio.gather(*some, return_exceptions=True)

        found = asyncio.run(asked())
    assert [type(one) for one in found] == [dict, RuntimeError, RuntimeError, dict]
    assert parity(shop).passed
    assert {json.loads(row["request"])["payment_id"] for row in rows_of(shop, "decisions_desk")} == {
        "live-0",
        "live-2",
        "live-3",
    }


def test_a_deadline_that_passed_is_told_and_leaves_no_record(client, shop):
    late = client.post(DECIDE, json=payment(1), headers={"x-deadline-ms": "0"})
    assert (late.status_code, late.json()["error"]["code"]) == (504, "HR-SERVE-016")
    assert client.post(DECIDE, json=payment(1), headers={"x-deadline-ms": "60000"}).status_code == 200


def test_without_a_durable_record_a_full_disk_does_not_keep_answers_back(shop):
    edit(shop.folder, ', "review": "score > 0.02"}', ', "review": "score > 0.02"}, record="best_effort"')
    loaded = load_project(shop.folder)
    with start(loaded, spool_bytes=96 * 1024) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        answers = [client.post(DECIDE, json=payment(number)) for number in range(600)]
    assert {one.status_code for one in answers} == {200}
    lost = running.office.lost
    assert lost > 0
    assert len(rows_of(loaded, "decisions_desk")) == 600 - lost


def test_a_long_batch_and_a_long_post_let_others_in_between(client):
    rows = json.dumps([payment(number) for number in range(3_000)])
    lines = "\n".join(json.dumps(payment(number)) for number in range(20_000))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        long = [
            pool.submit(posted, client, rows, "application/json"),
            pool.submit(client.post, "/events/payments", content=lines),
        ]
        alone = 0
        while not all(one.done() for one in long):
            assert client.post(DECIDE, json=payment(alone, payment_id=f"alone-{alone}")).status_code == 200
            alone += 1
        assert [one.result().status_code for one in long] == [200, 200]
    assert alone > 3, "a single row waited for all of the others"


def test_rows_of_all_batches_together_are_bounded(client, monkeypatch):
    """One alone is taken, however large."""
    monkeypatch.setattr(decisions, "_UNDER_WAY", 3_000)
    rows = [json.dumps([payment(number, payment_id=f"{batch}-{number}") for number in range(2_000)]) for batch in "abc"]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda one: posted(client, one, "application/json"), rows))
    refused = [one for one in answers if one.status_code != 200]
    assert 0 < len(refused) < 3
    for one in refused:
        assert (one.status_code, one.headers["retry-after"]) == (429, "1")
        assert one.json()["error"]["code"] == "HR-SERVE-014"
    assert posted(client, rows[-1], "application/json").status_code == 200


def test_of_a_post_with_a_fault_in_each_line_the_first_hundred_are_told(client, shop):
    refused = client.post("/events/payments", content=b"{}\n" * 50_000)
    assert (refused.status_code, len(refused.json()["errors"])) == (400, 100)
    many = client.post("/events/payments", content=b"{}\n" * 100_001)
    assert (many.status_code, many.json()["error"]["code"]) == (413, "HR-REQUEST-001")
    assert not any(row["payment_id"].startswith("live-") for row in rows_of(shop, "payments"))
