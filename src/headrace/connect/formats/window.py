"""A document of JSON that is read value by value, of which only the part in hand is in memory."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from typing import Any, Protocol

from headrace.connect.formats.jsonlines import LONGEST

_BLOCK = 1 << 20
Scan = Callable[[str, int], tuple[Any, int]]
"""Reads the value that begins at a position of a text: returns it, and where it ends."""
PLAIN: Scan = json.JSONDecoder(parse_float=str, parse_int=str).raw_decode


class Stream(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes: ...


class Window:
    """The part of a document that is being read; it grows until a value is whole.

    Args:
        stream: of UTF-8.
        torn: makes the error that is raised where the document is no JSON, or a value is longer than 64 MB.
        scan: how values are read.
    """

    def __init__(self, stream: Stream, torn: Callable[[], Exception], scan: Scan = PLAIN) -> None:
        self._stream, self._torn, self._scan = stream, torn, scan
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

    def next_is(self, mark: str) -> bool:
        """Return whether a mark comes next."""
        return self.begins() and self._text[self._at] == mark

    def take_if(self, mark: str) -> bool:
        """Take a mark, where it comes next."""
        found = self.next_is(mark)
        self._at += found
        return found

    def take(self, mark: str) -> None:
        """Take a mark that has to come next."""
        if not self.take_if(mark):
            raise self._torn()

    def value(self) -> tuple[Any, str]:
        """Take the value that comes next: as it was read, and as it is written."""
        if not self.begins():
            raise self._torn()
        while True:
            try:
                found, end = self._scan(self._text, self._at)
                if end < len(self._text) or not self._grow():  # of a number more digits may follow
                    break
            except (ValueError, RecursionError) as error:
                if not self._grow():
                    raise self._torn() from error
        text, self._at = self._text[self._at : end], end
        return found, text

    def ends(self) -> None:
        """See to it that nothing follows."""
        if self.begins():
            raise self._torn()

    def _grow(self) -> bool:
        """Read on, at least as much again as there is, so that a long value is not scanned too often."""
        if self._whole:
            return False
        self._text, self._at = self._text[self._at :], 0
        if len(self._text) > LONGEST:
            raise self._torn()
        block = self._stream.read(max(_BLOCK, len(self._text)))
        self._whole = not block
        self._text += self._decoder.decode(block, final=self._whole)
        return True
