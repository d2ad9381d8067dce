"""The report: one page that holds by itself, tells what the registry tells, and says what is missing."""

import re
from importlib import resources
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from headrace.audit import checked
from headrace.audit.facts import RULES
from headrace.audit.models.judged import judged
from headrace.audit.models.yes_no import calibration
from headrace.audit.report import write
from headrace.learn import Registry
from headrace.run import load_project, run, train
from headrace.serve.app import start
from headrace.serve.parity import parity
from tests.audit.page import page_of
from tests.run.bank import WITH_MODEL, edit, make_bank

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


def test_a_project_without_anything_still_has_a_page(tmp_path):
    (tmp_path / "project.py").write_text(EMPTY)
    (tmp_path / "headrace.toml").write_text("")
    text = page_of(write(load_project(tmp_path)).path)
    assert "Nothing is loaded yet" in text
    assert "No model is declared" in text


def test_the_page_tells_what_the_registry_and_the_records_tell(shop):
    row = {"payment_id": "<b>x", "at": "2026-02-10T00:00:00Z", "customer_id": 31337, "terminal_id": 1, "amount": "5"}
    with start(shop) as running:
        record_id = httpx.post(f"{running.url}/services/desk/decide?explain=2", json=row).json()["record_id"]
    text = page_of(write(shop).path)
    champion = Registry(shop.state_dir / "models").champion("score")
    assert f"score version {champion.number} may be used" in text
    assert champion.digest[:16] in text
    assert f"{champion.metrics['roc_auc']:.4f}" in text
    low, high = champion.record.intervals["model"]["roc_auc"]
    assert f"{low:.4f} to {high:.4f}" in text
    assert all(f"<b>{title}</b>" in text for title in ("Precision and recall", "Found for the work", "Calibration"))
    assert "not checked yet: &#x27;headrace parity&#x27; does it" in text
    checked.keep(shop.state_dir, parity(shop).as_dict(), now_us=lambda: 1_790_000_000_000_000)
    assert "None differs." in page_of(write(shop).path)
    assert "on 21 September 2026, 14:13 UTC" in page_of(write(shop).path)
    assert all(f"<code>{name}</code>" in text for name in ("spending.mean_7d", "risk.frauds", "now.ratio"))
    assert record_id in text
    assert "31337" not in text
    assert "&lt;b&gt;" not in text
    assert "<b>x" not in text


def test_what_differs_is_told_by_feature_and_without_values(shop):
    found = {
        "compared": 3,
        "differing": 1,
        "skipped": {"served by an older declaration": 2},
        "features": [{"feature": "now.ratio", "compared": 3, "equal": 2, "differing": 1}],
        "differences": [{"feature": "now.ratio", "served": 4711, "history": 4712}],
    }
    checked.keep(shop.state_dir, found, now_us=lambda: 0)
    text = page_of(write(shop).path)
    assert "1 differ." in text
    assert "2 not compared: served by an older declaration." in text
    assert "471" not in (shop.state_dir / "reports" / "parity.json").read_text()


def test_shares_of_the_calibration_have_wilsons_intervals():
    rng = np.random.default_rng(1)
    score = rng.random(4_000)
    y = (rng.random(4_000) < score).astype(np.int64)
    bins = calibration(y, score)
    edges = np.geomspace(0.001, 1, 13)
    assert len(bins) >= 4
    for one in bins:
        (place,) = (i for i in range(12) if edges[i] <= one.score < edges[i + 1])
        rows = (score > edges[place]) & (score <= edges[place + 1])
        exact = stats.binomtest(int(y[rows].sum()), int(rows.sum())).proportion_ci(0.95, "wilson")
        assert (one.low, one.high) == pytest.approx((exact.low, exact.high), abs=1e-6)


def test_every_rule_of_quarantine_has_words():
    codes = re.findall(r"^\| `(HR-DATA-0\d\d)`", Path("docs/errors.md").read_text(), re.MULTILINE)
    assert {code for code in codes if code <= "HR-DATA-015"} == set(RULES)


def luminance(colour):
    colour = colour * 2 if len(colour) == 3 else colour
    parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)] if len(colour) == 6 else [1, 1, 1]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_text_has_the_contrast_that_accessibility_asks_for():
    style = (resources.files("headrace.audit") / "report.css").read_text()
    for block in re.findall(r":root \{([^}]*)\}", style):
        colours = dict(re.findall(r"--(\w+): #(\w+);", block))
        for ground in ("paper", "wash"):
            for ink in ("ink", "soft", "good", "bad", "care", "accent"):
                pair = sorted(luminance(colours[name]) for name in (ink, ground))
                assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, (ink, ground)


def test_names_cannot_break_out_of_the_page(tmp_path):
    (tmp_path / "project.py").write_text(EMPTY)
    (tmp_path / "headrace.toml").write_text("")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("at,key\n2026-01-01T00:00:00Z,1\n2026-01-02T00:00:00Z,2\n")
    from headrace.run import run

    loaded = load_project(tmp_path)
    run(loaded)
    text = page_of(write(loaded).path)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script" not in text


@pytest.mark.filterwarnings("ignore")
def test_what_was_told_in_training_is_on_the_page(tmp_path):
    folder = make_bank(tmp_path / "bank", WITH_MODEL, (1, 2))
    edit(folder, '"25d"', '"250d"')
    run(load_project(folder))
    train(load_project(folder))
    text = page_of(write(load_project(folder)).path)
    assert re.search(r"To know: found \d+ days of cases to learn from, where train asks for 250d", text)


@pytest.mark.filterwarnings("ignore")
def test_features_stand_with_their_tags(tmp_path):
    folder = make_bank(tmp_path / "bank", WITH_MODEL, (1, 2))
    edit(folder, "hr.field(ge=0, le=10000)", 'hr.field(ge=0, le=10000, unit="EUR", privacy="internal")')
    run(load_project(folder))
    train(load_project(folder))
    text = page_of(write(load_project(folder)).path)
    tagged = '<span class="soft">internal, EUR</span>'
    assert f"<code>spending.mean_7d</code> {tagged}" in text
    assert f"<code>spending.count_7d</code> {tagged}" not in text


RULES_OF_DESK = {
    "skip": "score < 0.004",
    "ask": "score > 1e-2 and score < 0.02 and not now.night",
    "block": "0.02 < score or amount > 120",
    "review": "spending.mean_7d > 20.5 and now.amount <= 60.25",
}


def test_what_the_rules_take_is_what_the_service_would_decide(shop):
    decided = 'decide={"block": "score > 0.5 or amount > 900", "review": "score > 0.02"}'
    edit(shop.folder, decided, f"decide={RULES_OF_DESK}")
    loaded = load_project(shop.folder)
    (one,) = judged(loaded)
    frame = one.built.to_pandas()
    version, names = one.shown, one.built.manifest["features"]
    day = frame["at"].dt.floor("D")
    frame = frame[day > day.max() - pd.Timedelta(days=7)]
    frame["score"] = Registry(loaded.state_dir / "models").load(version).score(frame[names].to_numpy(np.float32))
    amount, mean = frame["now.amount"], frame["spending.mean_7d"]
    first = [
        frame["score"] < 0.004,
        (frame["score"] > 0.01) & (frame["score"] < 0.02) & ~frame["now.night"].astype(bool),
        (frame["score"] > 0.02) | (amount > 120),
        (mean > 20.5) & (amount <= 60.25),
    ]
    decision = pd.Series(np.select(first, list(RULES_OF_DESK), "otherwise"), frame.index)
    found = {rule.decision: (rule.says, rule.per_day * 7, rule.precision, rule.recall) for rule in one.findings.rules}
    for name, says in RULES_OF_DESK.items():
        taken = frame[decision == name]
        assert len(taken) > 5
        expected = (len(taken), taken["label"].mean(), taken["label"].sum() / frame["label"].sum())
        assert found[name] == (says, *(pytest.approx(value) for value in expected))
    text = page_of(write(loaded).path)
    assert "<code>score &lt; 0.004</code>" in text
    assert "What reads" not in text


def test_a_rule_that_reads_what_no_set_has_is_not_guessed(shop):
    edit(shop.folder, '"places":', '"_seen": hr.count("2d"),\n    "places":')
    decided = 'decide={"block": "score > 0.5 or amount > 900", "review": "score > 0.02"}'
    rules = {"block": "score > 0.02", "hold": "spending._seen > 9", "review": "score > 0.01"}
    edit(shop.folder, decided, f"decide={rules}")
    (one,) = judged(load_project(shop.folder))
    lacks = {rule.decision: rule.lacks for rule in one.findings.rules}
    assert lacks == {"block": (), "hold": ("spending._seen",), "review": ("spending._seen",)}
    assert "What reads spending._seen cannot be told here" in page_of(write(load_project(shop.folder)).path)
