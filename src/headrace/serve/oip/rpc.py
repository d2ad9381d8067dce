"""The protocol over gRPC, beside that over HTTP: the same models, the same refusals, the same bits."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from headrace.errors import Fault, HeadraceError
from headrace.serve.oip.described import OUTPUT_TYPE, columns, index, metadata, scored, server
from headrace.serve.oip.faults import fault, no_request, wrong
from headrace.serve.oip.inputs import LARGEST, rows
from headrace.serve.oip.models import Models
from headrace.serve.oip.request import only_known
from headrace.serve.oip.rest import OURS
from headrace.serve.oip.tensors import HALVES, TEXT, Tensor, from_bytes, from_list

if TYPE_CHECKING:
    import grpc

Permits = Callable[[bytes | None, str], object]
"""Is told the authorization of a call and the scope that it needs, and raises where the one does not do for the other;
``headrace.serve.access.Guard.client`` is one."""
_THREADS, _CALLS = 4, 128
"""Calls that are answered at once, and that wait for it."""
_CONTENTS = (
    {
        "BOOL": "bool_contents",
        "FP32": "fp32_contents",
        "FP64": "fp64_contents",
        TEXT: "bytes_contents",
        "INT64": "int64_contents",
        "UINT64": "uint64_contents",
    }
    | dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents")
    | dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents")
)
_STATUS = {
    "HR-INFER-002": "NOT_FOUND",
    "HR-INFER-008": "RESOURCE_EXHAUSTED",
    "HR-ACCESS-001": "UNAUTHENTICATED",
    "HR-ACCESS-002": "PERMISSION_DENIED",
    "HR-LEARN-011": "UNAVAILABLE",
    "HR-LEARN-019": "UNAVAILABLE",
    "HR-LEARN-030": "UNAVAILABLE",
    "HR-LEARN-048": "UNAVAILABLE",
}
"""Every other fault is the call's: INVALID_ARGUMENT."""
_OPEN = ("ServerLive", "ServerReady")
_log = logging.getLogger("headrace.serve")


@contextlib.contextmanager
def serving(models: Models, host: str = "127.0.0.1", port: int = 0, permits: Permits | None = None) -> Iterator[str]:
    """Answer calls of ``inference.GRPCInferenceService`` for the length of a ``with`` block.

    Args:
        models: that can be asked.
        host: an address of this machine's loopback.
        port: 0 takes a free one.
        permits: where calls must have a token.

    Yields:
        The address, e.g. ``127.0.0.1:8471``.

    Raises:
        HeadraceError: HR-SERVE-004 for a port that cannot be had, 006 for another host; HR-INFER-009 without the extra
            ``grpc``.
    """
    address = _address(host)
    try:
        import grpc

        from headrace.serve.oip.messages import METHODS, SERVICE, made
    except ImportError as error:
        found, cure = f"no {error.name or 'grpcio'}", "pip install 'headrace[grpc]'"
        raise HeadraceError(Fault("HR-INFER-009", "", found, "grpcio and protobuf, for --grpc-port", cure)) from None
    options = [("grpc.max_receive_message_length", LARGEST), ("grpc.so_reuseport", 0)]
    options.append(("grpc.max_concurrent_streams", _CALLS))
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="headrace-grpc")
    one = grpc.server(pool, options=options, maximum_concurrent_rpcs=_CALLS)
    answers = Answers(models, made())
    handlers = {name: grpc.unary_unary_rpc_method_handler(_called(answers, name, permits)) for name in METHODS}
    one.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    try:
        taken = one.add_insecure_port(f"{address}:{port}")
    except RuntimeError:
        found = f"port {port}, which cannot be had for gRPC"
        cure = "name another one with --grpc-port"
        raise HeadraceError(Fault("HR-SERVE-004", "", found, "a free port", cure)) from None
    one.start()
    try:
        yield f"{address}:{taken}"
    finally:
        one.stop(grace=10).wait()
        pool.shutdown()


class Answers:
    """What each method answers.

    Args:
        models: that can be asked.
        messages: their classes by name.
    """

    def __init__(self, models: Models, messages: Mapping[str, Any]) -> None:
        self._models, self.messages = models, messages

    def server_live(self, _asked: Any) -> dict[str, Any]:
        return {"live": True}

    def server_ready(self, _asked: Any) -> dict[str, Any]:
        return {"ready": True}

    def model_ready(self, asked: Any) -> dict[str, Any]:
        try:
            self._models.load(asked.name, asked.version or None)
        except HeadraceError:
            return {"ready": False}
        return {"ready": True}

    def server_metadata(self, _asked: Any) -> dict[str, Any]:
        return server()

    def model_metadata(self, asked: Any) -> dict[str, Any]:
        return metadata(self._models, self._models.load(asked.name, asked.version or None))

    def repository_index(self, asked: Any) -> dict[str, Any]:
        return {"models": index(self._models, asked.ready)}

    def model_infer(self, asked: Any) -> dict[str, Any]:
        loaded = self._models.load(asked.model_name, asked.model_version or None)
        only_known(name for one in (asked, *asked.inputs, *asked.outputs) for name in one.parameters)
        wanted = columns(loaded, [one.name for one in asked.outputs])
        made = scored(loaded, wanted, rows(loaded.scorer, _tensors(asked)))
        raw = bool(asked.raw_input_contents)
        told: list[dict[str, Any]] = []
        for name, values in made.items():
            one = {"name": name, "datatype": OUTPUT_TYPE, "shape": [len(values)]}
            told.append(one if raw else one | {"contents": {"fp64_contents": values.tolist()}})
        about = {"model_name": loaded.version.name, "model_version": str(loaded.version.number), "id": asked.id}
        data = [values.astype("<f8").tobytes() for values in made.values()] if raw else []
        return about | {"outputs": told, "raw_output_contents": data}


def _tensors(asked: Any) -> list[Tensor]:
    """The tensors of a call, all as bytes or none."""
    raw = list(asked.raw_input_contents)
    if raw and len(raw) != len(asked.inputs):
        said, expected = f"{len(raw)} raw_input_contents", f"{len(asked.inputs)}, one for each input"
        raise HeadraceError(fault("HR-INFER-007", "request", said, expected))
    found, faults = list[Tensor](), list[Fault]()
    for at, one in enumerate(asked.inputs):
        try:
            found.append(_of_bytes(one, raw[at]) if raw else _of_contents(one))
        except HeadraceError as error:
            faults += error.faults
    if faults:
        raise HeadraceError(faults[:8])
    return found


def _of_bytes(one: Any, data: bytes) -> Tensor:
    if one.HasField("contents"):
        raise wrong("HR-INFER-007", one.name, "both contents and raw_input_contents", "one of them")
    return from_bytes(one.name, one.datatype, one.shape, data)


def _of_contents(one: Any) -> Tensor:
    if one.datatype in HALVES:
        cure = "send it in raw_input_contents, or as FP32"
        raise wrong("HR-INFER-004", one.name, f"{one.datatype} in contents, which have none", "another datatype", cure)
    field = _CONTENTS.get(one.datatype, "")
    others = [each.name for each, _ in one.contents.ListFields() if each.name != field]
    if field and others:
        raise wrong("HR-INFER-004", one.name, f"{others[0]} of a tensor of {one.datatype}", field)
    return from_list(one.name, one.datatype, one.shape, getattr(one.contents, field) if field else ())


def _called(answers: Answers, name: str, permits: Permits | None) -> Callable[[bytes, grpc.ServicerContext], bytes]:
    import grpc
    from google.protobuf.message import DecodeError

    takes, gives = answers.messages[f"{name}Request"], answers.messages[f"{name}Response"]
    answer = getattr(answers, "".join(f"_{one.lower()}" if one.isupper() else one for one in name)[1:])

    def called(content: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            if permits is not None and name not in _OPEN:
                said = dict(context.invocation_metadata()).get("authorization")
                permits(None if said is None else str(said).encode(), "infer")
            made: bytes = gives(**answer(takes.FromString(content))).SerializeToString()
            return made
        except DecodeError:
            code, told = "INVALID_ARGUMENT", str(no_request("bytes that are no message", f"{name}Request"))
        except HeadraceError as error:
            code = _STATUS.get(error.faults[0].code, "INVALID_ARGUMENT")
            told = " ".join(str(fault) for fault in error.faults)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            # neither the answer nor the log may hold what the call held
            _log.error("%s while answering %s", type(error).__name__, name)
            code, told = "INTERNAL", str(OURS)
        context.abort(grpc.StatusCode[code], told)
        raise AssertionError  # abort raises

    return called


def _address(host: str) -> str:
    address = "127.0.0.1" if host == "localhost" else host
    with contextlib.suppress(ValueError):
        local = ipaddress.ip_address(address)
        if local.is_loopback:
            return f"[{address}]" if local.version == 6 else address
    found = f"the address {host[:100]!r} for gRPC, which others could reach"
    cure = "leave out --host, or --grpc-port: beyond this machine there is HTTP, which knows tokens and TLS"
    raise HeadraceError(Fault("HR-SERVE-006", "", found, "loopback, e.g. 127.0.0.1", cure))
