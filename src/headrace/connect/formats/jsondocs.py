"""JSON documents: a list of objects, one object, or objects one after the other; read in bounded memory."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from itertools import islice

import pyarrow as pa

from headrace.connect.formats.documents import rows_of
from headrace.connect.formats.format import Format
from headrace.connect.formats.jsonlines import LONGEST, columns_of
from headrace.connect.formats.text import check_text
from headrace.connect.places import File
from headrace.declare import Contract
from headrace.errors import Fault, HeadraceError

_BLOCK = 1 << 20
_SAMPLE = 1000
_ROWS = 50_000
_SCAN = json.JSONDecoder(parse_float=str, parse_int=str).raw_decode


def _columns(file: File, contract: type[Contract]) -> pa.Schema:
    return columns_of(list(islice(texts_of(file), _SAMPLE)), contract)


def _batches(file: File, contract: type[Contract], batch_rows: int) -> Iterator[pa.Table]:
    names, texts = list(contract.fields()), texts_of(file)
    while some := list(islice(texts, min(batch_rows, _ROWS))):
        yield rows_of(some, contract, names)


def texts_of(file: File) -> Iterator[str]:
    """Yield the text of each object of a document."""
    window = _Window(file)
    if not window.begins():
        return
    listed = window.take_if("[")
    if listed and window.take_if("]"):
        return window.ends()
    while True:
        yield window.value()
        if listed and window.take_if("]"):
            return window.ends()
        if listed and not window.take_if(","):
            raise HeadraceError(_torn(file))
        if not listed and not window.begins():
            return


class _Window:
    """The part of a document that is being read; it grows until a value is whole."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._stream = file.stream()
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text, self._at, self._whole = "", 0, False

    def begins(self) -> bool:
        """Skip white space; return whether anything follows."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._text):
                return True
            if not self._grow():
                return False

    def take_if(self, mark: str) -> bool:
        """Take a mark, where it comes next."""
        found = self.begins() and self._text[self._at] == mark
        self._at += found
        return found

    def value(self) -> str:
        """Take the value that comes next, as it is written."""
        if not self.begins():
            raise HeadraceError(_torn(self._file))
        while True:
            try:
                _, end = _SCAN(self._text, self._at)
                if end < len(self._text) or not self._grow():  # of a number more digits may follow
                    break
            except (ValueError, RecursionError) as error:
                if not self._grow():
                    raise HeadraceError(_torn(self._file)) from error
        text, self._at = self._text[self._at : end], end
        return text

    def ends(self) -> None:
        if self.begins():
            raise HeadraceError(_torn(self._file))

    def _grow(self) -> bool:
        """Read on, at least as much again as there is, so that a long value is not scanned too often."""
        if self._whole:
            return False
        self._text, self._at = self._text[self._at :], 0
        if len(self._text) > LONGEST:
            raise HeadraceError(_torn(self._file))
        block = self._stream.read(max(_BLOCK, len(self._text)))
        self._whole = not block
        self._text += self._decoder.decode(block, final=self._whole)
        return True


def _torn(file: File) -> Fault:
    found, expected = "a document that is not JSON to its end", "a list of objects, or objects one after the other"
    return Fault("HR-SOURCE-002", file.name, found, expected, "export or copy the file again")


FORMATS = (Format("JSON", (".json",), _columns, _batches, check_text),)
