"""Small files are taken together: what comes of them is what comes of each alone."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

import headrace as hr
from headrace.connect import ingest
from headrace.connect.loading import together, work
from headrace.lake import Lake


class Payment(hr.Contract):
    payment_id: int = hr.key()
    at: hr.Timestamp = hr.event_time(zone="UTC")
    amount: float | None = hr.field(ge=0)
    country: str | None = hr.field(pattern="[A-Z]{2}", severity="warn")
    receipt: str | None
    one_receipt = hr.unique("receipt")
    usual = hr.volume(at_most=6, severity="warn")


class Strict(Payment):
    stopped = hr.check("amount < 90", severity="stop")
    few = hr.volume(at_most=8, severity="stop")


class Plain(hr.Contract):
    at: hr.Timestamp = hr.event_time(zone="UTC")
    amount: float | None = hr.field(ge=0)


SOURCES = {
    "stream": hr.Stream("payments", Payment, source="data"),
    "stopped": hr.Stream("payments", Strict, source="data"),
    "merged": hr.Table("payments", Payment, source="data"),
    "merged and stopped": hr.Table("payments", Strict, source="data"),
    "replaced": hr.Table("payments", Plain, source="data"),
}


def write(folder: Path, first: int, last: int, seed: int) -> None:
    """Files of all that can be wrong with a small one: no rows, other columns, lines that are none, keys again."""
    random.seed(seed)
    folder.mkdir(exist_ok=True)
    for number in range(first, last):
        names = ["payment_id", "at", "amount", "country", "receipt"]
        if random.random() < 0.1:
            names.append("beside")
        if random.random() < 0.1:
            random.shuffle(names)
        if random.random() < 0.03:
            names.remove("country")
        lines = [",".join(names), *(line(names) for _ in range(random.choice([0, 1, 3, 3, 3, 7, 9])))]
        end = '"torn' if random.random() < 0.03 else ""
        (folder / f"{number:04}.csv").write_text("\n".join([*lines, end]))


def line(names: list[str]) -> str:
    if random.random() < 0.03:
        return "1,2"
    told = {
        "payment_id": random.choice([*range(200), "x", ""]),
        "at": random.choice(["2026-01-02T03:04:05", "2026-01-02T03:04:05+01:00", "2026-13-02", ""]),
        "amount": random.choice(["1.5", "2", "-1", "", "95" if random.random() < 0.05 else "3"]),
        "country": random.choice(["DE", "FR", "it"]),
        "receipt": random.choice(["", f"r{random.randrange(150)}"]),
        "beside": "1",
    }
    return ",".join(str(told[name]) for name in names)


def told_of(lake: Lake, report: Any) -> dict[str, Any]:
    """All that is in the lake but the moments of the run, and what was reported."""
    tables = {name: lake.read(name).to_pylist() for name in lake.tables()}
    for name, moment in (("loads_payments", "at"), ("quality_payments", "at")):
        for row in tables[name]:
            row.pop(moment)
    return {**tables, "report": {**report.as_dict(), "reasons": sorted(report.reasons.items())}}


@pytest.mark.parametrize(
    ("kind", "batch_rows"), [*((kind, 1_000_000) for kind in SOURCES), ("stream", 40), ("merged", 40)]
)
def test_files_taken_together_come_to_what_they_come_to_alone(
    tmp_path: Path, kind: str, batch_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for most in (together.SMALL, -1):
        monkeypatch.setattr(together, "SMALL", most)
        folder = tmp_path / str(most)
        folder.mkdir()
        lake = Lake(folder / "lake")
        for first, last in ((0, 30), (30, 40)):
            write(folder / "data", first, last, seed=first)
            report = ingest(SOURCES[kind], folder, lake, batch_rows=batch_rows)
            found.append(told_of(lake, report))
    assert found[0]["quarantine_payments"]
    assert found[0]["payments"]
    assert found[:2] == found[2:]


def test_files_of_json_and_compressed_ones_are_taken_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gzip

    (tmp_path / "data").mkdir()
    for number in range(40):
        row = f'{{"payment_id": {number}, "at": "2026-01-02T03:04:05Z", "amount": {number - 1}, "country": "DE"}}\n'
        name = tmp_path / "data" / f"{number:03}.jsonl"
        if number % 2:
            name.write_text(row)
        else:
            name.with_suffix(".jsonl.gz").write_bytes(gzip.compress(row.encode()))
    calls = []
    real = work.validate
    monkeypatch.setattr(work, "validate", lambda *args, **more: calls.append(1) or real(*args, **more))
    lake = Lake(tmp_path / "lake")
    report = ingest(SOURCES["stream"], tmp_path, lake)
    assert (report.accepted, report.quarantined, report.files_new) == (39, 1, 40)
    assert len(calls) == 1
    assert lake.read("quarantine_payments")["_source"].to_pylist() == ["data/000.jsonl.gz"]


def test_many_files_that_were_begun_and_brought_nothing_are_taken_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "data", 0, 40, seed=1)
    lake = Lake(tmp_path / "lake")
    expected = Lake(tmp_path / "expected")
    ingest(SOURCES["stream"], tmp_path, expected)

    def cut_off(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    real = work.Work._take_first
    times = iter([False, True])
    monkeypatch.setattr(together, "_FILES", 12)

    def once(self: Any, *args: Any) -> None:
        real(self, *args) if not next(times) else cut_off()
        self.flush()

    monkeypatch.setattr(work.Work, "_take_first", once)
    with pytest.raises(KeyboardInterrupt):
        ingest(SOURCES["stream"], tmp_path, lake)
    monkeypatch.setattr(work.Work, "_take_first", real)
    assert 0 < lake.rows("payments") < expected.rows("payments")
    ingest(SOURCES["stream"], tmp_path, lake)
    for name in ("payments", "quarantine_payments"):
        assert lake.read(name).to_pylist() == expected.read(name).to_pylist()
