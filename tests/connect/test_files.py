"""Files that are not as they should be: each is told by name, and the other files are loaded."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import headrace as hr
from headrace.connect import find_files, ingest, read_batches
from headrace.connect.places import local
from headrace.contracts import MALFORMED
from headrace.lake import Lake


class Payment(hr.Contract):
    payment_id: str = hr.key()
    amount: hr.Decimal(8, 2) = hr.field(ge=0)  # type: ignore[valid-type]


GOOD = "payment_id,amount\ng1,1.00\n"


def load(folder: Path, source: str = "data") -> tuple[Lake, list[str], list[str]]:
    """Return the lake, the ids that were accepted, and the faults as text."""
    lake = Lake(folder / "lake")
    report = ingest(hr.Table("payments", Payment, source=source), folder, lake)
    assert report.received == report.accepted + report.quarantined
    accepted = lake.read("payments")["payment_id"].to_pylist() if lake.exists("payments") else []
    return lake, accepted, [str(fault) for fault in report.faults]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "z-good.csv").write_text(GOOD)
    return folder


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        (
            "a.csv",
            b"payment_id,amount\np\xe4,1\n",
            "HR-SOURCE-004 data/a.csv: found bytes that are not text in UTF-8; expected",
        ),
        ("a.csv", GOOD.encode("utf-16"), "HR-SOURCE-004 data/a.csv: found bytes that are not text in UTF-8"),
        ("a.csv", b"", "HR-SOURCE-005 data/a.csv: found an empty file, without even a header"),
        ("a.csv", b'payment_id,amount\n"p1,1\np2,2\n', "HR-SOURCE-009 data/a.csv: found a quote that is never closed"),
        (
            "a.csv",
            b"payment,amount\np1,1\n",
            "HR-DATA-101 data/a.csv: found no column payment_id; expected every field",
        ),
        ("a.csv", b"payment_id;amount\np1;1\n", "HR-DATA-101 data/a.csv: found no column payment_id"),
        (
            "a.csv",
            b"payment_id,amount,payment_id\np1,1,2\n",
            "HR-DATA-105 data/a.csv: found the column payment_id twice",
        ),
        (
            "a.csv.gz",
            gzip.compress(GOOD.encode(), mtime=0)[:-9],
            "HR-SOURCE-002 data/a.csv.gz: found a file that cannot be read to its",
        ),
        ("a.csv.gz", b"no gzip", "HR-SOURCE-002 data/a.csv.gz: found a file that cannot be read to its end as CSV"),
        (
            "a.parquet",
            b"PAR1 and then nothing",
            "HR-SOURCE-002 data/a.parquet: found a file that cannot be read to its end as",
        ),
        ("a.parquet", b"", "HR-SOURCE-005 data/a.parquet: found an empty file"),
    ],
)
def test_fault_names_the_file_and_the_others_are_loaded(data: Path, name: str, content: bytes, fault: str) -> None:
    (data / name).write_bytes(content)
    _, accepted, faults = load(data.parent)
    assert accepted == ["g1"]
    assert len(faults) == 1 + (b";amount" in content)
    assert faults[0].startswith(fault)


def test_parquet_cut_short_or_damaged_inside(data: Path) -> None:
    table = pa.table({"payment_id": [f"p{n}" for n in range(5000)], "amount": np.arange(5000) * 1.0})
    pq.write_table(table, data / "a.parquet", row_group_size=500)
    whole = (data / "a.parquet").read_bytes()
    (data / "a.parquet").write_bytes(whole[:-500])
    (data / "b.parquet").write_bytes(whole[: len(whole) // 2] + b"\xff" * 200 + whole[len(whole) // 2 + 200 :])
    lake = Lake(data.parent / "lake")
    report = ingest(hr.Table("payments", Payment, source="data"), data.parent, lake, batch_rows=1000)
    assert [fault.place for fault in report.faults] == ["data/a.parquet", "data/b.parquet"]
    assert lake.read("payments")["payment_id"].to_pylist() == ["g1"]


def test_byte_order_mark_quotes_and_line_ends(data: Path) -> None:
    (data / "a.csv").write_bytes(b'\xef\xbb\xbf"payment_id",amount,note\r\n"p,1",1.5,"a ""b""\nc"\r\n\r\n"",2,\r\n')
    _, accepted, faults = load(data.parent)
    assert accepted == ["p,1", "", "g1"]
    assert len(faults) == 1
    assert faults[0].startswith("HR-DATA-102 data/a.csv: found the column note; expected the fields of Payment")


def test_lines_with_too_many_or_too_few_fields_are_quarantined_as_they_are(data: Path) -> None:
    (data / "z-good.csv").write_text("payment_id,amount\np1,1\np2\np3,3\np4,4,4\np5,5\n\np6\n")
    lake, accepted, _ = load(data.parent)
    assert accepted == ["p1", "p3", "p5"]
    held = lake.read("quarantine_payments").select(["_row", "reasons", "row"]).to_pylist()
    assert held == [
        {"_row": 2, "reasons": ["HR-DATA-013 line: has 1 field where the header has 2"], "row": '{"#line": "p2"}'},
        {"_row": 4, "reasons": ["HR-DATA-013 line: has 3 fields where the header has 2"], "row": '{"#line": "p4,4,4"}'},
        {"_row": 6, "reasons": ["HR-DATA-013 line: has 1 field where the header has 2"], "row": '{"#line": "p6"}'},
    ]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
@pytest.mark.parametrize("batch_rows", [1, 7, 1000])
def test_batches_hold_all_rows_in_order(tmp_path: Path, name: str, batch_rows: int) -> None:
    path = tmp_path / name
    ids = [f"p{n}" for n in range(50)]
    if name.endswith(".parquet"):
        pq.write_table(pa.table({"payment_id": ids, "amount": [1.0] * 50}), path)
    else:
        text = "payment_id,amount\n" + "".join(f"{one},1\n" for one in ids)
        path.write_bytes(gzip.compress(text.encode(), mtime=0) if name.endswith(".gz") else text.encode())
    batches = list(read_batches(local(path, tmp_path), Payment, batch_rows))
    assert max(batch.num_rows for batch in batches) == min(batch_rows, 50)
    assert [one for batch in batches for one in batch["payment_id"].to_pylist()] == ids


def test_malformed_lines_at_the_edges_of_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.connect.formats.delimited._BLOCK_BYTES", 64)
    odd = {1, 2, 3, 40, 41, 99, 100}
    lines = [f"p{n}" if n in odd else f"p{n},{n}" for n in range(1, 101)]
    (tmp_path / "a.csv").write_text("payment_id,amount\n" + "\n".join(lines) + "\n")
    received = []
    for batch in read_batches(local(tmp_path / "a.csv", tmp_path), Payment, 9):
        told = batch[MALFORMED].to_pylist() if MALFORMED in batch.column_names else [None] * batch.num_rows
        received += [
            one["text"] if one else key for one, key in zip(told, batch["payment_id"].to_pylist(), strict=True)
        ]
    assert received == [f"p{n}" for n in range(1, 101)]


def test_what_a_source_names(tmp_path: Path) -> None:
    for name in ("b.csv", "a.parquet", "sub/c.csv.gz", "notes.txt"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).touch()

    def names(source: str) -> list[str]:
        return [Path(file.name).name for file in find_files(tmp_path, source)]

    assert names("data") == ["a.parquet", "b.csv", "c.csv.gz"]
    assert names("data/*.csv") == ["b.csv"]
    assert names("data/b.csv") == ["b.csv"]
    assert names(f"{tmp_path}/data/*.parquet") == ["a.parquet"]
    with pytest.raises(
        hr.HeadraceError, match="HR-SOURCE-001 data/x\\*: found no file; expected a file, a folder or a glob"
    ):
        names("data/x*")
    with pytest.raises(hr.HeadraceError, match=r"HR-SOURCE-008 data/notes\.txt: found a file of an unknown kind"):
        next(read_batches(local(tmp_path / "data" / "notes.txt", tmp_path), Payment))


def test_endings_in_capitals_are_known_and_hidden_files_are_left(data: Path) -> None:
    (data / "A.CSV").write_text(GOOD.replace("g1", "g0"))
    (data / ".b.csv").write_text(GOOD.replace("g1", "g2"))
    (data / ".checkpoints").mkdir()
    (data / ".checkpoints" / "c.csv").write_text(GOOD.replace("g1", "g3"))
    with gzip.open(data / "D.CSV.GZ", "wt") as packed:
        packed.write(GOOD.replace("g1", "g4"))
    _, accepted, faults = load(data.parent)
    assert (sorted(accepted), faults) == (["g0", "g1", "g4"], [])


def test_a_byte_of_zero_is_told_as_one(data: Path) -> None:
    (data / "a.csv").write_bytes(GOOD.encode("utf-16-le"))
    _, _, faults = load(data.parent)
    assert "a byte of value 0" in faults[0]


def test_views_of_text_as_polars_writes_them_are_text(data: Path) -> None:
    import polars as pl

    rows = pl.DataFrame(
        {"payment_id": ["g1", "a rather long identifier", "g3", "g4"], "amount": ["1.00", "-1", "2.5", "2.555"]}
    )
    (data / "z-good.csv").unlink()
    rows.write_ipc(data / "a.arrow", compat_level=pl.CompatLevel.newest())
    lake, accepted, faults = load(data.parent)
    assert (accepted, faults, lake.rows("quarantine_payments")) == (["g1", "g3"], [], 2)


def test_a_glob_leaves_hidden_files_unless_it_spells_them(data: Path) -> None:
    (data / ".part").mkdir()
    for name in (".half.csv", ".part/a.csv", "~$z-good.csv"):
        (data / name).write_text(GOOD.replace("g1", "g2"))

    def names(source: str) -> list[str]:
        return [file.name for file in find_files(data.parent, source)]

    assert names("data/*.csv") == names("data/**/*.csv") == names("data/**") == names("data") == ["data/z-good.csv"]
    assert names("data/.*.csv") == ["data/.half.csv"]
    assert names(f"{data}/../data/*.csv")[0].endswith("data/z-good.csv")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blank_lines_before_the_header(data: Path, end: str) -> None:
    lines = ["", "", "payment_id,amount", "p1,1.00", "p2", "", "p3,3.00,x", "p4,4.00", ""]
    (data / "a.csv").write_bytes(end.join(lines).encode())
    lake, accepted, faults = load(data.parent)
    assert (accepted, faults) == (["p1", "p4", "g1"], [])
    assert lake.read("quarantine_payments")["_row"].to_pylist() == [2, 3]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_line_breaks_within_quotes_stay_whole_where_blocks_end(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Noted(hr.Contract):
        payment_id: str = hr.key()
        note: str

    monkeypatch.setattr("headrace.connect.formats.delimited._BLOCK_BYTES", 64)
    monkeypatch.setattr("headrace.connect.formats.delimited._LEAST_BYTES", 64)
    wanted = {f"r{number}": f"{'x' * (number % 23)}\r\nb\r\rc\n" for number in range(300)}
    text = "payment_id,note\r\n" + "".join(f'{key},"{note}"\r\n' for key, note in wanted.items())
    (tmp_path / name).write_bytes(gzip.compress(text.encode(), 1) if name.endswith("gz") else text.encode())
    found = pa.concat_tables(read_batches(local(tmp_path / name, tmp_path), Noted))
    assert dict(zip(found["payment_id"].to_pylist(), found["note"].to_pylist(), strict=True)) == wanted


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_a_row_that_no_parser_holds_is_told_as_long(data: Path, name: str) -> None:
    text = f"payment_id,amount\np1,1\n{'p' * (17 << 20)},2\n".encode()
    (data / name).write_bytes(gzip.compress(text, 1) if name.endswith("gz") else text)
    _, accepted, faults = load(data.parent)
    assert accepted == ["g1"]
    (fault,) = faults
    assert fault.startswith(f"HR-SOURCE-016 data/{name}: found a row of more than 4 MB")
