"""Personal values on record are pseudonyms; what reads records has them in plain as long as the key is there."""

import json
import shutil

import httpx
import pytest

from headrace import HeadraceError
from headrace.run import load_project
from headrace.serve import parity
from headrace.serve.app import start
from headrace.serve.why import why
from tests.shop import DECIDE, payment, rows_of

ANN = {"email": "ann@example.org", "income": 71234.5, "holder": "Ann Arbor", "note": "by phone"}
PLAIN = (b"ann@example.org", b"71234", b"Ann Arbor")


def asked(number, **more):
    return payment(number, **{**ANN, **more})


def ask(running, row, path=DECIDE):
    with httpx.Client(base_url=running.url, timeout=60) as client:
        return client.post(path, json=row)


def written(folder, patterns):
    """All bytes below a folder of the state."""
    return b"".join(path.read_bytes() for one in patterns for path in sorted(folder.glob(one)) if path.is_file())


def test_what_is_written_has_no_personal_value(private):
    with start(private) as running:
        first = ask(running, asked(1), f"{DECIDE}?explain=50&features=1").json()
        assert first["features"]["now._now"] == "ann@example.org"
        assert first["features"]["spending.incomes"] is None
        assert ask(running, payment(2)).status_code == 200
        journal = written(private.state_dir, ["spool/records-*/*.log"])
        assert b"by phone" in journal
        assert not [one for one in PLAIN if one in journal]
    rows = {row["record_id"]: row for row in rows_of(private, "decisions_desk")}
    said = json.dumps(rows, default=str).encode()
    assert not [one for one in PLAIN if one in said]
    request = json.loads(rows[first["record_id"]]["request"])
    assert request["note"] == "by phone"
    assert [list(request[name]) for name in ("email", "income", "holder")] == [["$pseudonym"]] * 3
    assert json.loads(rows[first["record_id"]]["features"])["now.rich"].keys() == {"$pseudonym"}
    other = next(row for row in rows.values() if row["record_id"] != first["record_id"])
    assert json.loads(other["request"])["email"] is None


def test_readers_of_records_have_them_in_plain(private):
    with start(private) as running:
        for number in range(20):
            assert ask(running, asked(number)).status_code == 200
            assert ask(running, asked(100 + number), "/events/payments").status_code == 200
        one = ask(running, asked(30), f"{DECIDE}?explain=3").json()
        running.office.live._rests_until = 0.0
        running.office.live.step()
        figures = running.office.live.figures()
        assert (figures.failed, figures.differing, figures.records) == ("", 0, 21)
    report = parity(private)
    assert (report.records, report.differing, report.skipped) == (21, 0, {})
    told = why(private, one["record_id"])
    assert (told.request["email"], told.request["note"]) == ("masked (personal)", "by phone")
    assert told.checked.whole
    assert not told.checked.differing
    assert why(private, one["record_id"], reveal=True).request["email"] == "ann@example.org"


def test_a_repeated_request_is_known_whether_its_record_is_in_the_journal_or_in_the_lake(private):
    with start(private) as running:
        first = ask(running, asked(1), f"{DECIDE}?features=1&explain=2").json()
        again = ask(running, asked(1), f"{DECIDE}?features=1&explain=2").json()
        assert again == first | {"repeated": True}
        assert ask(running, asked(1, email="eve@example.org")).status_code == 409
    with start(private) as running:
        again = ask(running, asked(1), f"{DECIDE}?features=1&explain=2").json()
        assert again == first | {"repeated": True}


def test_equal_values_are_equal_and_keys_are_changed_by_a_line(private):
    with start(private) as running:
        for number in range(3):
            ask(running, asked(number))
    key = private.state_dir / "pseudonyms" / "key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.write_text(key.read_text() + "ab" * 64 + "\n")
    with start(private) as running:
        assert ask(running, asked(1)).json()["repeated"]
        ask(running, asked(4))
    query = "select count(distinct request->>'$.email') as n, count(*) as every from decisions_desk"
    found = private.lake().sql(query, reads=["decisions_desk"]).to_pylist()
    assert found == [{"n": 2, "every": 4}]
    report = parity(private)
    assert (report.records, report.differing) == (4, 0)


def test_a_lost_key_is_told_and_new_requests_are_answered(private):
    with start(private) as running:
        lost = ask(running, asked(1)).json()["record_id"]
        plain = ask(running, payment(2)).json()["record_id"]
    (private.state_dir / "pseudonyms" / "key").unlink()
    with start(private) as running:
        (told,) = [one for one in running.office.warnings if one.code == "HR-PRIVACY-002"]
        assert told.severity == "warning"
        assert ask(running, asked(3)).status_code == 200
        again = ask(running, asked(1))
        assert (again.status_code, again.json()["error"]["code"]) == (503, "HR-PRIVACY-002")
    report = parity(private)
    assert (report.records, report.differing, sum(report.skipped.values())) == (2, 0, 1)
    assert "not at hand" in next(iter(report.skipped))
    with pytest.raises(HeadraceError, match="HR-PRIVACY-002"):
        why(private, lost)
    assert why(private, plain).checked.whole


def test_a_key_file_that_is_named_is_used_and_has_to_be_there(private, tmp_path, monkeypatch):
    toml = private.folder / "headrace.toml"
    toml.write_text(toml.read_text() + '[privacy]\nkey_file = "../secret.key"\n')
    named = load_project(private.folder)
    with pytest.raises(HeadraceError, match="HR-PRIVACY-001"), start(named):
        pass
    (tmp_path / "secret.key").write_text("no key\n")
    with pytest.raises(HeadraceError, match="HR-PRIVACY-001") as raised, start(named):
        pass
    assert "no key\n" not in str(raised.value)
    (tmp_path / "secret.key").write_text("0f" * 64)
    with start(named) as running:
        assert ask(running, asked(1)).status_code == 200
    assert not (named.state_dir / "pseudonyms" / "key").exists()
    (tmp_path / "secret.key").unlink()
    monkeypatch.setenv("HEADRACE_PSEUDONYM_KEY", "0f" * 64)
    assert parity(named).records == 1


def test_an_altered_pseudonym_is_no_value_and_told(private):
    with start(private) as running:
        ask(running, asked(1))
        ask(running, asked(2, email="bob@example.org"))
    lake = private.lake()
    rows = lake.read("decisions_desk").to_pylist()
    taken = json.loads(rows[0]["features"])
    given = json.loads(rows[0]["request"])
    taken["now._now"] = given["email"]  # a pseudonym of the same value, under another name
    rows[0]["features"] = json.dumps(taken, separators=(",", ":"))
    table = lake.read("decisions_desk")
    lake.overwrite("decisions_desk", type(table).from_pylist(rows, table.schema))
    report = parity(private)
    assert report.differing >= 1
    assert {one.cause for one in report.examples} == {"the record was altered after it was written"}
    shown = json.dumps([one.as_dict() for one in report.examples], default=str).encode()
    assert not [one for one in PLAIN if one in shown]


def test_a_project_without_personal_fields_has_no_key(shop):
    with start(shop) as running:
        assert ask(running, payment(1)).status_code == 200
    assert not (shop.state_dir / "pseudonyms").exists()
    shutil.rmtree(shop.state_dir)
