"""Batch scoring beside single requests: the same bits, every row accounted for, nothing half written."""

import json
import os
import random
from datetime import timedelta

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.learn.trainingset import open_set
from headrace.serve import drain
from headrace.serve.app import start
from headrace.serve.scoring import score_table
from headrace.serve.values import same
from tests.shop import DECIDE, START, payment, rows_of

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
