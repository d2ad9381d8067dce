"""A new champion takes over while the service answers; one that is no good stays out."""

import asyncio
import json
import threading

import httpx

from headrace.run import load_project, train
from headrace.serve import parity
from headrace.serve.app import start
from headrace.serve.office import office
from tests.run.bank import edit
from tests.serve.decided import until
from tests.shop import DECIDE, payment


def test_a_new_champion_takes_over_with_no_failed_request(another):
    loaded, registry, first, second = another
    statuses, versions, ended = [], [], threading.Event()

    def ask(url, worker):
        with httpx.Client(base_url=url, timeout=60) as client:
            number = 0
            while not ended.is_set():
                number += 1
                answer = client.post(DECIDE, json=payment(number, payment_id=f"{worker}-{number}"))
                statuses.append(answer.status_code)
                versions.append(answer.json()["model"]["version"])

    with start(loaded, settle_s=0.1) as running:
        workers = [threading.Thread(target=ask, args=(running.url, worker)) for worker in range(4)]
        for worker in workers:
            worker.start()
        until(lambda: len(statuses) > 50)
        registry.promote("score", second.number)
        until(lambda: versions[-1:] == [second.number])
        seen = len(versions)
        until(lambda: len(versions) > seen + 50)
        ended.set()
        for worker in workers:
            worker.join()
        (change,) = running.office.changes
    assert set(statuses) == {200}
    assert set(versions) == {first.number, second.number}
    assert set(versions[seen + 8 :]) == {second.number}
    assert (change.before, change.version, change.serves, change.why) == (first.number, second.number, True, "")
    assert change.tried > 0
    assert parity(loaded).passed


def test_a_champion_whose_file_was_altered_stays_out_and_the_reason_is_told_once(another):
    loaded, registry, first, second = another
    path = registry.path(second)
    content = path.read_bytes()

    def settled(opened):
        asyncio.run(opened.settle())
        return opened.desks["desk"].version.number, [(one.version, one.serves) for one in opened.changes]

    with office(loaded) as opened:
        registry.promote("score", second.number)
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert settled(opened) == (first.number, [(second.number, False)])
        assert "HR-LEARN-011" in opened.changes[-1].why
        assert settled(opened) == (first.number, [(second.number, False)])
        path.write_bytes(content)
        registry.promote("score", first.number)
        assert settled(opened)[0] == first.number
        registry.promote("score", second.number)
        assert settled(opened) == (second.number, [(second.number, False), (second.number, True)])


ROOT = """
def boosting(train):
    import numpy as np

    def rule(rows):
        return np.sqrt(0.25 - rows["now.amount"] / 36_000)  # of no number beyond 9,000, which nobody has paid yet

    return rule


score = """


def test_a_champion_that_fails_on_what_was_just_asked_stays_out(shop):
    first = shop.registry().champion("score")
    edit(shop.folder, "score = ", ROOT)
    loaded = load_project(shop.folder)
    registry = loaded.registry()
    train(loaded)
    second = max(registry.versions("score"), key=lambda one: one.number)
    assert second.number > first.number
    registry.promote("score", first.number)
    with office(loaded) as opened:
        asyncio.run(opened.decide("desk", json.dumps(payment(1, amount="9500")).encode()))
        registry.promote("score", second.number)
        asyncio.run(opened.settle())
        (change,) = opened.changes
        assert (change.serves, change.tried) == (False, 1)
        assert "HR-SERVE-019" in change.why
        assert "1 of 1 recent rows (HR-LEARN-007)" in change.why
        assert opened.desks["desk"].version.number == first.number
