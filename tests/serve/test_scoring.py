"""Batch scoring beside single requests: the same bits, every row accounted for, nothing half written."""

import json
import os
import random
import subprocess
import sys
import time
from datetime import timedelta

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from headrace.errors import HeadraceError
from headrace.kernel.column import from_arrow
from headrace.learn.trainingset import open_set
from headrace.run import load_project, promote, run, train
from headrace.serve import drain, values
from headrace.serve.app import start
from headrace.serve.scoring import score_table
from headrace.serve.scoring.deciding import Model
from headrace.serve.values import same
from headrace.types import LogicalType
from tests.disks import filled_up, small_disk
from tests.run.bank import edit
from tests.shop import DECIDE, START, payment, rows_of

KILLS = int(os.environ.get("HEADRACE_KILLS", "3"))
EVERY = int(os.environ.get("HEADRACE_SCORED_EVERY", "40"))


def asked(records):
    """Rows as they were asked for, as text, with what each record knew."""
    rows = [{name: None if value is None else str(value) for name, value in json.loads(one["request"]).items()}
            | {"_known_at": one["_known_at"].isoformat()} for one in records]  # fmt: skip
    return pa.Table.from_pylist(rows)


def test_a_row_has_the_bits_that_the_service_answered(shop):
    """Rows of history and new ones, between late, tied and unknown events, each as of what its record knew."""
    choose, history = random.Random(5), rows_of(shop, "payments")
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=30) as client:

        def decide(row):
            return client.post(f"{DECIDE}?explain=3", json=row).status_code

        answers = [
            decide(payment(0, old["at"], payment_id=f"old-{at}", customer_id=old["customer_id"],
                           terminal_id=old["terminal_id"], amount=str(old["amount"])))
            for at, old in enumerate(history[len(history) // 2 :: EVERY])
        ]  # fmt: skip
        assert answers.count(200) > 0.9 * len(answers)
        for number in range(120):
            at = START + timedelta(minutes=choose.choice([0, 0, number, -60 * 30]))
            row = payment(number, at, customer_id=choose.choice([1, 2, 3, 10**9]))
            assert decide(row) == 200
            assert client.post("/events/payments", json=row).status_code == 200
            if number % 9 == 0:
                back = {"chargeback_id": f"b{number}", "at": at.isoformat(), "payment_id": row["payment_id"]}
                back |= {"terminal_id": row["terminal_id"], "customer_id": 1, "is_fraud": 1}
                assert client.post("/events/chargebacks", json=back).status_code == 200
            if number % 10 == 0:
                assert decide(row | {"payment_id": f"again-{number}"}) == 200
    records = rows_of(shop, "decisions_desk")
    scored = score_table(shop, asked(records), explain=3)
    assert (scored.rows, scored.quarantined, scored.to) == (len(records), 0, "")
    found = scored.to_arrow().to_pylist()
    for record, row in zip(records, found, strict=True):
        features = json.loads(record["features"])
        assert {name for name, value in features.items() if not same(row[name], value)} == set()
        assert same(row["score"], record["score"])
        assert row["decision"] == record["decision"]
        assert row["reasons"] == record["reasons"]
        for name in ("model", "model_version", "model_digest", "declaration", "features_declaration"):
            assert row[name] == record[name]
    assert {row["decision"] for row in found} == set(scored.decisions)
    assert sum(scored.decisions.values()) == scored.rows


def test_events_of_the_stream_have_the_values_of_the_training_set(shop):
    scored = score_table(shop, "payments")
    (manifest,) = (shop.state_dir / "sets" / "cases").glob("*/manifest.json")
    learned = open_set(manifest.parent)
    table = shop.lake().read("scores_desk")
    assert (scored.to, scored.rows, scored.received) == ("scores_desk", table.num_rows, shop.lake().rows("payments"))
    rows = {row["payment_id"]: row for row in table.to_pylist()}
    names = learned.manifest["features"]
    for case in learned.to_arrow().to_pylist():
        row = rows[case["payment_id"]]
        assert [name for name in names if not same(row[name], case[name])] == []


def test_memory_that_does_not_suffice_changes_no_bit(shop):
    whole = score_table(shop, "payments", to="whole").to_arrow()
    spilled = score_table(shop, "payments", to="spilled", memory=5_000_000)
    assert spilled.to_arrow().equals(whole)
    assert not list((shop.state_dir / "scoring").glob("[0-9a-f]*"))


def test_what_waits_in_the_spool_is_scored_too(shop):
    with start(shop) as running:
        httpx.post(f"{running.url}/events/payments", json=payment(1))
        scored = score_table(shop, "payments", where="payment_id = 'live-1'")
        assert (scored.rows, scored.left_out) == (1, shop.lake().rows("payments") - 1)
    assert drain(shop) == {}


def test_rows_that_break_the_contract_are_aside_with_all_reasons(shop, tmp_path):
    file, to = tmp_path / "rows.csv", tmp_path / "scores.parquet"
    lines = ["payment_id,at,customer_id,terminal_id,amount", "a,2026-02-14T00:00:00Z,1,2,3.25"]
    lines += ["b,2026-02-14T00:00:00,x,2,3.25", "c,2026-02-14T00:00:00Z,1,2,-1", "a,2026-02-14T00:00:01Z,1,2,3.25"]
    file.write_text("\n".join(lines) + "\n")
    scored = score_table(shop, file, to=str(to))
    assert (scored.received, scored.rows, scored.quarantined) == (4, 1, 3)
    assert {rule.split(":")[0] for rule in scored.refused} == {
        "HR-DATA-009 at", "HR-DATA-002 customer_id", "HR-DATA-004 amount", "HR-DATA-008 payment_id"
    }  # fmt: skip
    aside = pq.read_table(tmp_path / "scores.quarantine.parquet").to_pylist()
    assert [row["_row"] for row in aside] == [2, 3, 4]
    assert len(aside[0]["reasons"]) == 2
    assert pq.read_table(to)["payment_id"].to_pylist() == ["a"]
    file.write_text("\n".join(lines[:2]) + "\n")
    assert score_table(shop, file, to=str(to)).quarantined == 0
    assert not (tmp_path / "scores.quarantine.parquet").exists()


def test_where_and_limit(shop):
    total = shop.lake().rows("payments")
    some = score_table(shop, "payments", where="amount > 200 and customer_id < 100")
    rows = [row for row in rows_of(shop, "payments") if row["amount"] > 200 and row["customer_id"] < 100]
    assert (some.rows, some.left_out) == (len(rows), total - len(rows))
    first = score_table(shop, "payments", where="amount > 200 and customer_id < 100", limit=5)
    assert first.to_arrow()["payment_id"].to_pylist() == [row["payment_id"] for row in rows[:5]]
    # events beside the first rows count as they do among all of them
    assert first.to_arrow().equals(some.to_arrow().slice(0, 5))
    assert score_table(shop, "payments", limit=10**9).rows == total
    assert score_table(shop, "payments", where="amount < 0").rows == 0
    assert shop.lake().read("scores_desk").num_rows == 0


def test_other_tables_of_the_lake_and_frames_are_held_against_the_contract(shop):
    lake = shop.lake()
    rows = lake.read("payments").slice(1000, 50).select(["payment_id", "at", "customer_id", "terminal_id", "amount"])
    lake.append("candidates", rows.append_column("more", pa.array(range(50))))
    by_table = score_table(shop, "candidates")
    by_frame = score_table(shop, rows)
    assert (by_table.source, by_table.rows, by_frame.to) == ("candidates", 50, "")
    assert by_table.to_arrow().equals(by_frame.to_arrow())
    assert by_table.warnings == ()
    odd = score_table(shop, rows.append_column("more", pa.array(range(50))), where="customer_id >= 0")
    assert [fault.code for fault in odd.warnings] == ["HR-DATA-102"]
    with pytest.raises(HeadraceError) as told:
        score_table(shop, rows.drop_columns("amount"))
    assert told.value.faults[0].code == "HR-DATA-101"


@pytest.mark.parametrize(
    ("table", "more", "code"),
    [
        ("payment", {}, "HR-SCORE-001"),
        ("payments", {"to": "scores.json"}, "HR-SCORE-002"),
        ("payments", {"to": "payments"}, "HR-SCORE-003"),
        ("payments", {"to": "decisions_desk"}, "HR-SCORE-003"),
        ("payments", {"to": "run_log"}, "HR-SCORE-003"),
        ("payments", {"to": "candidates"}, "HR-SCORE-003"),
        ("payments", {"to": "a-b"}, "HR-LAKE-004"),
        ("payments", {"to": "/no/such/folder/scores.csv"}, "HR-SCORE-004"),
        ("payments", {"service": "desl"}, "HR-SERVE-007"),
        ("payments", {"where": "amuont > 1"}, "HR-EXPRESSION-002"),
        ("payments", {"where": "amount"}, "HR-EXPRESSION-003"),
        ("customers", {}, "HR-DATA-101"),
        ("scores_desk", {}, "HR-SCORE-001"),
        ("rows.csv", {}, "HR-SOURCE-001"),
    ],
)
def test_what_cannot_be_meant_is_told_and_changes_nothing(shop, table, more, code):
    lake = shop.lake()
    lake.append("candidates", pa.table({"n": [1]}))
    before = {name: lake.version(name) for name in lake.tables()}
    with pytest.raises(HeadraceError) as told:
        score_table(shop, table, **more)
    assert told.value.faults[0].code == code
    assert all(fault.cure for fault in told.value.faults)
    assert {name: lake.version(name) for name in lake.tables()} == before


def test_which_of_several_services_is_asked_for(shop):
    edit(shop.folder, "services=[desk]", 'services=[desk, hr.Service("other", score)]')
    loaded = load_project(shop.folder)
    with pytest.raises(HeadraceError) as told:
        score_table(loaded, "payments")
    assert (told.value.faults[0].code, told.value.faults[0].cure) == ("HR-SCORE-006", "--service desk")
    assert score_table(loaded, "payments", "other", limit=3).decisions == {"allow": 3}


def test_rows_that_the_model_takes_not_are_aside_as_a_request_is_refused(shop):
    edit(
        shop.folder,
        '"night": "hour(at) < 6"',
        '"night": "hour(at) < 6", "huge": "case when customer_id = 424242 then 1e39 else 0.0 end"',
    )
    loaded = load_project(shop.folder)
    assert run(loaded).ok
    train(loaded)
    if loaded.registry().champion("score").number == 1:
        promote(loaded, "score", 2, "for the test")
    known = {row["customer_id"] for row in rows_of(shop, "payments")}
    rows = [payment(1, customer_id=min(known)), payment(2, customer_id=424242), payment(3, customer_id=10**9)]
    with start(loaded) as running:
        codes = [httpx.post(running.url + DECIDE, json=row).json().get("error", {}).get("code") for row in rows]
    scored = score_table(loaded, pa.Table.from_pylist([{n: str(v) for n, v in row.items()} for row in rows]))
    assert scored.rows == codes.count(None)
    assert (codes, scored.refused) == ([None, "HR-REQUEST-009", None], {"HR-REQUEST-009 now.huge": 1})
    aside = scored.target.refused.to_pylist()
    assert sorted(one["_row"] for one in aside) == [at for at, code in enumerate(codes, 1) if code]
    assert all("424242" not in one["reasons"][0] for one in aside)
    loaded.lake().append("asked", pa.Table.from_pylist([{n: str(v) for n, v in row.items()} for row in rows]))
    assert (score_table(loaded, "asked").rows, loaded.lake().rows("quarantine_scores_desk")) == (2, 1)
    assert score_table(loaded, "asked", limit=1).quarantined == 0
    assert loaded.lake().rows("quarantine_scores_desk") == 0


def test_a_full_disk_leaves_what_was_there(shop, tmp_path):
    with small_disk(tmp_path / "disk", "2m") as disk:
        to = disk / "scores.parquet"
        score_table(shop, "payments", to=str(to), limit=10)
        with filled_up(disk, 20_000), pytest.raises(HeadraceError) as told:
            score_table(shop, "payments", to=str(to))
        assert told.value.faults[0].code == "HR-SCORE-004"
        assert pq.read_table(to).num_rows == 10
        assert [path.name for path in disk.iterdir()] == ["scores.parquet"]


def test_a_kill_leaves_the_old_scores_or_the_new_ones_and_no_work(shop, tmp_path):
    file = tmp_path / "rows.csv"
    pcsv.write_csv(
        shop.lake().read("payments").select(["payment_id", "at", "customer_id", "terminal_id", "amount"]), file
    )
    assert score_table(shop, "payments", limit=7).rows == 7
    command = [sys.executable, "-m", "headrace.cli", "score", str(file), "--project", str(shop.folder)]
    choose, total = random.Random(2), shop.lake().rows("payments")
    for _ in range(KILLS):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        folder = shop.state_dir / "scoring"
        while process.poll() is None and not list(folder.glob("*/*/received.*")):
            time.sleep(0.01)
        time.sleep(choose.random())
        process.kill()
        process.wait()
        assert shop.lake().rows("scores_desk") in (7, total)
    assert score_table(shop, file).rows == total
    assert not list((shop.state_dir / "scoring").glob("[0-9a-f]*"))


def test_csv_is_read_again_as_it_was(shop, tmp_path):
    to = tmp_path / "scores.csv"
    by_file = score_table(shop, "payments", to=str(to), limit=2000, explain=2).to_arrow()
    by_table = score_table(shop, "payments", limit=2000, explain=2).to_arrow()
    for name in by_table.column_names:
        mine, other = by_file[name], by_table[name]
        assert mine.cast(other.type).to_pylist() == other.to_pylist(), name


def test_a_model_by_rows_has_the_bits_of_single_runs(shop):
    registry = shop.registry()
    version = registry.champion("score")
    model = Model(registry.load(version))
    assert not model.scorer.alike  # a logistic regression adds up by products of matrices
    x = np.random.default_rng(0).normal(100, 50, (300, len(model.scorer.features))).astype(np.float32)
    alone = np.concatenate([model.scorer.score(x[at : at + 1]) for at in range(len(x))])
    assert model.score(x).tobytes() == alone.tobytes()
    assert model.scorer.score_each(x[:0]).shape == (0,)
    nulls = x.copy()
    nulls[[3, 200]] = np.inf  # of which some count for and some against: there is no sum
    assert np.flatnonzero(np.isnan(model.score(nulls))).tolist() == [3, 200]


@pytest.mark.parametrize("done", ["block", "refuse"])
def test_what_is_the_matter_is_done_as_declared(shop, done):
    edit(shop.folder, '"review": "score > 0.02"}', f'"review": "score > 0.02"}}, when={{"cold_key": "{done}"}}')
    loaded, new = load_project(shop.folder), 10_000_000
    with start(loaded) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        rows = [payment(1), payment(2, customer_id=new), payment(3, customer_id=new, terminal_id=5)]
        first = [client.post(DECIDE, json=row) for row in rows[:2]]
        assert client.post("/events/payments", json=rows[1]).status_code == 200
        answers = [*first, client.post(DECIDE, json=rows[2])]  # at the very moment of the event
    drained = rows_of(loaded, "decisions_desk")
    kept = {json.loads(one["request"])["payment_id"]: one["_known_at"].isoformat() for one in drained}
    given = [{name: str(value) for name, value in row.items()} for row in rows]
    given = [row | {"_known_at": kept.get(row["payment_id"])} for row in given]
    given[1]["_known_at"] = given[1]["_known_at"] or kept["live-1"]
    scored = score_table(loaded, pa.Table.from_pylist(given))
    found = {row["payment_id"]: row for row in scored.to_arrow().to_pylist()}
    for row, answer in zip(rows, answers, strict=True):
        one = found.get(row["payment_id"])
        assert (one is None) == (answer.status_code != 200)
        if one is not None:
            assert (one["decision"], one["score"]) == (answer.json()["decision"], answer.json()["score"])
            assert json.loads(one["situation"]) == answer.json().get("situation", [])
    assert answers[2].json().get("situation") is None
    if done == "refuse":
        assert scored.refused == {"HR-SERVE-018 cold_key customer_id": 1}
    else:
        assert found["live-2"]["decision"] == "block"
        own = score_table(loaded, "payments", where=f"customer_id = {new}").to_arrow().to_pylist()
        assert [json.loads(row["situation"]) for row in own] == [["cold_key customer_id"]]


def test_rows_are_put_together_as_requests_are(shop):
    scorer = shop.registry().load(shop.registry().champion("score"))
    scored = score_table(shop, "payments", limit=500)
    kinds = {"now.night": LogicalType("bool")}
    made = {
        name: from_arrow(scored.to_arrow()[name], kinds.get(name, LogicalType("float")))
        for name in scorer.features
    }  # fmt: skip
    together = values.matrix(made, scorer, 500)
    for at, row in enumerate(scored.to_arrow().select(list(scorer.features)).to_pylist()):
        assert together[at : at + 1].tobytes() == values.vector(row, scorer).tobytes()
