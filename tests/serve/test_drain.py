"""Draining: what is in the lake is not brought again, and what a restore took out of it is not taken for done."""

import importlib
import shutil
from pathlib import Path

import httpx
import pytest

import headrace as hr
from headrace.errors import HeadraceError
from headrace.lake import Lake
from headrace.serve.app import start
from headrace.serve.desk import Decided
from headrace.serve.drain import drain, drain_events, drain_records, journals, spool_of
from headrace.serve.intake import layout
from headrace.serve.journal import Journal, frames, identity, segments
from headrace.serve.record import Context, packed, unpacked
from headrace.serve.spool import opened
from headrace.types import LogicalType
from tests.shop import DECIDE, payment, rows_of


class Payment(hr.Contract):
    payment_id: str = hr.key()


PAYMENTS = hr.Stream("payments", Payment)


def test_live_events_after_a_restore_are_not_taken_for_done(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    with opened(tmp_path / "spool") as spool:
        spool.put_layout("payments", layout(PAYMENTS))

        def post(*names: str) -> None:
            first = lake.sequence("payments") + 1
            spool.put_events("payments", first, [[name] for name in names], 1)
            assert drain_events(spool, lake, PAYMENTS) == len(names)

        post("a", "b")
        before = lake.version("payments")
        post("c", "d")
        lake.restore("payments", before)
        post("e")
    assert lake.read("payments")["payment_id"].to_pylist() == ["a", "b", "e"]
    assert lake.read("payments")["_seq"].to_pylist() == [1, 2, 5]


def test_records_in_the_lake_are_not_read_again_unless_the_lake_has_them_no_more(shop, monkeypatch) -> None:
    read = []
    draining = importlib.import_module("headrace.serve.drain")
    monkeypatch.setattr(draining, "unpacked", lambda *args: (read.append(one.number) or one for one in unpacked(*args)))

    def decided(*numbers: int) -> list[int]:
        with start(shop) as running, httpx.Client(base_url=running.url, timeout=60) as client:
            read.clear()
            for number in numbers:
                assert client.post(DECIDE, json=payment(number)).status_code == 200
        return read

    assert decided(1, 2, 3) == [1, 2, 3]
    assert decided(4, 5) == [4, 5]
    assert len(rows_of(shop, "decisions_desk")) == 5
    (journal,) = journals(spool_of(shop.state_dir))
    assert [path.stat().st_mode & 0o777 for path in journal.glob("moved-*")] == [0o600]
    shutil.rmtree(shop.lake().root / "decisions_desk")
    assert decided() == []
    assert [one["record_id"][-2:] for one in rows_of(shop, "decisions_desk")] == ["-4", "-5"], "those still at hand"


def test_records_before_altered_ones_and_those_of_other_journals_are_moved(shop) -> None:
    folder = spool_of(shop.state_dir)
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        for number in range(4):
            assert client.post(DECIDE, json=payment(number)).status_code == 200
        (journal,) = journals(folder)
        shutil.copytree(journal, folder / "records-1", ignore=shutil.ignore_patterns("moved-*"))
        (folder / "records-1" / "id").write_text("0" * 12)
        (path,) = segments(journal)
        (_, _), *every = frames(journal)
        content = path.read_bytes()
        altered = bytearray(content)
        altered[content.index(every[2][1]) + 5] ^= 1
        path.write_bytes(altered)
        with pytest.raises(HeadraceError, match="behind number 2"):
            drain(shop)
        found = [one["record_id"] for one in rows_of(shop, "decisions_desk")]
        first, second = map(identity, journals(folder))
        assert sorted(found) == sorted([*(f"{first}-{n}" for n in (1, 2)), *(f"{second}-{n}" for n in (1, 2, 3, 4))])
        path.write_bytes(content)
    assert len(rows_of(shop, "decisions_desk")) == 8


def test_a_note_counts_only_where_the_tables_of_all_services_are_as_new(tmp_path: Path) -> None:
    lake, folder = Lake(tmp_path / "lake"), tmp_path / "spool"
    same = dict.fromkeys(("model", "model_digest", "declaration", "features_declaration"), "m") | {"model_version": 1}
    contexts = {name: Context(name, "at", {"at": LogicalType("timestamp")}, [], same, name) for name in "ab"}
    one = Decided({"at": 1}, [], [], 0.5, "allow", 1, {}, [], ())
    some = [(number, packed(contexts[name], one, 1, 1, None)) for number, name in enumerate("aba", 1)]
    with opened(folder) as spool:
        journal = Journal(folder / "records-0")
        journal.append(some, {name: context.packed for name, context in contexts.items()})
        journal.close()
        assert drain_records(spool, folder, lake) == {"decisions_a": 2, "decisions_b": 1}
        assert drain_records(spool, folder, lake) == {}
        shutil.rmtree(lake.root / "decisions_b")
        assert drain_records(spool, folder, lake) == {"decisions_b": 1}
        (note,) = (folder / "records-0").glob("moved-*")
        for altered in (b"not a note", b'{"\xff": 3}', b"3 a", b'{"a": "3"}', b"{}", b""):
            note.write_bytes(altered)
            assert drain_records(spool, folder, lake) == {}


def test_a_spool_whose_pages_were_altered_is_told_as_what_it_is(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.put_cases({b"%032d" % number: f"a-{number}" for number in range(5_000)})
    data = tmp_path / "data.mdb"
    content = data.read_bytes()
    data.write_bytes(content[:8192] + b"\xff" * (len(content) - 8192))
    with pytest.raises(HeadraceError, match="HR-ONLINE-001.*spool.*altered"), opened(tmp_path) as spool:
        spool.record_of(b"%032d" % 7)
