"""The report: one page that holds by itself, tells what the registry tells, and says what is missing."""

import re
from html.parser import HTMLParser

import httpx

from headrace.audit.report import write
from headrace.learn import Registry
from headrace.run import load_project
from headrace.serve.app import start
from tests.serve.conftest import shop, trained  # noqa: F401 - fixtures

EMPTY = '''
import headrace as hr


class Row(hr.Contract):
    """A row."""

    at: hr.Timestamp = hr.event_time()
    key: int


rows = hr.Stream("rows", Row, source="data/*.csv", owner="<script>alert(1)</script>")
habit = hr.Features("habit", rows, by=hr.Entity("key"), features={"count_1d": hr.count("1d")})
project = hr.Project("empty", features=[habit])
'''


class Balanced(HTMLParser):
    """Checks that every element that is opened is closed."""

    VOID = ("meta", "br")

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attributes):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def page_of(path):
    text = path.read_text()
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert not re.search(r"(src|href)\s*=|https?://|@import|url\(", text)
    return text


def test_a_project_without_anything_still_has_a_page(tmp_path):
    (tmp_path / "project.py").write_text(EMPTY)
    (tmp_path / "headrace.toml").write_text("")
    text = page_of(write(load_project(tmp_path)))
    assert "Nothing is loaded yet" in text
    assert "No model is declared" in text


def test_the_page_tells_what_the_registry_and_the_records_tell(shop):  # noqa: F811
    row = {"payment_id": "<b>x", "at": "2026-02-10T00:00:00Z", "customer_id": 31337, "terminal_id": 1, "amount": "5"}
    with start(shop) as running:
        record_id = httpx.post(f"{running.url}/services/desk/decide?explain=2", json=row).json()["record_id"]
    text = page_of(write(shop))
    champion = Registry(shop.state_dir / "models").champion("score")
    assert f"score version {champion.number} may be used" in text
    assert champion.digest[:16] in text
    assert f"{champion.metrics['roc_auc']:,.4g}" in text
    assert all(f"<code>{name}</code>" in text for name in ("spending.mean_7d", "risk.frauds", "now.ratio"))
    assert record_id in text
    assert "31337" not in text
    assert "&lt;b&gt;" not in text
    assert "<b>x" not in text


def test_names_cannot_break_out_of_the_page(tmp_path):
    (tmp_path / "project.py").write_text(EMPTY)
    (tmp_path / "headrace.toml").write_text("")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("at,key\n2026-01-01T00:00:00Z,1\n2026-01-02T00:00:00Z,2\n")
    from headrace.run import run

    loaded = load_project(tmp_path)
    run(loaded)
    text = page_of(write(loaded))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script" not in text
