"""Bodies that were sent compressed."""

from __future__ import annotations

import zlib

from headrace.serve.wire.refusal import refused

CODINGS = (b"gzip", b"deflate")
_PIECE = 4_096
"""Bytes that are read at once: what follows a member is copied each time, and members can be as short as 20 bytes."""
_MEMBERS = 4_096
_WINDOWS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}


def known(coding: bytes) -> bool:
    """Whether a body in a coding can be read; several codings, one after another, are none."""
    return coding.strip().lower() in (*_WINDOWS, b"identity")


def unknown() -> Exception:
    """Return the refusal of a coding that is not known."""
    listed = " or ".join(one.decode() for one in CODINGS)
    return refused(
        "HR-WIRE-004", "a content-encoding that is not known", listed, "send it as it is, or in one of these"
    )


def decompressed(body: bytes, coding: bytes, largest: int) -> bytes:
    """Return a body as it was before it was compressed; no more of it is made than is allowed.

    Args:
        body: as sent.
        coding: of ``known``.
        largest: bytes of the outcome.

    Raises:
        HeadraceError: HR-REQUEST-001 where it would be larger, HR-WIRE-005 where it is not what the coding says.

    Example:
        >>> import gzip
        >>> decompressed(gzip.compress(b"{}"), b"gzip", 10)
        b'{}'
    """
    window = _WINDOWS.get(coding.strip().lower())
    if window is None:
        return body
    parts, size, at, members = list[bytes](), 0, 0, 0
    reader, view = zlib.decompressobj(window), memoryview(body)
    while at < len(view):
        if reader.eof:  # gzip allows for several members, one behind another
            reader, members = zlib.decompressobj(window), members + 1
            if members > _MEMBERS:
                raise _broken()
        piece = view[at : at + _PIECE]
        try:
            parts.append(reader.decompress(piece, largest - size + 1))
        except zlib.error:
            raise _broken() from None
        size += len(parts[-1])
        if size > largest:
            raise too_large(largest)
        at += len(piece) - len(reader.unused_data)
    if not reader.eof:
        raise _broken()
    return b"".join(parts)


def too_large(largest: int) -> Exception:
    """Return the refusal of a body that is too large."""
    cure = "send less at once; many events go to /events/STREAM, in several posts"
    return refused("HR-REQUEST-001", f"more than {largest:,} bytes", f"at most {largest:,}", cure)


def _broken() -> Exception:
    found, cure = "a body that is not what its content-encoding says", "send it as it is, without content-encoding"
    return refused("HR-WIRE-005", found, "a whole compressed body", cure)
