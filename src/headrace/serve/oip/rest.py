"""The protocol over HTTP: health, metadata and inference, and what clients of Triton ask for beside."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from headrace.errors import Fault, HeadraceError
from headrace.serve.message import Answer, Request, Response, Route, as_json
from headrace.serve.oip.described import OUTPUT_TYPE, columns, config, index, metadata, scored, server
from headrace.serve.oip.inputs import LARGEST, rows
from headrace.serve.oip.models import Loaded, Models
from headrace.serve.oip.request import JSON_LENGTH, Inference, read

_BYTES = b"application/octet-stream"
_KINDS = (b"", b"application/json", _BYTES)
_SHORT, _FEW_TOGETHER, _FEW_ALONE = 16_384, 256, 16
"""Bytes of a body, and rows, that are answered at once; more are scored beside the loop."""
_STATUS = {
    "HR-INFER-002": 404,
    "HR-INFER-008": 413,
    "HR-REQUEST-010": 415,
    "HR-LEARN-011": 503,
    "HR-LEARN-019": 503,
    "HR-LEARN-030": 503,
    "HR-LEARN-048": 503,
}
_log = logging.getLogger("headrace.serve")


@dataclass(frozen=True)
class _Work:
    """What is left to do of a request: its rows are scored, and the columns that it asks for are told."""

    loaded: Loaded
    asked: Inference
    columns: Mapping[str, int]
    x: npt.NDArray[np.float32]


def routes(models: Models) -> list[Route]:
    """Return the routes of the protocol, ``/v2`` and below.

    Whatever is wrong with a request is told as ``{"error": "..."}``: with status 404 for a model or version that is not
    there, 413 for too many rows, 415 for another content type, 503 for what cannot be loaded now, else 400.
    """

    def route(method: str, pattern: str, answer: Callable[..., Answer], tells: str, scope: str = "infer") -> Route:
        return Route(method, pattern, _told(answer), scope, LARGEST if pattern.endswith("infer") else _SHORT, tells)

    def live(_request: Request) -> Answer:
        return as_json({"live": True})

    def ready(_request: Request) -> Answer:
        return as_json({"live": True, "ready": True})  # a service without its models does not start

    def about(_request: Request) -> Answer:
        return as_json(server())

    def model_ready(_request: Request, name: str, number: str | None = None) -> Answer:
        return _with(models, name, number, lambda _: as_json({"name": name, "ready": True}))

    def model(_request: Request, name: str, number: str | None = None) -> Answer:
        return _apart(models, lambda: as_json(metadata(models, models.load(name, number))))

    def model_config(_request: Request, name: str, number: str | None = None) -> Answer:
        return _with(models, name, number, lambda one: as_json(config(one)))

    def infer(request: Request, name: str, number: str | None = None) -> Answer:
        _kind(request)
        loaded = models.at_hand(name, number)
        if loaded is None or len(request.body) > _SHORT:
            return _apart(models, lambda: _response(_read(models.load(name, number), request)))
        work = _read(loaded, request)
        if len(work.x) > (_FEW_TOGETHER if loaded.scorer.alike else _FEW_ALONE):
            return _apart(models, lambda: _response(work))
        return _response(work)

    def repository(request: Request) -> Answer:
        only = _only_ready(request.body)
        return _apart(models, lambda: as_json(index(models, only)))

    both = ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")
    return [
        route("GET", "/v2", about, "The server and the extensions that it has"),
        route("GET", "/v2/health/live", live, "Whether the server is there", ""),
        route("GET", "/v2/health/ready", ready, "Whether all models are ready", ""),
        *(route("GET", one, model, "A model's inputs and outputs") for one in both),
        *(route("GET", f"{one}/config", model_config, "A model's configuration, as Triton writes it") for one in both),
        *(route("GET", f"{one}/ready", model_ready, "Whether a model is ready") for one in both),
        *(route("POST", f"{one}/infer", infer, "Scores of rows of features") for one in both),
        route("POST", "/v2/repository/index", repository, "The versions of all models"),
    ]


def _read(loaded: Loaded, request: Request) -> _Work:
    asked = read(request.body, request.headers, loaded.version.name)
    return _Work(loaded, asked, columns(loaded, list(asked.outputs)), rows(loaded.scorer, asked.tensors))


def _response(work: _Work) -> Response:
    loaded, asked = work.loaded, work.asked
    told, data = [], []
    for name, values in scored(loaded, work.columns, work.x).items():
        one: dict[str, Any] = {"name": name, "datatype": OUTPUT_TYPE, "shape": [len(values)]}
        said = asked.outputs.get(name)
        if asked.binary if said is None else said:
            data.append(values.astype("<f8").tobytes())
            one["parameters"] = {"binary_data_size": len(data[-1])}
        else:
            one["data"] = values.tolist()
        told.append(one)
    document: dict[str, Any] = {"model_name": loaded.version.name, "model_version": str(loaded.version.number)}
    if asked.id is not None:
        document["id"] = asked.id
    text = msgspec.json.encode(document | {"outputs": told})
    if not data:
        return Response(200, text)
    return Response(200, b"".join([text, *data]), _BYTES, ((JSON_LENGTH, b"%d" % len(text)),))


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    ready: bool = False
    repository_name: str = ""


def _only_ready(body: bytes) -> bool:
    try:
        return msgspec.json.decode(body or b"{}", type=_Asked).ready
    except (ValueError, RecursionError) as error:
        said = str(error)[:200] if isinstance(error, msgspec.MsgspecError) else "not JSON"
        expected = 'a JSON object, e.g. {"ready": true}'
        raise HeadraceError(Fault("HR-INFER-001", "request", f"another document ({said})", expected)) from None


def _with(models: Models, name: str, number: str | None, answer: Callable[[Loaded], Response]) -> Answer:
    """Answer of a version, at once where it is loaded."""
    loaded = models.at_hand(name, number)
    return _apart(models, lambda: answer(models.load(name, number))) if loaded is None else answer(loaded)


def _apart(models: Models, work: Callable[[], Response]) -> Answer:
    """Answer what takes a while, beside the loop."""

    def done() -> Response:
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            return _refusal(error)

    return models.apart(done)


def _kind(request: Request) -> None:
    """Refuse what a page in a browser could send without being asked: neither of these two kinds is among it."""
    kind = request.headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if kind not in _KINDS:
        found, expected = f"the content type {kind.decode('latin-1')[:64]!r}", "application/json"
        cure = "send the header content-type: application/json, or application/octet-stream with data behind the JSON"
        raise HeadraceError(Fault("HR-REQUEST-010", "request", found, expected, cure))


def _told(answer: Callable[..., Answer]) -> Callable[..., Answer]:
    """Return a route's answer that refuses as the protocol does."""

    @functools.wraps(answer)
    def told(request: Request, *parts: str) -> Answer:
        try:
            return answer(request, *parts)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            return _refusal(error)

    return told


def _refusal(error: Exception) -> Response:
    if not isinstance(error, HeadraceError):
        # neither the answer nor the log may hold what the request held
        _log.error("%s while answering v2", type(error).__name__)
        fault = Fault(
            "HR-INTERNAL", "", "a fault of the service itself", "an answer", "report it; its log names the kind"
        )
        return as_json({"error": str(fault)}, 500)
    status = _STATUS.get(error.faults[0].code, 400)
    headers = ((b"retry-after", b"1"),) if status == 503 else ()
    return as_json({"error": " ".join(str(fault) for fault in error.faults)}, status, headers)
