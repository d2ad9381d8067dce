"""Keys of entities as bytes of LMDB: the same for a column of a million keys and for the key of one row."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import Any

from headrace.kernel.column import Column
from headrace.kernel.typing import Ints

_LONGEST = 480
"""LMDB takes keys of 511 bytes; four of ours are the number of the chunk."""
_LONGEST_TEXT = 250
_OFFSET = 1 << 63
_number = struct.Struct(">Q").pack


def encode(values: Sequence[Any]) -> bytes | None:
    r"""Return the bytes of an entity's key; None where a part is null.

    Whole numbers keep their order; texts have their length before them, so that no key is the beginning of another.
    Texts too long for LMDB are replaced by their SHA-256.

    Args:
        values: as the kernel holds them: int (also times, days, scaled decimals, booleans) or str.

    Example:
        >>> encode([7]).hex(), encode(["ab"]), encode([1, None])
        ('8000000000000007', b'\x02ab', None)
    """
    parts = []
    for value in values:
        if value is None:
            return None
        parts.append(_text(value) if isinstance(value, str) else _number(int(value) + _OFFSET))
    whole = b"".join(parts)
    return whole if len(whole) <= _LONGEST else b"\xfe" + hashlib.sha256(whole).digest()


def _text(value: str) -> bytes:
    raw = value.encode()
    return b"\xff" + hashlib.sha256(raw).digest() if len(raw) > _LONGEST_TEXT else bytes([len(raw)]) + raw


def encode_rows(columns: Sequence[Column], positions: Ints) -> list[bytes | None]:
    """Return the keys of some rows of columns."""
    parts = [_plain(column, positions) for column in columns]
    return [encode(values) for values in zip(*parts, strict=True)]


def _plain(column: Column, positions: Ints) -> list[Any]:
    values: list[Any] = column.values[positions].tolist()
    if column.dictionary is not None:
        texts = column.dictionary.to_pylist()
        values = [texts[code] if texts else "" for code in values]
    if column.valid is None:
        return values
    return [value if there else None for value, there in zip(values, column.valid[positions].tolist(), strict=True)]
