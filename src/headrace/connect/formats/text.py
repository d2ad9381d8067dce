"""Files of text: they must be UTF-8 to their end before any row of them is taken."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from headrace.connect.places import File
from headrace.errors import Fault, HeadraceError

_BLOCK = 1 << 20


def check_text(file: File) -> None:
    """Read a file of text through.

    Raises:
        HeadraceError: HR-SOURCE-004 when it is not UTF-8.
    """
    for _ in blocks(file):
        pass


def check_quoted(file: File) -> None:
    """Read a file of text through; each quote that opens must close.

    Raises:
        HeadraceError: HR-SOURCE-004 when it is not UTF-8, 009 when a quote is never closed.
    """
    if sum(block.count(b'"') for block in blocks(file)) % 2:
        expected = "every quoted field closed, and quotes inside it doubled"
        raise HeadraceError(Fault("HR-SOURCE-009", file.name, "a quote that is never closed", expected, "close it"))


def blocks(file: File) -> Iterator[bytes]:
    """Yield the bytes of a file, told to be UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with file.stream() as stream:
        while block := stream.read(_BLOCK):
            _decode(decoder, block, file)
            yield block
        _decode(decoder, b"", file)


def _decode(decoder: codecs.IncrementalDecoder, block: bytes, file: File) -> None:
    try:
        # Of ASCII nothing has to be decoded, unless the block before ends within a letter.
        if not block.isascii() or not block or decoder.getstate()[0]:
            decoder.decode(block, final=not block)
        if b"\0" not in block:
            return
        found = "a byte of value 0, which no text has; UTF-16 is full of them"
    except UnicodeDecodeError:
        found = "bytes that are not text in UTF-8"
    raise HeadraceError(Fault("HR-SOURCE-004", file.name, found, "UTF-8, with or without BOM", "save it as UTF-8"))
