"""The page where services can be tried, in a real browser: it asks the very service, and nothing else."""

import os
import re
import time
from pathlib import Path

import httpx
import pytest

from headrace.clock import now_us
from headrace.serve.access.tokens import Tokens
from headrace.serve.app import start
from headrace.serve.interface.page import page
from headrace.serve.wire.listen import Entry
from tests.browser import browser

PICTURES = os.environ.get("HEADRACE_PICTURES")
"""A folder into which pictures of the page are put, for who wants to look at them."""


def until(tab, expression):
    for _ in range(400):
        if found := tab.value(expression):
            return found
        time.sleep(0.05)
    raise AssertionError(f"{expression} did not come: {tab.value('document.body.innerText')} {tab.said}")


def pictured(tab, name):
    if PICTURES:
        tab.picture(Path(PICTURES) / f"{name}.png")


def put(tab, name, text):
    tab.value(
        f"(one => {{ one.value = {text!r}; one.dispatchEvent(new Event('input', {{bubbles: true}})); }})"
        f"(document.getElementById('field-{name}'))"
    )


def text_of(tab, selector):
    return tab.value(f"document.querySelector({selector!r}).innerText")


def test_a_reader_tries_a_service(shop, tmp_path):
    with start(shop) as running, browser(tmp_path / "profile") as tab:
        url = running.url
        tab.open(f"{url}/docs", 1300, 1000)
        until(tab, "document.getElementById('field-amount')?.value")
        assert text_of(tab, "h1") == "shop"
        assert re.fullmatch(r"example-\w{8}", tab.value("document.getElementById('field-payment_id').value"))
        pictured(tab, "asked")
        tab.value("document.getElementById('features').click()")
        tab.value("document.getElementById('send').click()")
        decision = until(tab, "document.querySelector('.decision')?.innerText")
        assert decision in ("block", "review", "allow")
        said = text_of(tab, "#answer")
        assert "now.amount" in said
        assert "score, version 1" in said
        assert "in log-odds" in said
        assert tab.value("document.querySelectorAll('.reasons li').length") == 3
        pictured(tab, "answered")
        # the row that the terminal line sends is the row that was sent: its answer is the same record
        line = text_of(tab, "#curl")
        sent = re.search(r"-d '(.*)'", line)[1]
        record = re.search(r"Record\s+(\S+)", said)[1]
        again = httpx.post(f"{url}/services/desk/decide", content=sent, headers={"content-type": "application/json"})
        assert (again.json()["record_id"], again.json()["repeated"]) == (record, True)
        tab.value("document.getElementById('send').click()")
        until(tab, "document.getElementById('answer').innerText.includes('decided before')")
        assert tab.said == []
        assert {re.match(r"https?://[^/]+", one)[0] for one in tab.requests if one.startswith("http")} == {url}


def test_what_is_wrong_is_shown_where_it_is(shop, tmp_path):
    with start(shop) as running, browser(tmp_path / "profile") as tab:
        url = running.url
        tab.open(f"{url}/docs", 390, 800, dark=True)
        until(tab, "document.getElementById('field-amount')?.value")
        put(tab, "amount", "-1")
        put(tab, "customer_id", "<img src=x onerror=alert(1)>' \\ \"")
        put(tab, "terminal_id", "")
        tab.value("document.getElementById('send').click()")
        until(tab, "document.querySelectorAll('#answer .refused').length === 3")
        wrong = tab.value("[...document.querySelectorAll('[aria-invalid]')].map(one => one.dataset.name).join()")
        assert wrong == "customer_id,terminal_id,amount"
        assert tab.value("document.documentElement.scrollWidth") <= 390, "nothing is cut on a phone"
        pictured(tab, "refused")
        numbers = "90071992547409931"
        put(tab, "customer_id", numbers)
        assert f'"customer_id": {numbers}' in text_of(tab, "#curl"), "no digit is lost"
        (refused,) = [one for one in tab.said if "Log.entryAdded" in one or "400" in one]
        assert "Bad Request" in refused, "the browser's own line, and no other"


def test_who_needs_a_token_is_asked_for_it(shop, tmp_path):
    token, _ = Tokens(shop.state_dir, now_us).new("reader", ["read", "decide"], None)
    entry = Entry(port=0, require_token=True)
    with start(shop, entry=entry) as running, browser(tmp_path / "profile") as tab:
        tab.open(f"{running.url}/docs", 1300, 900)
        until(tab, "!document.getElementById('access').hidden")
        assert "HR-ACCESS-001" in text_of(tab, "#trouble")
        tab.value(f"document.getElementById('token').value = '{token}'")
        tab.value("document.querySelector('#access button').click()")
        until(tab, "document.getElementById('field-amount')?.value")
        assert token not in text_of(tab, "body")
        assert "$HEADRACE_TOKEN" in text_of(tab, "#curl")
        tab.value("document.getElementById('send').click()")
        until(tab, "document.querySelector('.decision')?.innerText")


def test_everything_can_be_used_by_keyboard_and_is_named(shop, tmp_path):
    with start(shop) as running, browser(tmp_path / "profile") as tab:
        url = running.url
        tab.open(f"{url}/docs", 1300, 1000)
        until(tab, "document.getElementById('field-amount')?.value")
        unnamed = """[...document.querySelectorAll('input, select, textarea')].filter(one =>
            !one.labels.length || !one.labels[0].innerText.trim()).map(one => one.id).join()"""
        assert tab.value(unnamed.replace("input,", "#desk input, #desk")) == ""
        assert tab.value(
            "[...document.querySelectorAll('button')].every(one => one.innerText.trim() || one.offsetParent === null)"
        )
        assert tab.value("document.querySelectorAll('h1').length") == 1
        tab.value("document.getElementById('ask').requestSubmit()")  # what Enter in a field does
        until(tab, "document.querySelector('.decision')?.innerText")


def test_names_are_text_and_the_policy_names_the_script():
    body, policy = page("<script>alert(1)</script>")
    assert b"<script>alert" not in body
    assert b"'unsafe" not in policy
    assert not re.search(rb"(src|href)=\"https?:|@import|\burl\(|\son\w+=|style=\"", body)
    assert body.count(b"<script>") == body.count(b"<style>") == 1


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
def test_pages_have_their_kinds(shop, path):
    with start(shop) as running:
        answer = httpx.get(f"{running.url}{path}")
        assert answer.headers["content-type"].split(";")[0] in ("text/html", "application/json")
        assert ("content-security-policy" in answer.headers) == (path == "/docs")
