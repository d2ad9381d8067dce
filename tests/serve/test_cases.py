"""An id is decided once: the same row gets the same decision again, whenever it comes, and another row is refused."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import msgspec
import pytest

from headrace import clock
from headrace.run import load_project
from headrace.serve import drain, parity
from headrace.serve.app import start
from headrace.serve.office import office
from tests.run.bank import edit
from tests.serve.server import Server
from tests.shop import DECIDE, payment, rows_of


def ask(client, row, query=""):
    answer = client.post(DECIDE + query, json=row)
    return answer.status_code, answer.json()


def test_the_same_row_gets_the_same_decision_and_another_is_refused(shop):
    """Also when the record is in the lake by now, and after the service was started again."""
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        _, first = ask(client, payment(1), "?explain=3&features=1")
        assert "repeated" not in first
        for written in (payment(1), dict(reversed(payment(1).items())), payment(1, amount="37.250")):
            assert ask(client, written, "?explain=3&features=1") == (200, first | {"repeated": True})
        client.post("/events/payments", json=payment(9, customer_id=1))
        assert ask(client, payment(1))[1]["score"] == first["score"]
        status, refused = ask(client, payment(1, amount="1.00"))
        assert (status, refused["error"]["code"]) == (409, "HR-SERVE-013")
        assert first["record_id"] in refused["error"]["found"]
        drain(shop)
        assert ask(client, payment(1), "?explain=2&features=1")[1]["reasons"] == first["reasons"][:2]
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        assert ask(client, payment(1), "?explain=3&features=1") == (200, first | {"repeated": True})
        assert ask(client, payment(1, customer_id=2))[0] == 409
    assert [one["record_id"] for one in rows_of(shop, "decisions_desk")] == [first["record_id"]]
    assert parity(shop).records == 1


def test_many_that_are_asked_again_are_looked_up_together(shop):
    """As a client does who got no answer to a long request: a look into the lake costs the same for one as for many."""
    rows = [payment(number) for number in range(500)]
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        first = client.post(DECIDE, json=rows).json()
        assert "repeated" not in first[0]
        for there in ("_in_journal", "_in_lake"):
            cases, looks = running.office._cases, []
            cases._kept.clear()
            looked = getattr(cases, there)
            setattr(cases, there, partial(_counted, looks, looked))
            again = client.post(DECIDE, json=rows).json()
            assert again == [one | {"repeated": True} for one in first]
            assert sum(looks) == 500
            assert len(looks) < 50
            cases._folder = lambda _id: None
            drain(shop)


def _counted(looks, looked, *given):
    looks.append(len(given[-1]))
    return looked(*given)


def test_who_asks_again_before_the_record_is_written_gets_the_same_decision(shop):
    edit(shop.folder, ', "review": "score > 0.02"}', ', "review": "score > 0.02"}, record="best_effort"')
    loaded = load_project(shop.folder)
    with start(loaded) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        write = running.office.journal.append
        running.office.journal.append = lambda *given: (time.sleep(0.2), write(*given))
        _, first = ask(client, payment(1))
        assert ask(client, payment(1)) == (200, first | {"repeated": True})
    assert [one["record_id"] for one in rows_of(loaded, "decisions_desk")] == [first["record_id"]]


def test_sixteen_that_ask_at_once_get_one_decision(shop):
    with start(shop) as running, ThreadPoolExecutor(16) as pool:
        clients = [httpx.Client(base_url=running.url, timeout=30) for _ in range(16)]
        for number in range(20):
            rows = [payment(number, amount="1.00" if lane == 7 else "2.00") for lane in range(16)]
            answers = list(pool.map(ask, clients, rows))
            given = [answer for status, answer in answers if status == 200]
            assert sorted({status for status, _ in answers}) == [200, 409]
            assert len({answer["record_id"] for answer in given}) == 1
            assert sum("repeated" not in answer for answer in given) == 1
    assert len(rows_of(shop, "decisions_desk")) == 20


def test_what_was_decided_before_a_kill_is_not_decided_again(shop):
    server = Server(shop.folder)
    first = {number: ask(server.client, payment(number))[1] for number in range(30)}
    server.kill()
    server = Server(shop.folder)
    for number, answer in first.items():
        assert ask(server.client, payment(number)) == (200, answer | {"repeated": True})
    server.stop()


@pytest.mark.parametrize("room", [96 * 1024])
def test_a_decision_that_could_not_be_written_is_made_when_there_is_room(shop, room):
    with start(shop, spool_bytes=room) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        answers = {number: ask(client, payment(number))[0] for number in range(600)}
        refused = next(number for number, status in answers.items() if status == 503)
        drain(shop)
        assert "repeated" not in ask(client, payment(refused))[1]


def test_what_is_wrong_with_another_row_of_an_id_is_not_told_of_this_one(shop):
    """In one post, so that the second waits for the first: the first is too old, the second is not."""
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        good, too_old = payment(1), {"at": "2020-01-01T00:00:00Z"}
        refused, first = client.post(DECIDE, json=[good | too_old, good]).json()
        assert refused["error"]["code"] == "HR-ONLINE-003"
        assert ask(client, good) == (200, first | {"repeated": True})
        again = [one["error"]["code"] for one in client.post(DECIDE, json=[payment(2) | too_old] * 3).json()]
        assert again == ["HR-ONLINE-003"] * 3
    assert [one["record_id"] for one in rows_of(shop, "decisions_desk")] == [first["record_id"]]


def test_who_has_time_is_decided_though_another_with_that_id_had_none(shop):
    with office(shop) as opened:

        async def both():
            row = msgspec.json.encode(payment(1))
            late = opened.ask("desk", row, deadline=clock.monotonic_s())
            rest = [opened.ask("desk", row) for _ in range(3)]
            return await asyncio.gather(late, *rest, return_exceptions=True)

        late, first, *others = asyncio.run(both())
    assert late.faults[0].code == "HR-SERVE-016"
    assert others == [first | {"repeated": True}] * 2
