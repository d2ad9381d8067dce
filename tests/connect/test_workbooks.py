"""Workbooks: each cell as it was meant, whatever else stands in its column."""

from __future__ import annotations

import datetime
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest

import headrace as hr
from headrace.connect import ingest
from headrace.connect.survey import look
from headrace.declare import Contract, Field, contract_of
from headrace.lake import Lake
from headrace.types import FLOAT, INT, STR, Date, LogicalType, Timestamp

MIDNIGHT, EVENING = (datetime.datetime.fromisoformat(one) for one in ("2024-01-01", "2024-01-02T18:45"))
_CELL = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
_ERROR = (
    '<table:table-cell table:formula="of:=1/0" office:value-type="string" office:string-value="" '
    'calcext:value-type="error"><text:p>#DIV/0!</text:p></table:table-cell>'
)
_NAMES = "".join(
    f' xmlns:{one}="urn:oasis:names:tc:opendocument:xmlns:{one}:1.0"' for one in ("office", "table", "text")
)
_ODS = (
    f'<office:document-content{_NAMES} xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:'
    'calcext:1.0"><office:body><office:spreadsheet><table:table table:name="A"><table:table-row>'
    f"{_CELL.format('id')}{_CELL.format('v')}</table:table-row>"
    f'<table:table-row table:number-rows-repeated="2">{_CELL.format("1")}{_ERROR}</table:table-row>'
    "</table:table></office:spreadsheet></office:body></office:document-content>"
)


def sheet(path: Path, values: list[Any]) -> None:
    book = openpyxl.Workbook()
    book.active.append(["id", "v"])
    for number, value in enumerate(values):
        book.active.append([number, value])
    book.save(path)


def loaded(folder: Path, kind: LogicalType, name: str = "a.xlsx") -> tuple[list[Any], list[str]]:
    """The values that were taken of one type, and the reasons why others were not."""
    contract: type[Contract] = contract_of(
        "V", {"id": Field(type=INT), "v": Field(type=kind | None, zone="UTC" if kind.name == "timestamp" else "")}
    )
    lake = Lake(folder / "lake")
    report = ingest(hr.Stream("rows", contract, source=name), folder, lake)
    assert not report.faults
    assert report.received == report.accepted + report.quarantined
    reasons = [str(one["reasons"]) for one in lake.read("quarantine_rows").to_pylist()]
    return lake.read("rows")["v"].to_pylist(), reasons


def test_a_time_among_midnights_keeps_its_clock(tmp_path: Path) -> None:
    sheet(tmp_path / "a.xlsx", [MIDNIGHT] * 49 + [EVENING, None])
    values, reasons = loaded(tmp_path, Timestamp)
    utc = datetime.UTC
    assert values == [MIDNIGHT.replace(tzinfo=utc)] * 49 + [EVENING.replace(tzinfo=utc), None]
    assert reasons == []


def test_a_time_among_midnights_is_found_by_init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sheet(tmp_path / "a.xlsx", [MIDNIGHT] * 49 + [EVENING])
    sheet(tmp_path / "b.xlsx", [MIDNIGHT] * 50)
    monkeypatch.chdir(tmp_path)
    for name, kind in (("a.xlsx", Timestamp), ("b.xlsx", Date)):
        (found,) = look(name, tmp_path / "made", [], "made").found
        (guess,) = [one for one in found.fields if one.field.name == "v"]
        assert guess.field.type.name == kind.name


def test_a_time_where_a_day_is_promised_is_set_aside_as_in_a_file_of_text(tmp_path: Path) -> None:
    sheet(tmp_path / "a.xlsx", [MIDNIGHT, EVENING, None, MIDNIGHT])
    values, reasons = loaded(tmp_path, Date)
    assert values == [MIDNIGHT.date(), None, MIDNIGHT.date()]
    (tmp_path / "text").mkdir()
    (tmp_path / "text/a.csv").write_text("id,v\n1,2024-01-02T18:45:00\n")
    assert reasons == loaded(tmp_path / "text", Date, "a.csv")[1]


@pytest.mark.parametrize("kind", [FLOAT, INT, Timestamp, Date])
def test_an_error_in_a_cell_is_no_empty_cell(tmp_path: Path, kind: LogicalType) -> None:
    first = MIDNIGHT if kind in (Timestamp, Date) else 2
    sheet(tmp_path / "a.xlsx", [first, "#DIV/0!", None])
    values, reasons = loaded(tmp_path, kind)
    assert len(values) == 2
    assert values[1] is None
    assert len(reasons) == 1
    assert "#DIV/0!" in str(Lake(tmp_path / "lake").read("quarantine_rows").to_pylist())


def test_only_the_errors_of_the_first_sheet_count(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["id", "v"])
    book.active.append([1, 2.5])
    book.create_sheet("more").append([None, "#N/A"])
    book.move_sheet("more", -1)
    book.move_sheet("more", 1)
    book.save(tmp_path / "a.xlsx")
    assert loaded(tmp_path, FLOAT) == ([2.5], [])


def test_an_error_of_libreoffice_is_told_in_each_row_that_it_stands_for(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.ods", "w") as parts:
        parts.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        parts.writestr("content.xml", _ODS)
        parts.writestr("META-INF/manifest.xml", "<manifest/>")
    assert loaded(tmp_path, STR, "a.ods") == (["#DIV/0!", "#DIV/0!"], [])


def test_a_long_number_is_a_text_of_digits(tmp_path: Path) -> None:
    sheet(tmp_path / "a.xlsx", [12345678901234567, 123456789012345, 1.5, 4e300])
    first, *others = loaded(tmp_path, STR)[0]
    assert first.isdigit()
    assert float(first) == pytest.approx(12345678901234567, abs=100)
    assert others == ["123456789012345", "1.5", "4e+300"]


def test_a_number_that_no_whole_number_holds_is_set_aside(tmp_path: Path) -> None:
    sheet(tmp_path / "a.xlsx", [1, 4e300])
    values, reasons = loaded(tmp_path, INT)
    assert values == [1]
    assert len(reasons) == 1
