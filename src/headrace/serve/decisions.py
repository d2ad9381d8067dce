"""Decisions over HTTP: one row, or many at once as a JSON array, as lines, or as a stream of Arrow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import msgspec

from headrace.errors import Fault, HeadraceError, nearest
from headrace.serve.message import Request, Response, Route, as_json
from headrace.serve.office import Office
from headrace.serve.wire.refusal import INTERNAL, STATUS, refusal, refused

LARGEST = 16 << 20
"""Bytes of a request of many rows; each of them may be as long as one that comes alone."""
MANY = 20_000
"""Rows of a request."""
ARROW = "application/vnd.apache.arrow.stream"
LINES = ("application/x-ndjson", "application/jsonl")
_TYPES = ("application/json", *LINES, ARROW)
_MOST_REASONS = 1000
_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode

Answers = list[dict[str, Any]]


def routes(office: Office) -> list[Route]:
    """Return the route of decisions."""

    def decide(request: Request, name: str) -> Awaitable[Response]:
        kind = _type(request)
        explain, features = _parameters(request.query) if request.query else (0, False)
        body = request.body
        if kind == "application/json" and body.lstrip()[:1] != b"[":
            asked = partial(office.ask, name, body, explain, features, deadline=request.deadline, give=as_json)
            return _counted(office, name, asked)
        office.desk(name)
        bodies, answered = _bodies(kind, body)
        return _all(office, name, bodies, (explain, features, request.deadline), answered)

    return [Route("POST", "/services/{name}/decide", decide, "decide", LARGEST, "Decide one row, or many")]


async def _all(
    office: Office,
    name: str,
    bodies: Sequence[bytes],
    asked: tuple[int, bool, float | None],
    answered: Callable[[Answers], Response],
) -> Response:
    """Decide many rows; each has an answer in its place, or what is wrong with it."""
    explain, features, deadline = asked
    waiting: list[asyncio.Future[Any] | HeadraceError] = []
    for body in bodies:
        try:
            asked_for = partial(office.ask, name, body, explain, features, deadline=deadline)
            waiting.append(_counted(office, name, asked_for))
        except HeadraceError as error:
            waiting.append(error)
    found = await asyncio.gather(*(one for one in waiting if isinstance(one, asyncio.Future)), return_exceptions=True)
    outcomes = iter(found)
    each = [one if isinstance(one, HeadraceError) else next(outcomes) for one in waiting]
    return answered([_told(one) if isinstance(one, BaseException) else one for one in each])


def _counted(office: Office, name: str, ask: Callable[[], asyncio.Future[Any]]) -> asyncio.Future[Any]:
    """Ask, and count what is refused at once or later on."""
    try:
        answer = ask()
    except HeadraceError as error:
        _count(office, name, error)
        raise
    answer.add_done_callback(lambda done: _count(office, name, None if done.cancelled() else done.exception()))
    return answer


def _count(office: Office, name: str, error: BaseException | None) -> None:
    if error is not None:
        code = error.faults[0].code if isinstance(error, HeadraceError) else INTERNAL
        office.meters.refused(name, code, STATUS.get(code, 400))


def _told(error: BaseException) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.json.decode(refusal(error).body)
    return document


def _type(request: Request) -> str:
    """Refuse another content type: a page in a browser of this machine can post any but these without being asked."""
    given = request.headers.get(b"content-type")
    if given is None:
        return "application/json"
    kind = given.split(b";")[0].strip().lower().decode("latin-1")
    if kind not in _TYPES:
        cure = "send the header content-type: application/json"
        raise refused("HR-REQUEST-010", f"the content type {kind[:64]!r}", ", ".join(_TYPES), cure)
    return kind


def _bodies(kind: str, body: bytes) -> tuple[Sequence[bytes], Callable[[Answers], Response]]:
    """Return the rows of a request one by one, and what makes its answer of theirs."""
    if kind == ARROW:
        return _arrow_rows(body), _arrow
    if kind in LINES:
        return _few([line for line in body.split(b"\n") if line.strip()]), _lines
    try:
        rows = _rows(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        cure = "send what a JSON library writes, in UTF-8"
        raise refused("HR-REQUEST-002", "what is not JSON", "a JSON array of rows", cure) from None
    return _few([bytes(row) for row in rows]), _array


def _few(rows: Sequence[bytes]) -> Sequence[bytes]:
    if len(rows) > MANY:
        cure = "send them in several requests; a table is scored with 'headrace score'"
        raise refused("HR-REQUEST-001", f"{len(rows):,} rows", f"at most {MANY:,}", cure)
    return rows


def _arrow_rows(body: bytes) -> Sequence[bytes]:
    import pyarrow as pa

    try:
        with pa.ipc.open_stream(body) as stream:
            table = stream.read_all()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        found = f"what is no stream of Arrow ({type(error).__name__})"
        raise refused("HR-REQUEST-002", found, "the IPC stream format", "write it with pa.ipc.new_stream") from None
    _few(range(table.num_rows))  # type: ignore[arg-type]
    try:
        return [_encode(row) for row in table.to_pylist()]
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        found = f"a column whose values JSON does not have ({type(error).__name__})"
        cure = "send numbers, text, decimals, dates and times with a zone"
        raise refused("HR-REQUEST-002", found, "columns as the contract has them", cure) from None


def _array(answers: Answers) -> Response:
    return Response(200, _encode(answers))


def _lines(answers: Answers) -> Response:
    return Response(200, b"".join(_encode(one) + b"\n" for one in answers), b"application/x-ndjson")


def _arrow(answers: Answers) -> Response:
    """Return decisions as columns; what is wrong with a row is JSON in a column of its own."""
    import pyarrow as pa

    columns: dict[str, tuple[Any, pa.DataType]] = {
        name: ([one.get(name) for one in answers], kind)
        for name, kind in (("decision", pa.string()), ("score", pa.float64()), ("record_id", pa.string()))
    }
    columns["model_version"] = [one.get("model", {}).get("version") for one in answers], pa.int64()
    for name in ("reasons", "features", "errors"):
        values = [_encode(one[name]).decode() if name in one else None for one in answers]
        if name == "errors" or any(value is not None for value in values):
            columns[name] = values, pa.string()
    table = pa.table({name: pa.array(values, kind) for name, (values, kind) in columns.items()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return Response(200, sink.getvalue().to_pybytes(), ARROW.encode())


def _parameters(query: str) -> tuple[int, bool]:
    given = parse_qs(query, keep_blank_values=True)
    unknown = sorted(set(given) - {"explain", "features"})
    if unknown:
        cure = nearest(unknown[0][:64], ("explain", "features"))
        found = Fault("HR-REQUEST-007", "", f"the parameter {unknown[0][:64]!r}", "explain=N or features=1", cure)
        raise HeadraceError(found)
    explain, features = given.get("explain", ["0"])[-1], given.get("features", ["0"])[-1]
    if not (explain.isascii() and explain.isdigit() and len(explain) < 6 and int(explain) <= _MOST_REASONS):
        expected = f"a whole number from 0 to {_MOST_REASONS}"
        raise refused("HR-REQUEST-007", "explain= with another value", expected, "write explain=3")
    if features not in ("0", "1"):
        raise refused("HR-REQUEST-007", "features= with another value", "0 or 1", "write features=1")
    return int(explain), features == "1"
