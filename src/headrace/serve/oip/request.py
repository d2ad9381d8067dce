"""Requests for inference over HTTP: JSON, and behind it the data of tensors that are sent as bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np

from headrace.contracts.json import Twice, parsed
from headrace.errors import Fault, HeadraceError
from headrace.serve.oip.inputs import LARGEST_JSON
from headrace.serve.oip.tensors import Tensor, from_bytes, from_json, wrong

JSON_LENGTH = b"inference-header-content-length"
"""The header that says how many bytes of a body are JSON, where data follows."""
_Parameters = dict[str, str | float | bool]
_SIZE = "binary_data_size"
_NOT_HERE = ("classification", "priority", "sequence_end", "sequence_id", "sequence_start", "shared_memory_region",
             "timeout")  # fmt: skip
"""Parameters of extensions that other servers have: to pass over them would be to answer another question."""


class _Input(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    shape: list[Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]]
    datatype: str
    parameters: _Parameters = {}
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Output(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    parameters: _Parameters = {}


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    inputs: list[_Input]
    id: str | msgspec.UnsetType = msgspec.UNSET
    model_name: str | msgspec.UnsetType = msgspec.UNSET  # which clients send, beside that of the path
    parameters: _Parameters = {}
    outputs: list[_Output] = []


_decode = msgspec.json.Decoder(_Request).decode


@dataclass(frozen=True)
class Inference:
    """A request for inference.

    Args:
        id: as given, None where none is.
        tensors: what is scored.
        outputs: the names of those that are asked for, none for all, each with whether it is wanted as bytes; None
            where that is not said.
        binary: whether others are wanted as bytes.
    """

    id: str | None
    tensors: tuple[Tensor, ...]
    outputs: Mapping[str, bool | None]
    binary: bool


def read(body: bytes, headers: Mapping[bytes, bytes], model: str) -> Inference:
    """Return a request.

    Args:
        body: JSON, and behind it data.
        headers: by name in lower case.
        model: its name in the path.

    Raises:
        HeadraceError: HR-INFER-001 for what is no request, 003 to 006 for tensors, 007 for data that does not fit, 008
            for too much JSON.
    """
    size = _json_size(headers.get(JSON_LENGTH), len(body))
    if size > LARGEST_JSON:
        cure = "send the tensors as binary data behind it, or several requests"
        raise HeadraceError(
            Fault("HR-INFER-008", "request", f"{size:,} bytes of JSON", f"at most {LARGEST_JSON:,}", cure)
        )
    text = body[:size] if size < len(body) else body
    asked = _parsed(text)
    _once(text, asked)
    if asked.model_name not in (msgspec.UNSET, model):
        raise _no_request("another model_name than in the path", f"{model[:64]!r}, or none")
    only_known(asked.parameters)
    only_known(name for one in asked.inputs for name in one.parameters)
    only_known(name for one in asked.outputs for name in one.parameters)
    tensors, at = [], size
    faults: list[Fault] = []
    for one in asked.inputs:
        count = _data_size(one)
        try:
            if count is None:
                assert isinstance(one.data, msgspec.Raw)
                tensors.append(from_json(one.name, one.datatype, one.shape, one.data))
            else:
                if count > len(body) - at:
                    expected = f"{count:,}, as {_SIZE} says"
                    raise wrong("HR-INFER-007", one.name, f"{len(body) - at:,} bytes of data", expected)
                tensors.append(from_bytes(one.name, one.datatype, one.shape, memoryview(body)[at : at + count]))
        except HeadraceError as error:
            faults += error.faults
        at += count or 0
    if at != len(body) and not faults:
        found = f"{len(body) - at:,} bytes behind the data of all tensors"
        raise HeadraceError(Fault("HR-INFER-007", "request", found, f"as many as the {_SIZE} of the tensors say"))
    if faults:
        raise HeadraceError(faults[:8])
    outputs = {one.name: _flag(one.parameters, "binary_data", None) for one in asked.outputs}
    if len(outputs) < len(asked.outputs):
        raise HeadraceError(Fault("HR-INFER-003", "outputs", "an output that is asked for twice", "each once"))
    given = None if isinstance(asked.id, msgspec.UnsetType) else asked.id
    return Inference(given, tuple(tensors), outputs, bool(_flag(asked.parameters, "binary_data_output", False)))


def _parsed(text: bytes) -> _Request:
    try:
        return _decode(text)
    except msgspec.ValidationError as error:
        raise _no_request(f"another document ({str(error)[:200]})", "an inference request of the protocol") from None
    except msgspec.DecodeError as error:
        cure = "send what a JSON library writes; NaN is none, null is"
        raise _no_request(f"what is not JSON ({str(error)[:80]})", "a JSON object", cure) from None
    except RecursionError:
        raise _no_request("brackets within brackets beyond measure", "lists at most two deep") from None
    except UnicodeDecodeError:
        raise _no_request("text that is not UTF-8", "JSON in UTF-8") from None


def _once(text: bytes, asked: _Request) -> None:
    """Refuse a key that is given twice: of two values a reader would take the one, and a guard before it the other.

    The data of tensors is left out, so that what is parsed again is small.
    """
    start = _address(text)
    parts, at = [], 0
    for one in asked.inputs:
        if isinstance(one.data, msgspec.Raw):
            begin = _address(one.data) - start
            parts += [text[at:begin], b"0"]
            at = begin + len(one.data)
    try:
        parsed(b"".join([*parts, text[at:]]).decode())
    except Twice as twice:
        raise _no_request(f"the key {twice.args[0][:64]!r} twice", "each once", "leave one of them out") from None
    except (ValueError, RecursionError):
        # what msgspec has read and the other parser does not: numbers of thousands of digits, depths
        raise _no_request("JSON that not every parser reads", "a JSON object that is plain") from None


def _address(held: Any) -> int:
    place: int = np.frombuffer(held, np.uint8).__array_interface__["data"][0]
    return place


def _json_size(said: bytes | None, whole: int) -> int:
    if said is None:
        return whole
    if not (said.isdigit() and len(said) < 12 and int(said) <= whole):
        expected = f"the number of bytes that are JSON, at most {whole:,}"
        raise HeadraceError(Fault("HR-INFER-007", JSON_LENGTH.decode(), "another value", expected))
    return int(said)


def _data_size(one: _Input) -> int | None:
    """How many bytes of data a tensor has behind the JSON, None where its data is in it."""
    size = one.parameters.get(_SIZE)
    if size is None and isinstance(one.data, msgspec.UnsetType):
        raise wrong("HR-INFER-007", one.name, "no data", f"data, or the parameter {_SIZE}")
    if size is None:
        return None
    if not isinstance(one.data, msgspec.UnsetType):
        raise wrong("HR-INFER-007", one.name, f"both data and {_SIZE}", "one of them")
    if isinstance(size, bool | str) or size != int(size) or size < 0:
        raise wrong("HR-INFER-007", one.name, f"a {_SIZE} that is no size", "a number of bytes")
    return int(size)


def _flag(parameters: _Parameters, name: str, otherwise: bool | None) -> bool | None:
    value = parameters.get(name, otherwise)
    if value is not None and not isinstance(value, bool):
        raise _no_request(f"the parameter {name} with another value", "true or false")
    return value


def only_known(parameters: Iterable[str]) -> None:
    """Refuse parameters of extensions that are not here.

    Raises:
        HeadraceError: HR-INFER-001.
    """
    for name in parameters:
        if name in _NOT_HERE:
            found = f"the parameter {name}, of an extension that is not here"
            raise _no_request(found, "extensions that the server names", "leave it out")


def _no_request(found: str, expected: str, cure: str = "") -> HeadraceError:
    return HeadraceError(Fault("HR-INFER-001", "request", found, expected, cure))
