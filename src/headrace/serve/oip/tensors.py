"""Tensors: what the protocol's data types are, in JSON and in bytes; what is none of them is refused."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from headrace.errors import Fault, HeadraceError

TEXT = "BYTES"
_NUMBERS: dict[str, str] = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "BF16": "<u2",
    "FP32": "<f4",
    "FP64": "<f8",
}
"""NumPy's type of each, as it lies in bytes; of BF16 its upper half of FP32, which NumPy does not have."""
DATATYPES = (*_NUMBERS, TEXT)
HALVES = ("FP16", "BF16")
_SHOWN = 64

Values = npt.NDArray[Any] | list[str | None]


@dataclass(frozen=True)
class Tensor:
    """A tensor by name.

    Args:
        name: of it.
        datatype: one of ``DATATYPES``.
        shape: its dimensions.
        values: row by row, as many as the shape says; NaN and None for null.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Values


def wrong(code: str, name: str, found: str, expected: str, cure: str = "") -> HeadraceError:
    """Return the error that refuses a tensor; it tells no value."""
    return HeadraceError(Fault(code, f"tensor {name[:_SHOWN]!r}", found, expected, cure))


def checked(name: str, datatype: str, shape: Sequence[int]) -> int:
    """Return the number of elements of a tensor.

    Raises:
        HeadraceError: HR-INFER-004 for an unknown datatype, HR-INFER-005 for a shape that is none.
    """
    if datatype not in DATATYPES:
        found = f"the datatype {datatype[:_SHOWN]!r}"
        raise wrong("HR-INFER-004", name, found, ", ".join(DATATYPES), "write it in capitals, as the protocol does")
    if any(one < 0 for one in shape):
        raise wrong("HR-INFER-005", name, "a negative dimension", "the dimensions of the data that is sent")
    return math.prod(shape)


def from_json(name: str, datatype: str, shape: Sequence[int], data: msgspec.Raw) -> Tensor:
    """Return a tensor of JSON: a list as its shape is nested, or all elements in one list.

    Args:
        name, datatype, shape: as sent.
        data: the list; null is a null, of numbers that may have a fraction and of texts.

    Raises:
        HeadraceError: HR-INFER-004 to 006.
    """
    count, written = checked(name, datatype, shape), bytes(data).strip()
    if datatype in HALVES:
        cure = "send it as binary data, or as FP32"
        raise wrong("HR-INFER-004", name, f"{datatype} in JSON, which has no number like it", "another datatype", cure)
    if datatype != TEXT and written.count(b",") >= max(count, 1):  # before a list of millions is made
        raise _count(name, written.count(b",") + 1, count)
    nested = written[1:].lstrip().startswith(b"[")
    of = str | None if datatype == TEXT else bool if datatype == "BOOL" else int if "INT" in datatype else float | None
    try:
        given = msgspec.json.decode(written, type=list[list[of]] if nested else list[of])  # type: ignore[valid-type]
    except (ValueError, RecursionError) as error:
        said = str(error) if isinstance(error, msgspec.MsgspecError) else "text that is not UTF-8"
        raise wrong("HR-INFER-006", name, f"data that is no {datatype} ({said[:120]})", _meant(datatype)) from None
    return Tensor(name, datatype, tuple(shape), _values(name, datatype, shape, _flat(name, shape, given, nested)))


def from_bytes(name: str, datatype: str, shape: Sequence[int], data: bytes | memoryview) -> Tensor:
    """Return a tensor of bytes: little-endian, row by row, without anything between; texts with their length before.

    Raises:
        HeadraceError: HR-INFER-004 to 006.
    """
    count = checked(name, datatype, shape)
    if datatype == TEXT:
        return Tensor(name, datatype, tuple(shape), _texts(name, count, data))
    kind = np.dtype(_NUMBERS[datatype])
    if len(data) != count * kind.itemsize:
        found, expected = f"{len(data):,} bytes of data", f"{count * kind.itemsize:,}, as shape and datatype say"
        raise wrong("HR-INFER-005", name, found, expected)
    if datatype == "BOOL" and any(one > 1 for one in bytes(data)):
        raise wrong("HR-INFER-006", name, "a BOOL of another byte than 0 and 1", _meant(datatype))
    values: npt.NDArray[Any] = np.frombuffer(data, kind)
    if datatype == "BF16":
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return Tensor(name, datatype, tuple(shape), values)


def from_list(name: str, datatype: str, shape: Sequence[int], given: Sequence[Any]) -> Tensor:
    """Return a tensor of values that a message holds, row by row.

    Raises:
        HeadraceError: HR-INFER-004 to 006.
    """
    count = checked(name, datatype, shape)
    if len(given) != count:
        raise _count(name, len(given), count)
    if datatype == TEXT:
        return Tensor(name, datatype, tuple(shape), [_text(name, one) for one in given])
    return Tensor(name, datatype, tuple(shape), _values(name, datatype, shape, given))


def _flat(name: str, shape: Sequence[int], given: list[Any], nested: bool) -> list[Any]:
    if nested and (len(shape) != 2 or len(given) != shape[0] or any(len(one) != shape[1] for one in given)):
        expected = f"lists as {list(shape)} nests them, or all elements in one list"
        raise wrong("HR-INFER-005", name, "nested data of another shape", expected)
    elements = [one for row in given for one in row] if nested else given
    if len(elements) != math.prod(shape):
        raise _count(name, len(elements), math.prod(shape))
    return elements


def _values(name: str, datatype: str, shape: Sequence[int], given: Sequence[Any]) -> Values:
    if datatype == TEXT:
        return list(given)
    kind = np.dtype(_NUMBERS[datatype])
    if kind.kind in "iu" and len(given):
        bounds = np.iinfo(kind)
        if min(given) < bounds.min or max(given) > bounds.max:
            raise wrong("HR-INFER-006", name, f"a number beyond {datatype}", _meant(datatype))
    if kind.kind != "f":
        return np.array(given, kind)
    with np.errstate(over="ignore"):
        values = np.array(given, np.float64).astype(kind)  # None is NaN
    if np.isinf(values).any():
        raise wrong("HR-INFER-006", name, f"a number beyond {datatype}", _meant(datatype))
    return values


def _texts(name: str, count: int, data: bytes | memoryview) -> list[str | None]:
    texts: list[str | None] = []
    at, view = 0, memoryview(data)
    while at < len(view) and len(texts) < count:
        if len(view) - at < 4:
            break
        (size,) = struct.unpack_from("<I", view, at)
        if size > len(view) - at - 4:
            raise wrong("HR-INFER-005", name, "a text that is longer than the data", "4 bytes of length before each")
        texts.append(_text(name, view[at + 4 : at + 4 + size]))
        at += 4 + size
    if len(texts) != count or at != len(view):
        found = f"{len(view):,} bytes of data that hold {len(texts)} texts" + (" and more" if at != len(view) else "")
        raise wrong("HR-INFER-005", name, found, f"{count}, as its shape says, each with 4 bytes of length before it")
    return texts


def _text(name: str, held: bytes | memoryview) -> str:
    try:
        return bytes(held).decode()
    except UnicodeDecodeError:
        raise wrong("HR-INFER-006", name, "text that is not UTF-8", _meant(TEXT)) from None


def _count(name: str, found: int, expected: int) -> HeadraceError:
    return wrong("HR-INFER-005", name, f"{found:,} elements", f"{expected:,}, as its shape says")


def _meant(datatype: str) -> str:
    if datatype == TEXT:
        return "texts in UTF-8"
    if datatype == "BOOL":
        return "true and false"
    return f"numbers that {datatype} holds" + (", and null" if datatype.startswith("FP") else "")
