"""Why a decision is what it is: events against plain Python over the lake, altered records, and what is masked."""

import json
import re
import shutil
import statistics
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from click.testing import CliRunner

from headrace.cli.app import main
from headrace.errors import HeadraceError
from headrace.run import load_project
from headrace.serve.why import why
from tests.run.bank import edit
from tests.serve.server import Server
from tests.shop import DECIDE, payment

pytestmark = pytest.mark.filterwarnings("ignore")
DAY = timedelta(days=1)


def said(folder, *words, exit_code=0, command="why"):
    result = CliRunner().invoke(main, [command, *map(str, words), "--project", str(folder)])
    assert result.exit_code == exit_code, result.output
    return result


def told(folder, *words, exit_code=0):
    document = json.loads(said(folder, *words, "--json", exit_code=exit_code).stdout)
    assert document["ok"] is (exit_code == 0)
    return document


def window_of(found, name):
    return next(one for one in found["features"] if one["feature"] == name)["window"]


# -- the events behind a feature, by plain Python over the rows of the lake

WINDOWS = {
    # feature: source, key, length, delay, hop, condition, value
    "spending.count_1d": ("payments", "customer_id", DAY, None, None, None, None),
    "spending.count_7d": ("payments", "customer_id", 7 * DAY, None, None, None, None),
    "spending.mean_7d": ("payments", "customer_id", 7 * DAY, None, None, None, "amount"),
    "spending.places": ("payments", "customer_id", 7 * DAY, None, None, None, "terminal_id"),
    "spending.last": ("payments", "customer_id", None, None, None, None, "amount"),
    "spending.big": ("payments", "customer_id", 7 * DAY, None, None, lambda row: row["amount"] > 50, None),
    "spending.hopped": ("payments", "customer_id", 7 * DAY, None, 3600, None, "amount"),
    "spending.with_this": ("payments", "customer_id", DAY, None, None, None, "amount"),
    "risk.frauds": ("chargebacks", "terminal_id", 7 * DAY, timedelta(hours=1), None, None, "is_fraud"),
}


def plain(value):
    return float(value) if isinstance(value, Decimal) else value


def events(rows, record, source, key, length, delay, hop, holds, value):
    """Sequence, value and whether it counts, of the events of a window, and how many were learned too late."""
    request, horizon = json.loads(record["request"]), json.loads(record["horizon"])
    moment = datetime.fromisoformat(request["at"])
    end = moment - (delay or timedelta(0))
    begin = datetime.min.replace(tzinfo=UTC) if length is None else end - length
    if hop:
        begin = datetime.fromtimestamp(begin.timestamp() // hop * hop, UTC)
    mine = [row for row in rows if row[key] == request[key] and begin <= row["at"] < end]
    seen = [row for row in mine if row["_seq"] <= horizon[source] and row["_known_at"] <= record["_known_at"]]
    seen.sort(key=lambda row: (row["at"], row["_seq"]))
    counts = [holds is None or holds(row) for row in seen]
    values = [None if value is None else plain(row[value]) for row in seen]
    return list(zip([row["_seq"] for row in seen], values, counts, strict=True)), len(mine) - len(seen)


def test_the_events_behind_a_feature_are_those_that_plain_python_finds(grown):
    loaded, answers = grown
    lake = loaded.lake()
    rows = {name: lake.read(name).to_pylist() for name in ("payments", "chargebacks")}
    records = {one["record_id"]: one for one in lake.read("decisions_desk").to_pylist()}
    late = with_events = 0
    for answer in [*answers[0:250:60], *answers[250:290:4], *answers[-4:]]:
        found = why(loaded, answer["record_id"], fixed=("amount", "channel", "hint")).as_dict()
        for name, (source, *spec) in WINDOWS.items():
            expected, too_late = events(rows[source], records[answer["record_id"]], source, *spec)
            window = window_of(found, name)
            made = [(one["sequence"], one["value"], one["counted"]) for one in window["events"]]
            assert (made, window["late"]) == (expected, too_late), (answer["record_id"], name)
            late, with_events = late + too_late, with_events + bool(expected)
            assert window["counted"] == sum(counts for *_, counts in expected)
    assert late > 10
    assert with_events > 50


def test_the_events_add_up_to_the_value_that_was_served(grown):
    loaded, answers = grown
    for answer in answers[255:290:5]:
        found = why(loaded, answer["record_id"], fixed=("amount", "channel", "hint"))
        value = {one.name: one.value for one in found.features}
        counted = {
            one.name: [event.value for event in one.behind.events if event.counted]
            for one in found.features
            if one.name in WINDOWS
        }
        own = float(found.request["amount"])
        assert value["spending.count_7d"] == len(counted["spending.count_7d"])
        assert value["spending.big"] == len(counted["spending.big"])
        assert value["spending.places"] == (len(set(counted["spending.places"])) or None)
        assert value["spending.with_this"] == pytest.approx(sum(counted["spending.with_this"]) + own)
        if counted["spending.mean_7d"]:
            assert value["spending.mean_7d"] == pytest.approx(statistics.mean(counted["spending.mean_7d"]))
            assert value["spending.hopped"] == pytest.approx(sum(counted["spending.hopped"]))
            assert value["spending.last"] == counted["spending.last"][-1]


def test_the_row_of_a_state_is_the_one_that_was_valid(grown):
    loaded, answers = grown
    rows = loaded.lake().read("customers").to_pylist()
    for answer in answers[250:290:7]:
        row = answer["row"]
        moment = datetime.fromisoformat(row["at"])
        mine = [one for one in rows if one["customer_id"] == row["customer_id"] and one["valid_from"] <= moment]
        newest = max(mine, key=lambda one: (one["valid_from"], one["_seq"]))
        found = why(loaded, answer["record_id"], fixed=("amount", "channel", "hint")).as_dict()
        state = next(one for one in found["features"] if one["feature"] == "who.student")["state"]
        assert (state["sequence"], state["fields"]) == (newest["_seq"], {"segment": newest["segment"]})
        assert datetime.fromisoformat(state["valid_from"]) == newest["valid_from"]
    nobody = why(loaded, answers[-2]["record_id"], fixed=("amount", "channel", "hint")).as_dict()
    assert not next(one for one in nobody["features"] if one["feature"] == "who.student")["state"]["there"]
    assert window_of(nobody, "spending.count_7d")["events"] == []


# -- the rest of the story


def test_a_decision_is_explained_whole(grown):
    loaded, answers = grown
    answer = answers[-1]
    found = told(loaded.folder, answer["record_id"])
    assert (found["decision"], found["score"]) == (answer["decision"], answer["score"]) == ("block", answer["score"])
    assert found["request"]["amount"] == "950.50"
    block, review, allow = found["rules"]
    assert [one["decided"] for one in found["rules"]] == [True, False, False]
    assert [(one["says"], one["held"]) for one in block["parts"]] == [
        ("score > 0.5", answer["score"] > 0.5),
        ("amount > 900", True),
    ]
    assert block["read"] == {"score": answer["score"], "amount": 950.5}
    assert review["parts"][1] == {"says": "channel = 'web'", "held": None}
    assert (allow["says"], allow["held"]) == ("otherwise", None)
    made = found["contributions"]
    assert (made["kind"], made["exact"]) == ("tree", True)
    odds = made["base"] + sum(made["values"].values())
    assert 1 / (1 + pow(2.718281828459045, -odds)) == pytest.approx(answer["score"], abs=1e-5)
    shown = [one["contribution"] for one in found["features"] if one["contribution"] is not None]
    assert [abs(one) for one in shown] == sorted(map(abs, shown), reverse=True)
    assert found["checked"] == found["checked"] | {"whole": True, "differing": [], "score": True, "decision": True}
    assert found["checked"]["compared"] == len(found["features"])
    origin = found["origin"]
    assert (origin["number"], origin["digest"]) == (1, answer["model"]["digest"])
    assert origin["promoted"]["by"] == "training"
    assert set(origin["data"]) == {"payments", "chargebacks", "customers"}
    assert origin["gates"][0]["passed"]
    assert origin["training_set"]["kept"]


def test_text_says_what_json_says(grown):
    loaded, answers = grown
    text = said(loaded.folder, answers[-1]["record_id"]).stdout
    for words in (
        f"block: desk on {answers[-1]['record_id']}, score ",
        "equal to the last bit",
        "→ block: score > 0.5 or amount > 900, true",
        "score version 1",
        "What would have changed the decision",
        "amount / spending.mean_7d",
    ):
        assert words in text, words
    assert any("learned later" in said(loaded.folder, one["record_id"]).stdout for one in answers[250:260:2])
    few = text.count("at once")
    assert said(loaded.folder, answers[-1]["record_id"], "--all").stdout.count("at once") > few
    assert "\x1b[" not in text


def test_a_record_that_was_altered_is_told_apart_from_a_wrong_one(grown):
    loaded, answers = grown
    lake, number = loaded.lake(), len(answers) - 1
    rows = lake.read("decisions_desk")
    mask = pc.equal(rows["record_id"], answers[-1]["record_id"])
    scores = pc.if_else(mask, pa.scalar(0.123), rows["score"])
    lake.overwrite("decisions_desk", rows.set_column(rows.schema.get_field_index("score"), "score", scores))
    found = told(loaded.folder, answers[-1]["record_id"], exit_code=1)
    assert (found["checked"]["whole"], found["checked"]["score"]) == (False, False)
    text = said(loaded.folder, answers[-1]["record_id"], exit_code=1)
    assert "altered after it was written" in text.stdout
    assert "The record is whole" not in text.stdout
    assert "HR-WHY-005" in text.output
    assert told(loaded.folder, answers[number - 1]["record_id"])["checked"]["whole"]


def test_history_that_was_altered_is_told(grown):
    loaded, answers = grown
    lake, row = loaded.lake(), answers[-1]["row"]
    found = window_of(told(loaded.folder, answers[-1]["record_id"]), "spending.mean_7d")
    sequence = found["events"][0]["sequence"]
    rows = lake.read("payments")
    more = pc.add(rows["amount"], pa.scalar(Decimal("1.00"), rows["amount"].type)).cast(rows["amount"].type, safe=False)
    amounts = pc.if_else(pc.equal(rows["_seq"], sequence), more, rows["amount"])
    lake.overwrite("payments", rows.set_column(rows.schema.get_field_index("amount"), "amount", amounts))
    found = told(loaded.folder, answers[-1]["record_id"], exit_code=1)
    differing = {one["feature"] for one in found["checked"]["differing"]}
    assert {"spending.mean_7d", "spending.hopped", "now.ratio"} <= differing
    assert not {"spending.count_7d", "now.amount"} & differing
    assert found["otherwise"]["without"] == "history does not confirm the features of the record"
    assert row["customer_id"] == 3


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("features", "garbage"),
        ("features", "[]"),
        ("features", '{"now.amount": "x"}'),
        ("request", "{"),
        ("request", "{}"),
        ("horizon", "no"),
        ("horizon", "[]"),
        ("model_version", 99),
        ("model_digest", "../../x"),
        ("decision", "zzz"),
    ],
)
def test_a_record_that_was_altered_beyond_reading_is_told_all_the_same(grown, column, value):
    loaded, answers = grown
    lake = loaded.lake()
    rows = lake.read("decisions_desk")
    mask, place = pc.equal(rows["record_id"], answers[-1]["record_id"]), rows.schema.get_field_index(column)
    altered = pc.if_else(mask, pa.scalar(value, rows.schema.field(column).type), rows[column])
    lake.overwrite("decisions_desk", rows.set_column(place, column, altered))
    found = told(loaded.folder, answers[-1]["record_id"], exit_code=1)
    assert not found["checked"]["whole"]
    assert found["record_id"] == answers[-1]["record_id"]
    said(loaded.folder, answers[-1]["record_id"], "--html", loaded.folder / "x.html", exit_code=1)
    assert "altered after it was written" in (loaded.folder / "x.html").read_text()


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("score > 0.02", "score > 0.3", ["rules"]),
        ('"night": "hour(at) < 6"', '"night": "hour(at) < 7"', ["features"]),
        (
            "amount: hr.Decimal(12, 2) = hr.field(ge=0, le=10000)",
            "amount: hr.Decimal(12, 2) = hr.field(ge=0, le=900)",
            None,
        ),
    ],
    ids=["rules", "a feature", "a contract"],
)
def test_what_was_declared_otherwise_since_is_said(grown, old, new, changed):
    loaded, answers = grown
    edit(loaded.folder, old, new)
    found = told(loaded.folder, answers[-1]["record_id"])
    if changed is not None:
        assert found["checked"]["changed"] == changed
    if changed == ["rules"]:
        assert found["checked"]["decision"] is None
        assert found["otherwise"]["changes"]
        return
    assert found["checked"]["without"]
    assert found["otherwise"]["without"]
    features = {one["feature"]: one for one in found["features"]}
    if changed == ["features"]:
        assert features["now.night"]["changed"]
        assert not features["spending.count_7d"]["changed"]
        assert window_of(found, "spending.count_7d")["events"]
    assert found["contributions"]["exact"]


def test_a_service_and_a_version_that_are_gone(grown):
    loaded, answers = grown
    shutil.rmtree(loaded.state_dir / "models" / "files")
    found = told(loaded.folder, answers[-1]["record_id"])
    assert not found["origin"]["intact"]
    assert found["checked"]["score"] is None
    assert "no longer there" in found["contributions"]["without"]
    edit(loaded.folder, 'hr.Service("desk"', 'hr.Service("table"')
    found = told(loaded.folder, answers[-1]["record_id"])
    assert found["checked"]["without"] == "the service is no longer declared"
    assert (found["service"], found["decision"]) == ("desk", "block")
    said(loaded.folder, answers[-1]["record_id"], "--html", loaded.folder / "gone.html")


def test_an_unknown_record_and_one_that_waits_in_the_spool(shop):
    fault = told(shop.folder, "abc-1", exit_code=2)["faults"][0]
    assert (fault["code"], "serve" in fault["cure"]) == ("HR-WHY-001", True)
    server = Server(shop.folder)
    answer = server.client.post(DECIDE, json=payment(5)).json()
    server.kill()
    assert not shop.lake().exists("decisions_desk")
    assert told(shop.folder, answer["record_id"])["decision"] == answer["decision"]
    spool, number = answer["record_id"].rsplit("-", 1)
    fault = told(shop.folder, f"{spool}-{int(number) + 5}", exit_code=2)["faults"][0]
    assert f"the newest of desk is {answer['record_id']}" in fault["found"]
    for strange in ("", "' or 1=1 --", "x" * 500, "-1", "1-1-1", f"{spool}-{'9' * 40}", "ünï-1"):
        result = CliRunner().invoke(main, ["why", "--json", "--project", str(shop.folder), "--", strange])
        assert json.loads(result.stdout)["faults"][0]["code"] == "HR-WHY-001", strange


# -- persons, and the page


def test_what_tells_of_a_person_is_masked_everywhere(grown):
    loaded, answers = grown
    record_id, page = answers[-4]["record_id"], loaded.folder / "why.html"
    (row,) = [one for one in loaded.lake().read("decisions_desk").to_pylist() if one["record_id"] == record_id]
    email = answers[-4]["row"]["email"]
    assert email not in row["request"]  # it is a pseudonym there
    for words in ((), ("--json",), ("--html", page)):
        assert email not in said(loaded.folder, record_id, *words).output
    assert email not in page.read_text()
    found = told(loaded.folder, record_id)
    assert (found["request"]["email"], found["masked"]) == ("masked (personal)", True)
    assert told(loaded.folder, record_id, "--reveal")["request"]["email"] == email


def test_a_subject_and_what_is_made_of_personal_columns_are_masked(grown):
    loaded, answers = grown
    fields = "    customer_id: int\n    terminal_id: int\n    amount"
    tagged = fields.replace("customer_id: int", "customer_id: int = hr.field(subject=True)")
    tagged = tagged.replace("terminal_id: int", "terminal_id: int = hr.field(privacy='personal')")
    edit(loaded.folder, fields, tagged)
    last = '"with_this": hr.sum("amount", "1d", include_current=True),\n}'
    edit(loaded.folder, last, f'{last}, privacy="personal"')
    found = told(loaded.folder, answers[-1]["record_id"])
    assert found["request"]["customer_id"] == "masked (subject)"
    window = window_of(found, "spending.places")
    assert window["by"] == {"customer_id": "masked (subject)"}
    assert {one["value"] for one in window["events"]} == {"masked (personal)"}
    features = {one["feature"]: one for one in found["features"]}
    assert features["spending.places"]["value"] == "masked (personal)"
    assert features["spending.places"]["contribution"] is not None
    assert features["spending.mean_7d"]["value"] != "masked (personal)"
    shown = told(loaded.folder, answers[-1]["record_id"], "--reveal")
    assert shown["request"]["customer_id"] == 3


def test_the_page_stands_alone_and_escapes_what_it_is_given(grown):
    loaded, answers = grown
    page = loaded.folder / "why.html"
    assert "Page: " in said(loaded.folder, answers[-4]["record_id"], "--html", page).stdout
    text = page.read_text()
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert not re.search(r"""(?:src|href)\s*=|url\(|@import|https?://""", text.replace('href="#', ""))
    for words in ("Why ", "What would have changed the decision", "The events behind", "equal to the last bit"):
        assert words in text, words
    fault = told(loaded.folder, answers[-1]["record_id"], "--html", loaded.folder / "no" / "x.html", exit_code=2)[
        "faults"
    ][0]
    assert fault["code"] == "HR-CLI-002"


def test_in_python_it_is_the_same(grown):
    loaded, answers = grown
    found = why(loaded, answers[-1]["record_id"])
    assert json.loads(json.dumps(found.as_dict())) == {
        name: value for name, value in told(loaded.folder, answers[-1]["record_id"]).items() if name != "ok"
    }
    with pytest.raises(HeadraceError, match="HR-WHY-001"):
        why(load_project(loaded.folder), "nobody-1")
