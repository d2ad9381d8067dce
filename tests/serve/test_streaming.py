"""Live events are decided as they come: once each, as of before them, whatever the batches and whoever is killed."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from datetime import timedelta

import httpx
import pytest

from headrace.engines.batch import features
from headrace.plan import compile_set
from headrace.run import load_project
from headrace.serve.app import start
from headrace.serve.parity import parity
from headrace.serve.streaming import Streaming
from tests.run.bank import edit
from tests.shop import DECIDE, START, payment, rows_of


def history(events, seed=3):
    """Payments and chargebacks as they are posted: late ones, ties, large posts and small ones."""
    chance, posts, number = random.Random(seed), [], 0
    while number < events:
        some = []
        for _ in range(min(chance.choice([1, 1, 2, 7, 60]), events - number)):
            late = chance.choice([0, 0, 0, 60, 3600, 7000])
            some.append(payment(number, START + timedelta(seconds=240 * number // 4 * 4 - late)))
            number += 1
        posts.append(("payments", some))
        if chance.random() < 0.4:
            one = chance.choice(some)
            charged = {"chargeback_id": f"c-{number}", "at": one["at"], "payment_id": one["payment_id"], "is_fraud": 1}
            fields = {name: one[name] for name in ("terminal_id", "customer_id")}
            posts.append(("chargebacks", [charged | fields]))
    return posts


def post(client, posts):
    for stream, rows in posts:
        body = "\n".join(map(json.dumps, rows))
        answer = client.post(f"/events/{stream}", content=body, headers={"Content-Type": "application/x-ndjson"})
        assert answer.status_code == 200, answer.text


@pytest.fixture
def posted(shop):
    """The shop with 400 live payments, which wait for a worker."""
    Streaming(shop).close()
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        post(client, history(400))
    return shop


def decided(loaded, most=4096):
    streaming = Streaming(loaded, most=most)
    try:
        while streaming.step():
            pass
        return {name: figures.written for name, (figures, _) in streaming.figures().items()}
    finally:
        streaming.close()


def test_every_event_has_the_features_that_a_training_set_gives_it_to_the_last_bit(posted):
    assert decided(posted, most=150) == {"payments": {"decisions_desk": 400, "refused_desk": 0}}
    report = parity(posted)
    assert (report.records, report.differing, report.skipped) == (400, 0, {})
    lake = posted.lake()
    plan = compile_set(posted.project.all_services["desk"].model.cases)
    live = lake.sql("select * from payments where _load = 'live' order by _seq")
    made = features(plan, live, lambda name, columns: lake.read(name)).to_pylist()
    said = {
        json.loads(one["request"])["payment_id"]: json.loads(one["features"])
        for one in rows_of(posted, "decisions_desk")
    }
    names = [one.name for one in plan.outputs]
    assert [said[one["payment_id"]] for one in made] == [{name: one[name] for name in names} for one in made]


def test_decisions_are_the_same_to_the_last_byte_whatever_the_batches(posted, tmp_path):
    found = []
    for most in (1, 7, 4096):
        shutil.copytree(posted.folder, tmp_path / f"by-{most}")
        copied = load_project(tmp_path / f"by-{most}")
        decided(copied, most)
        found.append(sorted(rows_of(copied, "decisions_desk"), key=lambda one: one["record_id"]))
    assert len(found[0]) == 400
    assert found[0] == found[1] == found[2]


def test_events_that_have_no_decision_are_kept_with_the_reason(shop):
    Streaming(shop).close()
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        post(client, [("payments", [payment(1, START - timedelta(days=400)), payment(2)])])
    streaming = Streaming(shop)
    streaming.step()
    log = streaming._spool.log
    (refused,) = [json.loads(one) for group in log.read("refused_desk", 0, 10) for one in group.payloads]
    streaming.close()
    assert refused["faults"][0]["code"] == "HR-ONLINE-003"
    assert refused["seq"] == min(row["_seq"] for row in rows_of(shop, "payments") if row["_load"] == "live")
    assert len(rows_of(shop, "decisions_desk")) == 1


def test_a_situation_decides_as_the_service_declares(trained, tmp_path):
    folder = tmp_path / "shop"
    shutil.copytree(trained, folder)
    edit(folder, '"review": "score > 0.02"})', '"review": "score > 0.02"}, when={"cold_key": "review"})')
    shop = load_project(folder)
    Streaming(shop).close()
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        post(client, [("payments", [payment(1, customer_id=990_001), payment(2, customer_id=990_001), payment(3)])])
    decided(shop)
    said = {json.loads(one["request"])["payment_id"]: one for one in rows_of(shop, "decisions_desk")}
    assert said["live-1"]["decision"] == "review"
    assert json.loads(said["live-1"]["situation"]) == ["cold_key customer_id"]
    assert json.loads(said["live-3"]["situation"]) == []
    assert parity(shop).differing == 0


def test_of_two_workers_one_stands_by_and_takes_over_when_the_other_ends(posted):
    first, second = Streaming(posted, most=100), Streaming(posted)
    assert (first.step(), second.step()) == (100, 0)
    first.close()
    time.sleep(0.3)
    second.catch_up()
    assert second.figures()["payments"][0].events == 300
    second.close()
    assert len(rows_of(posted, "decisions_desk")) == 400


def test_a_worker_beside_a_service_is_killed_again_and_again(shop):
    Streaming(shop).close()
    words = [sys.executable, "-m", "headrace.cli", "work", "--project", str(shop.folder), "--most", "40"]
    chance = random.Random(2)
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        posts = history(1500, seed=4)
        for at in range(12):
            with subprocess.Popen(words, stdout=subprocess.DEVNULL) as worker:
                for some in posts[at * len(posts) // 12 : (at + 1) * len(posts) // 12]:
                    post(client, [some])
                time.sleep(1.2 + chance.random())
                worker.kill()
        done = subprocess.run([*words, "--once", "--json"], stdout=subprocess.PIPE, check=True)
        assert json.loads(done.stdout)["streams"]["payments"]["lag"] == 0
        assert 'headrace_stream_lag{stream="payments"} 0' in client.get("/metrics").text
        assert client.post(DECIDE, json=payment(5000)).status_code == 200
    records = [
        one for one in rows_of(shop, "decisions_desk") if not json.loads(one["request"])["payment_id"].endswith("5000")
    ]
    assert len(records) == len({one["record_id"] for one in records}) == 1500
    assert {json.loads(one["request"])["payment_id"] for one in records} == {f"live-{n}" for n in range(1500)}
    assert parity(shop).differing == 0


def test_a_worker_that_is_told_to_stop_finishes_and_leaves_the_rest_to_the_next(posted):
    words = [sys.executable, "-m", "headrace.cli", "work", "--project", str(posted.folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as worker:
        time.sleep(3)
        worker.send_signal(signal.SIGTERM)
        told = worker.communicate(timeout=30)[0]
    assert worker.returncode == 0
    assert "payments" in told
    decided(posted)
    assert len(rows_of(posted, "decisions_desk")) == 400


def test_an_unknown_service_is_told(shop):
    words = [sys.executable, "-m", "headrace.cli", "work", "--project", str(shop.folder), "--service", "desc", "--json"]
    done = subprocess.run(words, capture_output=True, check=False)
    assert done.returncode == 2
    assert json.loads(done.stdout)["faults"][0]["code"] == "HR-SERVE-007"
