"""The state of keys made anew: what is answered meanwhile is as declared, and nothing that is posted is lost."""

import json
import time
from datetime import timedelta

import httpx
import pytest

from headrace.run import load_project
from headrace.serve import parity, rebuilding
from headrace.serve.app import start
from headrace.serve.why import why
from tests.run.bank import edit
from tests.shop import DECIDE, START, payment, rows_of

RULES = ', "review": "score > 0.02"}'
EVENTS = "/events/payments"
LATER = START + timedelta(seconds=1)


def declared(shop, more):
    edit(shop.folder, RULES, RULES + more)
    return load_project(shop.folder)


def until(said, patience_s=120.0):
    """Wait for something."""
    end = time.monotonic() + patience_s
    while not (found := said()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)
    return found


def ready(client):
    return client.get("/health/ready")


@pytest.fixture
def slow(monkeypatch):
    """Every state takes long."""
    monkeypatch.setattr(rebuilding, "QUICK_ROWS", 0)


@pytest.mark.usefixtures("slow")
def test_it_listens_at_once_refuses_and_takes_over(shop):
    with start(shop, settle_s=0.1) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        assert client.get("/health/live").status_code == 200
        told = ready(client)
        assert told.status_code == 503
        assert told.json()["rebuilding"]["rows"] > 1000
        assert told.json()["error"]["code"] == "HR-SERVE-018"
        refused = client.post(DECIDE, json=payment(1))
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "HR-SERVE-018")
        assert int(refused.headers["retry-after"]) >= 1
        taken = client.post(EVENTS, json=payment(900, customer_id=3))
        assert taken.status_code == 202
        assert "behind" in taken.json()
        until(lambda: ready(client).status_code == 200)
        assert "rebuilding" not in ready(client).json()
        answer = client.post(f"{DECIDE}?features=1", json=payment(2, LATER, customer_id=3))
        assert answer.status_code == 200
        assert answer.json()["features"]["spending.count_1d"] >= 1
    report = parity(shop)
    assert (report.records, report.differing, report.skipped) == (1, 0, {})
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        assert ready(client).status_code == 200  # it is there by now


@pytest.mark.usefixtures("slow")
def test_a_decision_that_is_declared_for_it_is_on_record(shop):
    loaded = declared(shop, ', when={"rebuilding": "review"}')
    with start(loaded, settle_s=0.1) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        said = client.post(f"{DECIDE}?explain=2&features=1", json=payment(1)).json()
        assert (said["decision"], said["score"], said["situation"]) == ("review", None, ["rebuilding"])
        assert client.post(DECIDE, json=payment(1)).json()["repeated"]
        until(lambda: ready(client).status_code == 200)
        after = client.post(DECIDE, json=payment(2)).json()
        assert after["score"] is not None
        running.office.live._rests_until = 0.0
        running.office.live.step()
        figures = running.office.live.figures()
        assert (figures.failed, figures.differing) == ("", 0)
        assert sum(figures.skipped.values()) == 1
    rows = {row["record_id"]: row for row in rows_of(loaded, "decisions_desk")}
    record = rows[said["record_id"]]
    assert (record["score"], record["situation"], record["horizon"]) == (None, '["rebuilding"]', "{}")
    assert set(json.loads(record["features"]).values()) == {None}
    report = parity(loaded)
    assert (report.records, report.differing) == (1, 0)
    assert "made anew" in next(iter(report.skipped))
    told = why(loaded, said["record_id"])
    assert (told.score, told.features, told.checked.ok) == (None, (), True)
    assert "made anew" in told.checked.without


def spoil(running, customer):
    """Alter the state of a key on disk, as a broken disk would."""
    state = running.office.state
    with state._env.begin(write=True) as transaction:
        for slot in state.slots:
            if slot.source == "payments":
                from headrace.online.keys import encode

                with transaction.cursor(db=state._held[slot.id]) as cursor:
                    key = encode([customer])
                    assert cursor.set_range(key)
                    assert bytes(cursor.key()).startswith(key)
                    raw = bytearray(cursor.value())
                    raw[-9] ^= 0xFF
                    cursor.put(bytes(cursor.key()), bytes(raw))


def test_state_that_was_altered_is_made_anew_while_others_are_answered(shop):
    loaded = declared(shop, ', when={"rebuilding": "review"}')
    with start(loaded, settle_s=0.1) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        assert client.post(EVENTS, json=payment(900, customer_id=3)).status_code == 200
        spoil(running, 3)
        said = client.post(DECIDE, json=payment(1, customer_id=3)).json()
        assert (said["decision"], said["situation"]) == ("review", ["rebuilding"])
        assert "situation" not in client.post(DECIDE, json=payment(2, customer_id=4)).json()
        assert client.post(EVENTS, json=payment(901, customer_id=3)).status_code == 202  # it meets the damage, too
        before = running.office.state
        until(lambda: running.office.state is not before)
        assert ready(client).status_code == 200
        row = payment(3, LATER, customer_id=3)
        mended = client.post(f"{DECIDE}?features=1", json=row).json()
        assert "situation" not in mended
        assert mended["features"]["spending.count_1d"] >= 2
        assert client.post(EVENTS, json=payment(902, customer_id=3)).status_code == 200
        until(lambda: not before.folder.exists())
    report = parity(loaded)
    assert (report.records, report.differing, sum(report.skipped.values())) == (2, 0, 1)


def test_a_state_file_that_is_cut_short_or_no_state_is_made_anew_at_the_start(shop):
    with start(shop):
        pass
    for damage in (lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
                   lambda path: path.write_bytes(b"\1" * 100_000)):  # fmt: skip
        (data,) = (shop.state_dir / "online").glob("keys-*/data.mdb")
        damage(data)
        with start(shop) as running, httpx.Client(base_url=running.url, timeout=60) as client:
            answer = client.post(f"{DECIDE}?features=1", json=payment(1))
            assert answer.status_code == 200
    assert parity(shop).passed


def test_state_that_only_events_meet_is_made_anew_too(shop):
    with start(shop, settle_s=0.1) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        assert client.post(EVENTS, json=payment(900, customer_id=3)).status_code == 200
        spoil(running, 3)
        before = running.office.state
        assert client.post(EVENTS, json=payment(901, customer_id=3)).status_code == 202
        until(lambda: running.office.state is not before)
        assert client.post(EVENTS, json=payment(902, customer_id=3)).status_code == 200
        answer = client.post(f"{DECIDE}?features=1", json=payment(3, LATER, customer_id=3)).json()
        assert answer["features"]["spending.count_1d"] >= 3
    assert parity(shop).passed


def test_damage_that_catching_up_meets_at_the_start_is_made_good(shop):
    with start(shop, settle_s=0.1) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        assert client.post(EVENTS, json=payment(900, customer_id=3)).status_code == 200
        spoil(running, 3)
        assert client.post(EVENTS, json=payment(901, customer_id=3)).status_code == 202
        running.office.intake.damaged = False  # it ends before it is made anew
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        answer = client.post(f"{DECIDE}?features=1", json=payment(3, LATER, customer_id=3)).json()
        assert answer["features"]["spending.count_1d"] >= 2


@pytest.mark.usefixtures("slow")
def test_a_service_that_ends_meanwhile_leaves_nothing_half_made(shop):
    with start(shop, settle_s=0.1) as running:
        assert running.office.stateless
        process = running.office.rebuilding._beside._process
    assert process.poll() is not None
    assert not [one.name for one in (shop.state_dir / "online").iterdir() if "unfinished" in one.name]


def test_a_state_that_was_not_closed_twice_is_read_before_it_is_used(shop):
    with start(shop, settle_s=0.1) as running:
        spoil(running, 3)
    (marker,) = [shop.state_dir / "online" / "open"]
    assert not marker.exists()
    marker.write_text("2")
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        assert marker.read_text() == "3"
        assert client.post(DECIDE, json=payment(1, LATER, customer_id=3)).status_code == 200
    assert not marker.exists()
