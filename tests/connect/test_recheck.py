"""A contract that changes while rows are in the lake: they are held against it, counted, and left where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

import headrace as hr
from headrace.connect import ingest
from headrace.lake import Lake

ROWS = "1,2026-01-01T00:00:00Z,5,ab\n2,2026-01-02T00:00:00Z,15,b\n3,2026-01-03T00:00:00Z,25,b\n"


def stream(**bounds: object) -> hr.Stream:
    class Reading(hr.Contract):
        id: int = hr.key()
        at: hr.Timestamp = hr.event_time()  # type: ignore[valid-type]
        value: float = hr.field(**{"ge": 0, "le": 100} | bounds)
        word: str

    return hr.Stream("readings", Reading, source="*.csv")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    (tmp_path / "a.csv").write_text("id,at,value,word\n" + ROWS)
    lake = Lake(tmp_path / "lake")
    assert ingest(stream(), tmp_path, lake).accepted == 3
    return lake


def test_a_tighter_bound_is_refused_with_counts_and_nothing_is_dropped(tmp_path: Path, lake: Lake) -> None:
    (tmp_path / "b.csv").write_text("id,at,value,word\n4,2026-01-03T00:00:00Z,3,b\n")
    version = lake.version("readings")
    for _ in range(2):
        with pytest.raises(hr.HeadraceError) as told:
            ingest(stream(ge=6, le=20), tmp_path, lake)
        (fault,) = told.value.faults
        assert fault.code == "HR-DATA-108"
        assert fault.place.startswith("tests/connect/test_recheck.py:") or "test_recheck.py:" in fault.place
        assert fault.found == (
            "3 rows of readings in the lake, of which some break its changed contract: "
            "HR-DATA-004 value: is below 6 (1 rows); HR-DATA-004 value: is above 20 (1 rows)"
        )
        assert lake.version("readings") == version
    assert ingest(stream(), tmp_path, lake).accepted == 1


def test_a_bound_that_all_rows_keep_is_checked_once(
    tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    genuine = Lake.batches

    def batches(self: Lake, name: str, **more: object) -> object:
        read.append(name)
        return genuine(self, name, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Lake, "batches", batches)
    for times in (1, 1, 1):
        ingest(stream(le=50), tmp_path, lake)
        assert read == ["readings"] * times
    ingest(stream(), tmp_path, lake)
    assert read == ["readings"], "rows that keep a tighter bound keep a looser one"
    ingest(stream(le=60), tmp_path, lake)
    assert read == ["readings"] * 2, "a contract of old does not know the rows that came since"


def test_a_key_that_rows_share(tmp_path: Path, lake: Lake) -> None:
    class Reading(hr.Contract):
        id: int
        at: hr.Timestamp = hr.event_time()  # type: ignore[valid-type]
        value: float
        word: str = hr.key()

    with pytest.raises(hr.HeadraceError) as told:
        ingest(hr.Stream("readings", Reading, source="*.csv"), tmp_path, lake)
    assert [fault.code for fault in told.value.faults] == ["HR-EVOLVE-001"] * 2
    with pytest.raises(
        hr.HeadraceError, match=r"HR-DATA-108 .*HR-DATA-008 word: is the key of an earlier row \(1 rows"
    ):
        ingest(hr.Stream("readings", Reading, source="*.csv"), tmp_path, lake, accept=True)


def test_other_columns(tmp_path: Path, lake: Lake) -> None:
    class Reading(hr.Contract):
        id: int = hr.key()
        at: hr.Timestamp = hr.event_time()  # type: ignore[valid-type]

    with pytest.raises(hr.HeadraceError, match="HR-EVOLVE-001 .*value of readings is removed; 3 rows in the lake"):
        ingest(hr.Stream("readings", Reading, source="*.csv"), tmp_path, lake)
