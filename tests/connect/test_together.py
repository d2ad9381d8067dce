"""Small files are taken together: what comes of them is what comes of each alone."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
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


def write_mixed(folder: Path, first: int, last: int, seed: int) -> None:
    """Files of several kinds one after the other, with their columns in any order, and some that cannot be read."""
    random.seed(seed)
    folder.mkdir(exist_ok=True)
    for number in range(first, last):
        names = ["payment_id", "at", "amount", "country", "receipt"]
        random.shuffle(names)
        rows = [dict(zip(names, line(names).split(","), strict=False)) for _ in range(random.choice([0, 1, 3, 5]))]
        path = folder / f"{number:04}"
        match random.choice(
            ["csv", "tsv", "jsonl", "no newline", "json", "parquet", "dictionaries", "torn", "nonsense"]
        ):
            case "csv" | "tsv" as kind:
                mark = {"csv": ",", "tsv": "\t"}[kind]
                lines = [mark.join(names), *(mark.join(row.get(name, "") for name in names) for row in rows)]
                path.with_suffix(f".{kind}").write_text("\n".join(lines))
            case "jsonl":
                path.with_suffix(".jsonl").write_text("".join(json.dumps(typed(row)) + "\n" for row in rows))
            case "no newline":
                path.with_suffix(".jsonl").write_text("\n".join(json.dumps(typed(row)) for row in rows))
            case "json":
                path.with_suffix(".json").write_text(json.dumps([typed(row) for row in rows]))
            case "parquet" | "dictionaries" as kind:
                table = pa.table({name: pa.array([row.get(name) for row in rows], pa.string()) for name in names})
                place = table.column_names.index("country")
                if kind == "dictionaries":
                    table = table.set_column(place, "country", table["country"].dictionary_encode())
                pq.write_table(table, path.with_suffix(".parquet"))
            case "torn":
                path.with_suffix(".csv").write_text("\n".join([",".join(names), '"torn']))
            case "nonsense":
                path.with_suffix(".jsonl").write_text('{"payment_id": 1}\nnull\n')


def typed(row: dict[str, str]) -> dict[str, Any]:
    """Values as JSON has them: some of no type of their field, some that keep it whole from being read by columns."""
    found: dict[str, Any] = {name: value or None for name, value in row.items()}
    if random.random() < 0.9:
        found |= {name: float(found[name]) for name in ("amount",) if found.get(name)}
        found |= {"payment_id": int(found["payment_id"])} if (found.get("payment_id") or "x").isdigit() else {}
    return found


def told_of(lake: Lake, report: Any) -> dict[str, Any]:
    """All that is in the lake but the moments of the run, and what was reported."""
    tables = {name: lake.read(name).to_pylist() for name in lake.tables()}
    for name, moment in (("loads_payments", "at"), ("quality_payments", "at")):
        for row in tables[name]:
            row.pop(moment)
    return {**tables, "report": {**report.as_dict(), "reasons": sorted(report.reasons.items())}}


@pytest.mark.parametrize("form", [write, write_mixed])
@pytest.mark.parametrize(
    ("kind", "batch_rows"), [*((kind, 1_000_000) for kind in SOURCES), ("stream", 40), ("merged", 40)]
)
def test_files_taken_together_come_to_what_they_come_to_alone(
    tmp_path: Path, kind: str, batch_rows: int, form: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for most in (together.SMALL, -1):
        monkeypatch.setattr(together, "SMALL", most)
        folder = tmp_path / str(most)
        folder.mkdir()
        lake = Lake(folder / "lake")
        for first, last in ((0, 30), (30, 40)):
            form(folder / "data", first, last, seed=first)
            report = ingest(SOURCES[kind], folder, lake, batch_rows=batch_rows)
            found.append(told_of(lake, report))
    assert found[0]["quarantine_payments"]
    assert found[0]["payments"]
    assert found[:2] == found[2:]


def test_files_of_any_kinds_and_compressed_ones_are_taken_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gzip

    (tmp_path / "data").mkdir()
    for number in range(40):
        row = f'{{"payment_id": {number}, "at": "2026-01-02T03:04:05Z", "amount": {number - 1}, "country": "DE"}}\n'
        name = tmp_path / "data" / f"{number:03}.jsonl"
        if number % 2:
            name.write_text(row if number % 3 else row.strip())
        elif number % 4:
            name.with_suffix(".csv").write_text(
                f"amount,at,country,payment_id,receipt\n{number - 1},2026-01-02T03:04:05Z,DE,{number},\n"
            )
        else:
            name.with_suffix(".jsonl.gz").write_bytes(gzip.compress(row.encode()))
    calls = []
    real = work.validate_mixed
    monkeypatch.setattr(work, "validate_mixed", lambda *args: calls.append(1) or real(*args))
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


def test_a_long_load_of_small_files_is_committed_on_its_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mixed(tmp_path / "data", 0, 60, seed=2)
    lake, expected = Lake(tmp_path / "lake"), Lake(tmp_path / "expected")
    ingest(SOURCES["stream"], tmp_path, expected)
    monkeypatch.setattr(together, "_FILES", 12)
    real = work.Work._take_first
    calls: list[int] = []

    def three_times(self: Any, *args: Any) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(self, *args)

    for longest, reached in ((3600.0, False), (0.0, True)):
        calls.clear()
        monkeypatch.setattr(work, "_LONGEST_S", longest)
        monkeypatch.setattr(work.Work, "_take_first", three_times)
        with pytest.raises(KeyboardInterrupt):
            ingest(SOURCES["stream"], tmp_path, lake)
        assert (lake.rows("payments") > 0) is reached
    monkeypatch.setattr(work.Work, "_take_first", real)
    ingest(SOURCES["stream"], tmp_path, lake)
    for name in ("payments", "quarantine_payments"):
        assert lake.read(name).to_pylist() == expected.read(name).to_pylist()
