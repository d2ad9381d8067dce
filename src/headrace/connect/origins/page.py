"""One answer of an API: kept aside until it is whole, unpacked, and its rows taken out in bounded memory."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

import pyarrow as pa

from headrace.connect.formats.window import Window
from headrace.connect.origins.shape import Pairs, is_object
from headrace.contracts.written import Literal

IN_MEMORY = 16 << 20
"""Bytes of a page that are held in memory; more are kept in a file."""
LARGEST = 4 << 30
"""Bytes of a page, unpacked."""
_BLOCK = 1 << 20
_PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_DECODER = json.JSONDecoder(object_pairs_hook=Pairs, parse_float=Literal, parse_int=Literal, parse_constant=Literal)

Path = tuple[str, ...]


class NoPage(Exception):
    """An answer that is not what was asked for: what it is, and what was expected."""

    def __init__(self, found: str, expected: str, cure: str) -> None:
        super().__init__(found)
        self.found, self.expected, self.cure = found, expected, cure


class Torn(NoPage):
    """An answer that is not JSON to its end."""


def torn() -> Torn:
    """Return what is said of an answer that is not JSON to its end; never the answer itself."""
    return Torn("an answer that is not JSON to its end", "JSON", "ask for JSON: look at the address and at headers=")


@dataclass
class Page:
    """The rows of an answer, and what else it says.

    Args:
        rows: how many there are.
        digest: of the rows, by which a page that comes again is known.
        said: what the answer has at the paths that were asked for.
        texts: one row on each line, as it was written.
    """

    texts: IO[bytes]
    rows: int = 0
    digest: bytes = b""
    said: dict[Path, Any] = field(default_factory=dict)

    def objects(self) -> Iterator[Any]:
        """Yield the rows."""
        self.texts.seek(0)
        for line in self.texts:
            yield _DECODER.decode(line.decode())


def aside() -> IO[bytes]:
    """Return a file for what is being received: in memory until it is large."""
    return tempfile.SpooledTemporaryFile(IN_MEMORY)


def unpacked(body: IO[bytes]) -> IO[bytes]:
    """Return what a body holds; whether it is packed is seen in it, since not every server says so.

    Raises:
        NoPage: larger than 4 GB.
        Torn: cut off in the middle.
    """
    body.seek(0)
    kind = next((one for mark, one in _PACKED.items() if body.read(len(mark)) == mark or body.seek(0)), None)
    body.seek(0)
    if kind is None:
        return body
    plain = aside()
    try:
        with body, pa.CompressedInputStream(pa.PythonFile(body, mode="r"), kind) as stream:
            while block := stream.read(_BLOCK):
                plain.write(block)
                if plain.tell() > LARGEST:
                    raise too_large()
    except OSError as error:
        raise torn() from error
    return unpacked(plain)


def too_large() -> NoPage:
    """Return what is said of a page that nobody should ask for at once."""
    cure = "ask for fewer rows of a page, by a parameter such as params={'limit': '1000'}"
    return NoPage(f"a page of more than {LARGEST >> 30} GB", "pages that are smaller", cure)


def page_of(body: IO[bytes], rows: Path, wanted: tuple[Path, ...]) -> Page:
    """Return the page that a body holds, which is read once from its beginning.

    Args:
        body: of the answer, unpacked.
        rows: path of the list of rows; empty for a body that is a list, one object, or objects one after the other.
        wanted: paths of other things that are asked for.

    Raises:
        NoPage: no list of rows there.
        Torn: it is not JSON to its end.
    """
    body.seek(0)
    window = Window(body, torn, _DECODER.raw_decode)
    page, content = Page(aside()), hashlib.sha256()
    try:
        for text in _Reading(window, rows, wanted, page.said).texts():
            line = text.replace("\r", " ").replace("\n", " ").encode() + b"\n"  # a string of JSON holds neither
            page.texts.write(line)
            content.update(line)
            page.rows += 1
    except UnicodeError as error:
        raise NoPage("an answer that is not UTF-8", "JSON, which is UTF-8", "ask those who run the API") from error
    page.digest = content.digest()
    return page


class _Reading:
    def __init__(self, window: Window, rows: Path, wanted: tuple[Path, ...], said: dict[Path, Any]) -> None:
        self._window, self._rows, self._wanted, self._said = window, rows, wanted, said
        self._lists: list[str] = []
        self._found = False

    def texts(self) -> Iterator[str]:
        window = self._window
        if not window.begins():
            raise torn()
        if not self._rows and not window.next_is("["):
            yield from self._one_after_the_other()
            return
        yield from self._at(())
        window.ends()
        if not self._found:
            raise _no_rows(".".join(self._rows), self._lists)

    def _at(self, path: Path) -> Iterator[str]:
        if path == self._rows:
            self._found = True
            yield from self._list()
        elif self._leads_on(path) and self._window.take_if("{"):
            yield from self._object(path)
        else:
            if self._window.next_is("["):
                self._lists.append(".".join(path))
            value, _ = self._window.value()
            if path in self._wanted:
                self._said[path] = value

    def _leads_on(self, path: Path) -> bool:
        return any(len(one) > len(path) and one[: len(path)] == path for one in (self._rows, *self._wanted))

    def _object(self, path: Path) -> Iterator[str]:
        if self._window.take_if("}"):
            return
        while True:
            name, _ = self._window.value()
            if not isinstance(name, str):
                raise torn()
            self._window.take(":")
            yield from self._at((*path, name))
            if self._window.take_if("}"):
                return
            self._window.take(",")

    def _list(self) -> Iterator[str]:
        if not self._window.take_if("["):
            value, _ = self._window.value()
            if value is None:  # as some say that there is nothing
                return
            kind = "an object" if is_object(value) else "no list"
            raise _no_rows(".".join(self._rows), self._lists, kind)
        if self._window.take_if("]"):
            return
        while True:
            yield self._window.value()[1]
            if self._window.take_if("]"):
                return
            self._window.take(",")

    def _one_after_the_other(self) -> Iterator[str]:
        lists: list[str] = []
        while self._window.begins():
            value, text = self._window.value()
            if not is_object(value):
                raise _no_rows("", lists, "neither a list nor an object")
            lists += _lists(value)
            self._found = True
            yield text
        self._said.update({(): sorted(set(lists))})


def _lists(value: Pairs) -> list[str]:
    """Where an object has lists; where it has none, where objects in it have lists of objects."""
    own = [name for name, one in value if isinstance(one, list) and not isinstance(one, Pairs)]
    return own or [
        f"{outer}.{name}"
        for outer, within in value
        if is_object(within)
        for name, one in within
        if isinstance(one, list) and not isinstance(one, Pairs) and one and all(map(is_object, one))
    ]


def _no_rows(path: str, lists: list[str], kind: str = "nothing") -> NoPage:
    place = f"at {path!r} of the answer" if path else "as the answer"
    cure = f"rows={lists[0]!r}" if lists else "look at an answer, and say where its rows are: rows='data.items'"
    return NoPage(f"{kind} {place}", "a list of rows", cure)
