"""``headrace state salvage``: of records that were altered on the disk, all that are whole reach the lake, once."""

import importlib
import json
import re
import shutil

import httpx
import pytest
from click.testing import CliRunner

from headrace import clock
from headrace.cli.app import main
from headrace.errors import HeadraceError
from headrace.run import load_project
from headrace.serve.app import start
from headrace.serve.drain import spool_of
from headrace.serve.office import office
from headrace.serve.salvage import salvage
from tests.shop import DECIDE, payment

journal = importlib.import_module("headrace.serve.journal")


def told(shop, *words):
    done = CliRunner().invoke(main, ["state", "salvage", "--project", str(shop.folder), *words])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def answered(shop):
    """A project of which twenty records wait for the lake, as a kill leaves it: its answers, and its journal."""
    spool, kept = spool_of(shop.state_dir), shop.folder / "kept"
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        answers = [client.post(DECIDE, json=payment(number)).json() for number in range(20)]
        shutil.copytree(spool, kept)
    shutil.rmtree(spool)
    shutil.rmtree(shop.lake().root / "decisions_desk")
    kept.rename(spool)
    (records,) = spool.glob("records-*")
    return answers, records


def alter(records, *numbers):
    (path,) = journal.segments(records)
    content, whole = bytearray(path.read_bytes()), dict(journal.frames(records))
    for number in numbers:
        content[content.index(whole[number]) + 9] ^= 1
    path.write_bytes(content)


def test_all_that_is_whole_reaches_the_lake_once_and_the_next_service_starts(shop, answered):
    answers, records = answered
    own = journal.identity(records)
    alter(records, 5, 6, 13)
    before = next(iter(journal.segments(records))).read_bytes()
    with pytest.raises(HeadraceError, match="HR-ONLINE-004.*headrace state salvage"), start(shop):
        pass
    code, out, _ = told(shop, "--json")
    (said,) = json.loads(out)["salvaged"]
    assert (code, said["journal"], said["missing"]) == (0, own, [[5, 6], [13, 13]])
    assert said["moved"] == 17 - 4, "four were in the lake already: they came before those that were altered"
    (aside,) = spool_of(shop.state_dir).glob("aside-*")
    assert str(aside) == said["aside"]
    assert next(iter(journal.segments(aside))).read_bytes() == before
    assert told(shop)[:2] == (0, "No records were altered.\n")
    kept = [number for number in range(20) if number + 1 not in (5, 6, 13)]
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        again = {number: client.post(DECIDE, json=payment(number)).json() for number in range(20)}
        assert [number for number, answer in again.items() if answer.get("repeated")] == kept
        assert all(again[number]["record_id"] == answers[number]["record_id"] for number in kept)
    ids = shop.lake().sql("select record_id from decisions_desk")["record_id"].to_pylist()
    assert len(ids) == len(set(ids)) == 20


def test_which_records_are_lost_is_told_also_where_a_salvage_before_did_not_end(shop, answered, monkeypatch):
    _, records = answered
    alter(records, 5, 6, 13)
    loaded = load_project(shop.folder)
    with monkeypatch.context() as patch:
        patch.setattr(type(records), "rename", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            salvage(loaded)
    code, out, _ = told(shop, "--json")
    (said,) = json.loads(out)["salvaged"]
    assert (code, said["moved"], said["missing"]) == (0, 0, [[5, 6], [13, 13]])


def _interrupted(*_):
    raise KeyboardInterrupt


def test_records_without_what_they_share_are_told(shop, answered):
    _, records = answered
    (path,) = journal.segments(records)
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)
    code, out, _ = told(shop)
    assert (code, out.startswith("0 records of the journal")) == (0, True)
    assert re.search(r"none that is whole: \w+-1 to \w+-20\n", out)
    assert list(spool_of(shop.state_dir).glob("aside-*"))


def test_a_journal_without_its_id_and_a_spool_without_its_file(shop, answered):
    _, records = answered
    own, spool = journal.identity(records), spool_of(shop.state_dir)
    (records / f"moved-{own}").write_text("{}")
    (records / "id").unlink()
    (spool / "data.mdb").write_bytes(b"")
    with pytest.raises(HeadraceError, match="HR-ONLINE-00[14].*headrace state salvage"), start(shop):
        pass
    code, out, _ = told(shop)
    assert (code, out.startswith("The spool has a new file"), f"20 records of the journal {own}" in out) == (
        0,
        True,
        True,
    )
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        assert client.post(DECIDE, json=payment(3)).json()["repeated"], "the cases of what was salvaged are known"


def test_what_is_odd_and_keeps_no_service_from_starting_is_told(shop):
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        for number in range(3):
            client.post(DECIDE, json=payment(number))
    (records,) = spool_of(shop.state_dir).glob("records-*")
    with office(shop, now_us=lambda: clock.now_us() - 3_600_000_000) as behind:
        pass
    for path in journal.segments(records):
        path.unlink()
    with office(shop) as short:
        pass
    assert [[fault.code for fault in one.warnings] for one in (behind, short)] == [["HR-ONLINE-006"], ["HR-ONLINE-005"]]


def test_nothing_was_altered(shop, answered):
    code, out, _ = told(shop)
    assert (code, out) == (0, "No records were altered.\n")
    assert len(list(journal.frames(answered[1]))) == 21


def test_a_service_that_runs_keeps_it_out(shop):
    with start(shop):
        code, _, err = told(shop)
    assert (code, "HR-SERVE-011" in err) == (2, True)
