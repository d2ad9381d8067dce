"""Replay: flips, segments and metrics against plain Python over the records; the same version flips nothing."""

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import timedelta

import click
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from headrace import clock
from headrace.cli.commands.replay import begin_and_end
from headrace.errors import HeadraceError
from headrace.kernel.column import Column
from headrace.run import load_project
from headrace.serve.replay import replay, service_named
from headrace.serve.replay.segments import LEAST, segments
from headrace.serve.values import vector
from headrace.serve.why.through import matrix, scores
from headrace.types import FLOAT, STR, Decimal
from tests.run.bank import edit
from tests.serve.test_why import said

pytestmark = pytest.mark.filterwarnings("ignore")


def unread(folder, *words):
    """Return the exit code of a command whose reader has gone before it says anything."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command = [sys.executable, "-m", "headrace.cli", *words]
        return subprocess.run(command, cwd=folder, stdout=writer, stderr=subprocess.DEVNULL, check=False).returncode
    finally:
        os.close(writer)


def told(folder, *words, exit_code=0):
    document = json.loads(said(folder, *words, "--json", command="replay", exit_code=exit_code).stdout)
    assert document["ok"] is (exit_code == 0)
    return document


def through(loaded, number, **more):
    service = loaded.project.all_services["desk"]
    version = loaded.registry().version("score", number)
    return replay(loaded, service, version, 0, clock.now_us() + 1, **more)


def records(loaded):
    return loaded.lake().read("decisions_desk").to_pylist()


def again(loaded, record, number):
    """Score and decision of a record by a version and the rules, in plain Python, a row at a time."""
    scorer = loaded.registry().load(loaded.registry().version("score", number))
    score = float(scorer.score(vector(json.loads(record["features"]), scorer))[0])
    request = json.loads(record["request"])
    if score > 0.5 or float(request["amount"]) > 900:
        return score, "block"
    hinted = request["hint"] is not None and request["hint"] > 0.9
    return score, "review" if score > 0.02 or request["channel"] == "web" or hinted else "allow"


@pytest.mark.parametrize("features", [False, True])
def test_the_same_version_flips_nothing(grown, features):
    loaded, answers = grown
    found = through(loaded, 1, features=features)
    assert (found.records, found.flips, found.same_scores) == (len(answers), 0, len(answers))
    assert set(found.differences.values()) == {0.0}
    assert all(before == after for before, after, _ in found.matrix)
    assert (found.segments, found.examples) == ((), ())
    metric = found.labelled.metrics[0]
    assert (metric.before, metric.better) == (metric.after, None)


def test_what_flips_is_what_plain_python_flips(grown):
    loaded, _ = grown
    found, every = through(loaded, 2), records(loaded)
    made = [again(loaded, one, 2) for one in every]
    expected = Counter((one["decision"], decision) for one, (_, decision) in zip(every, made, strict=True))
    assert {(before, after): count for before, after, count in found.matrix} == dict(expected)
    flips = {one["record_id"]: score for one, (score, decision) in zip(every, made, strict=True)
             if one["decision"] != decision}  # fmt: skip
    assert found.flips == len(flips) > 3
    assert {one.record_id: one.new for one in found.examples}.items() <= flips.items()
    apart = [abs(one.new - one.old) for one in found.examples]
    assert apart == sorted(apart, reverse=True)
    differences = np.array([score - one["score"] for one, (score, _) in zip(every, made, strict=True)])
    assert found.differences[0.5] == np.quantile(differences, 0.5)
    assert found.versions == {1: len(every)}
    assert (found.low, found.high) == pytest.approx(
        tuple(binomtest(found.flips, found.records).proportion_ci(0.95, "wilson"))
    )


def test_segments_are_those_of_plain_python(grown):
    loaded, _ = grown
    found = through(loaded, 2)
    every = {one["record_id"]: one for one in records(loaded)}
    flipped = {name: again(loaded, one, 2)[1] != one["decision"] for name, one in every.items()}
    assert found.segments
    assert [one.low for one in found.segments] == sorted((one.low for one in found.segments), reverse=True)
    checked = 0
    for one in found.segments:
        assert one.rows >= LEAST
        column = one.column.replace("amount", "now.amount") if one.column == "amount" else one.column
        values = {name: json.loads(row["features"])[column] for name, row in every.items()}
        if one.group == "null":
            mine = [name for name, value in values.items() if value is None]
        elif one.group.startswith("above") or " to " in one.group or one.group.startswith("to "):
            continue  # edges are printed with few digits
        else:
            mine = [name for name, value in values.items() if value is not None and f"{float(value):,.6g}" == one.group]
        assert (one.rows, one.flips) == (len(mine), sum(flipped[name] for name in mine))
        checked += 1
    assert checked


def test_groups_rates_and_intervals():
    values = np.array([1.0] * 60 + [2.0] * 100 + [3.0] * 20 + [np.nan] * 50)
    flipped = np.zeros(230, np.bool_)
    flipped[:30] = flipped[60:70] = flipped[160:180] = True
    found, looked = segments({"kind": (values, ()), "again": (values, ())}, flipped)
    assert [(one.column, one.group, one.rows, one.flips) for one in found] == [
        ("kind", "1", 60, 30),
        ("kind", "2", 100, 10),
    ]
    assert looked == 3
    texts, _ = segments({"text": (np.where(np.isnan(values), np.nan, values - 1), ("a", "b", "c"))}, flipped)
    assert [one.group for one in texts] == ["a", "b"]
    wide = np.arange(1000.0)
    ranged, looked = segments({"wide": (wide, ())}, wide >= 900)
    assert [(one.group, one.rows, one.flips) for one in ranged] == [("above 799", 200, 100)]


def test_both_sides_are_held_against_the_truth(grown):
    """Labels by plain Python: the truth of a payment, 0 where none came in seven days, none before."""
    loaded, answers = grown
    lake, found = loaded.lake(), through(loaded, 2).labelled
    frauds = lake.read("chargebacks").to_pylist()
    newest = max(one["_known_at"] for one in frauds)
    truth, old, new, young = [], [], [], 0
    for one in records(loaded):
        if one["at"] + timedelta(days=7) > newest:
            young += 1
            continue
        payment = json.loads(one["request"])["payment_id"]
        mine = [each for each in frauds if each["payment_id"] == payment and each["at"] >= one["at"]
                and max(each["at"], each["_known_at"]) <= one["at"] + timedelta(days=7)]  # fmt: skip
        truth.append(max(mine, key=lambda each: each["at"])["is_fraud"] if mine else 0)
        old.append(one["score"])
        new.append(again(loaded, one, 2)[0])
    assert (found.rows, found.young) == (len(truth), young)
    assert found.rows > 200 > found.young > 30
    assert found.metrics[0].before == pytest.approx(roc_auc_score(truth, old), abs=1e-12)
    assert found.metrics[0].after == pytest.approx(roc_auc_score(truth, new), abs=1e-12)
    assert len(answers) == found.rows + found.young


def test_the_command(grown):
    loaded, answers = grown
    found = told(loaded.folder, "--model", 2, "--since", "1d")
    assert (found["records"], found["flips"]) == (len(answers), through(loaded, 2).flips)
    assert sum(one["count"] for one in found["matrix"]) == len(answers)
    text = said(loaded.folder, "desk", "--model", "2", command="replay").stdout
    for words in ("desk through score version 2", "flip: ", "Where decisions flip most", "roc_auc", "have not matured"):
        assert words in text, words
    assert "\x1b[" not in text
    failed = told(loaded.folder, "--model", "2", "--fail-above", "0.1%", exit_code=1)
    assert failed["exit_code"] == 1
    words = ("--model", "2", "--fail-above", "0")
    assert "HR-REPLAY-003" in said(loaded.folder, *words, command="replay", exit_code=1).output
    for more in ((), ("--json",)):
        assert unread(loaded.folder, "replay", *words, *more) == 1
        assert unread(loaded.folder, "replay", "--model", "2", *more) == 0
    assert told(loaded.folder, "--model", "2", "--fail-above", "100%")["ok"]
    one, other = (told(loaded.folder, "--model", "2") for _ in range(2))
    assert {**one, "since": "", "until": ""} == {**other, "since": "", "until": ""}


def test_only_what_was_decided_in_the_span_is_replayed(grown):
    loaded, _ = grown
    every = records(loaded)
    third, tenth = (every[at]["decided_at"] for at in (2, 9))
    span = ("--since", third.isoformat(), "--until", tenth.isoformat())
    assert told(loaded.folder, "--model", "1", *span)["records"] == 7
    later = ("--since", "2020-01-01", "--until", "2020-02-01")
    assert told(loaded.folder, "--model", "1", *later)["records"] == 0
    assert "no decision is on record" in said(loaded.folder, "--model", "1", *later, command="replay").stdout


def test_what_was_altered_and_what_breaks_the_contract_of_today_is_skipped(grown):
    loaded, answers = grown
    lake = loaded.lake()
    rows = lake.read("decisions_desk")
    for column, value in (("features", "garbage"), ("request", "{}"), ("score", 0.999), ("decision", "block")):
        mask = pc.equal(rows["record_id"], answers[-1 if column == "features" else -2]["record_id"])
        place, kind = rows.schema.get_field_index(column), rows.schema.field(column).type
        altered = rows.set_column(place, column, pc.if_else(mask, pa.scalar(value, kind), rows[column]))
        lake.overwrite("decisions_desk", altered)
        found = through(loaded, 2)
        assert (found.records, sum(found.skipped.values())) == (len(answers) - 1, 1)
        assert "altered" in next(iter(found.skipped))
    lake.overwrite("decisions_desk", rows)
    edit(loaded.folder, "payment_id: str = hr.key()", "payment_id: str = hr.key(max_length=20)")
    found = through(load_project(loaded.folder), 2, features=True)
    reason = "asked with a row that breaks the contract Payment of today"
    assert (found.records, found.skipped) == (len(answers) - 1, {reason: 1})


def test_what_other_rules_decided_is_skipped_or_decided_by_those_of_today(grown):
    loaded, answers = grown
    edit(loaded.folder, "score > 0.02", "score > 0.3")
    loaded = load_project(loaded.folder)
    found = through(loaded, 2)
    assert found.records == 0
    assert [count for reason, count in found.skipped.items() if "other rules" in reason] == [len(answers)]
    found = through(loaded, 1, as_declared=True)
    assert (found.records, found.flips) == (len(answers), 0)
    assert through(loaded, 2, as_declared=True).records == len(answers)


def test_a_version_of_other_features_needs_them_computed(grown):
    loaded, answers = grown
    edit(loaded.folder, '"night": "hour(at) < 6"', '"night": "hour(at) < 9"')
    loaded = load_project(loaded.folder)
    assert through(loaded, 2).records == len(answers), "what is on record means what both versions learned"
    with pytest.raises(HeadraceError, match="HR-SERVE-003"):
        through(loaded, 2, features=True)
    from headrace.run import run, train

    assert run(loaded).ok
    train(loaded)
    found = through(loaded, 3)
    assert found.records == 0
    assert [count for reason, count in found.skipped.items() if "did not learn" in reason] == [len(answers)]
    assert through(loaded, 3, features=True).records == len(answers)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--model", "77"), "HR-LEARN-014"),
        (("--model", "nobody"), "HR-LEARN-014"),
        (("nothing", "--model", "1"), "HR-SERVE-007"),
        (("--model", "1", "--since", "yesterday"), "HR-CLI-001"),
        (("--model", "1", "--since", "2026-02-01", "--until", "2026-01-01"), "HR-CLI-001"),
        (("--model", "1", "--fail-above", "lots"), "HR-CLI-001"),
        (("--model", "1", "--fail-above", "150%"), "HR-CLI-001"),
        ((), "HR-CLI-001"),
    ],
)
def test_wrong_use_is_told(grown, words, code):
    loaded, _ = grown
    (fault,) = told(loaded.folder, *words, exit_code=2)["faults"]
    assert fault["code"] == code


def test_how_long_ago_is_among_the_examples_of_a_time():
    with pytest.raises(click.BadParameter, match="'7' is no time such as 7d, 12h, 2026"):
        begin_and_end("7", None)


def test_a_project_of_several_services_and_one_without_decisions(grown):
    loaded, _ = grown
    edit(loaded.folder, "project = hr.Project", 'other = hr.Service("other", score)\nproject = hr.Project')
    edit(loaded.folder, "services=[desk]", "services=[desk, other]")
    loaded = load_project(loaded.folder)
    with pytest.raises(HeadraceError, match="HR-REPLAY-001"):
        service_named(loaded, None)
    assert told(loaded.folder, "other", "--model", "2")["records"] == 0


def test_scores_of_many_rows_are_those_of_each():
    """A model that adds up otherwise when it is given many rows is asked for one at a time."""

    class Sums:
        asked = 0

        def score(self, x):
            Sums.asked += 1
            return x.sum(axis=1).astype(np.float64) + (1e-12 if len(x) > 1 and self.otherwise else 0.0)

    x = np.arange(60.0, dtype=np.float32).reshape(20, 3)
    for otherwise in (False, True):
        Sums.otherwise = otherwise
        assert scores(x, Sums()).tolist() == x.sum(axis=1).astype(np.float64).tolist()
    assert scores(x[:0], Sums()).tolist() == []


def test_columns_become_what_one_row_becomes(grown):
    """Decimals, truths, texts that the model knows or not, null, and what float32 does not hold."""
    loaded, _ = grown
    scorer = loaded.registry().load(loaded.registry().version("score", 1))
    every = [json.loads(one["features"]) for one in records(loaded)]
    expected = np.concatenate([vector(one, scorer) for one in every])
    made = {name: Column(FLOAT, *_values([one[name] for one in every])) for name in scorer.features}
    x, beyond = matrix(made, scorer)
    assert x.tobytes() == expected.tobytes()
    assert not beyond.any()
    made["now.amount"] = Column(Decimal(12, 2), np.full(len(every), 123456, np.int64))
    assert set(matrix(made, scorer)[0][:, scorer.features.index("now.amount")].tolist()) == {float(np.float32(1234.56))}
    made["now.amount"] = Column(FLOAT, np.full(len(every), 1e300))
    assert matrix(made, scorer)[1].all()

    class Texts:
        features, categories = ("kind",), {"kind": ("a", "b")}

    text = Column(STR, np.array([0, 1, 2, 0]), np.array([True, True, True, False]), pa.array(["b", "c", "a"]))
    found = matrix({"kind": text}, Texts())[0][:, 0]
    assert [None if np.isnan(one) else one for one in found] == [1.0, None, 0.0, None]


def _values(given):
    there = np.array([one is not None for one in given])
    return np.array([np.nan if one is None else float(one) for one in given]), there
