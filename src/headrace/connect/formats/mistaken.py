"""Errors in the cells of a workbook, such as ``#DIV/0!``, which the library that reads workbooks gives as empty."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator
from typing import IO, Any
from xml.etree import ElementTree

Errors = dict[tuple[int, int], str]
"""By row and column, from 0."""
_BOOK, _LINKS, _ODS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels", "content.xml"
_ANY_OF_XLSX = re.compile(rb"\bt\s*=\s*[\"']e[\"']")
_ANY_OF_ODS = re.compile(rb"value-type\s*=\s*[\"']error[\"']")
_PLACE = re.compile(r"([A-Z]+)(\d+)")
_ODS_CELLS = ("table-cell", "covered-table-cell")


def errors_of(content: bytes) -> Errors:
    """Return the errors in the first sheet of a workbook: of ``.xlsx`` and ``.ods``; the other kinds tell none.

    Raises:
        zipfile.BadZipFile, ElementTree.ParseError, KeyError: for a damaged workbook.
    """
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return {}
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        names = {one.lower().lstrip("/"): one for one in parts.namelist()}
        if _BOOK in names and (sheet := names.get(_first_sheet(parts, names))) is not None:
            return dict(_of_xlsx(parts, sheet))
        if _ODS in names:
            return dict(_of_ods(parts, names[_ODS]))
    return {}


def _first_sheet(parts: zipfile.ZipFile, names: dict[str, str]) -> str:
    link = ""
    for one in _elements(parts, names[_BOOK]):
        if _plain(one.tag) == "sheet":
            link = next(value for name, value in one.attrib.items() if _plain(name) == "id" and "}" in name)
            break
    for one in _elements(parts, names[_LINKS]):
        if one.get("Id") == link:
            return posixpath.normpath(posixpath.join("/xl", one.get("Target", ""))).lstrip("/").lower()
    return ""


def _of_xlsx(parts: zipfile.ZipFile, sheet: str) -> Iterator[tuple[tuple[int, int], str]]:
    with parts.open(sheet) as raw:
        if not _holds(raw, _ANY_OF_XLSX):
            return
    row = column = -1
    for event, one in _events(parts, sheet):
        tag = _plain(one.tag)
        if event == "start" and tag == "row":
            row, column = int(one.get("r", row + 2)) - 1, -1
        elif event == "start" and tag == "c":
            place = _PLACE.fullmatch(one.get("r", ""))
            column = _number(place[1]) if place else column + 1
        elif event == "end" and tag == "c" and one.get("t") == "e":
            yield (row, column), next((part.text or "" for part in one if _plain(part.tag) == "v"), "#N/A")
        if event == "end" and tag == "row":
            one.clear()


def _of_ods(parts: zipfile.ZipFile, sheet: str) -> Iterator[tuple[tuple[int, int], str]]:
    with parts.open(sheet) as raw:
        if not _holds(raw, _ANY_OF_ODS):
            return
    row = 0
    for event, one in _events(parts, sheet):
        tag = _plain(one.tag)
        if event == "end" and tag == "table":
            return
        if event == "end" and tag == "table-row":
            times = _times(one, "number-rows-repeated")
            for column, text in _mistaken(one):
                yield from (((number, column), text) for number in range(row, row + times))
            row += times
            one.clear()


def _mistaken(row: ElementTree.Element) -> list[tuple[int, str]]:
    found, column = [], 0
    for cell in (one for one in row if _plain(one.tag) in _ODS_CELLS):
        times = _times(cell, "number-columns-repeated")
        if any(_plain(name) == "value-type" and value == "error" for name, value in cell.attrib.items()):
            text = "".join(part for one in cell if _plain(one.tag) == "p" for part in one.itertext()) or "#N/A"
            found += [(column + number, text) for number in range(times)]
        column += times
    return found


def _times(one: ElementTree.Element, attribute: str) -> int:
    return next((int(value) for name, value in one.attrib.items() if _plain(name) == attribute), 1)


def _holds(raw: IO[bytes], pattern: re.Pattern[bytes]) -> bool:
    before = b""
    while block := raw.read(1 << 20):
        if pattern.search(before + block):
            return True
        before = block[-64:]
    return False


def _events(parts: zipfile.ZipFile, name: str) -> Iterator[tuple[str, Any]]:
    with parts.open(name) as raw:
        yield from ElementTree.iterparse(raw, ("start", "end"))  # noqa: S314 - expat itself refuses bombs


def _elements(parts: zipfile.ZipFile, name: str) -> Iterator[ElementTree.Element]:
    return (one for event, one in _events(parts, name) if event == "start")


def _plain(tag: str) -> str:
    return tag.rpartition("}")[2]


def _number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
