"""The shadow of a second model: scored after the answer, each record once, whatever is killed and when."""

import time

import httpx
import pytest

from headrace import clock
from headrace.run.shadowing import set_shadow
from headrace.serve.app import start
from headrace.serve.replay import replay
from headrace.serve.shadow import shadowed
from tests.serve.test_swap import another, until  # noqa: F401 - the fixture
from tests.shop import DECIDE, payment, rows_of

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Looks often, so that tests need not wait."""
    monkeypatch.setattr("headrace.serve.shadow.keeping.EVERY_S", 0.2)


def ask(url, first, last):
    with httpx.Client(base_url=url, timeout=60) as client:
        return [client.post(DECIDE, json=payment(number)).raise_for_status().json() for number in range(first, last)]


def test_answers_are_the_same_and_each_is_scored_once_as_replay_scores_it(another):
    loaded, _, first, second = another
    set_shadow(loaded, "score", str(second.number))
    with start(loaded, settle_s=0.1) as running:
        until(lambda: running.office.shadows.due() or running.office.shadows._alive)
        time.sleep(1.2)
        answers = ask(running.url, 0, 60)
        until(lambda: len(rows_of(loaded, "shadow_desk")) == 60)
        text = httpx.get(f"{running.url}/metrics").text
    rows = {one["record_id"]: one for one in rows_of(loaded, "shadow_desk")}
    assert {one["record_id"] for one in answers} == set(rows)
    assert {one["model"]["version"] for one in answers} == {first.number}
    service = loaded.project.all_services["desk"]
    found = replay(loaded, service, second, 0, clock.now_us())
    assert found.flips > 0
    seen = shadowed(loaded, service, 0, clock.now_us()).seen
    assert seen == found
