"""Decisions over HTTP: one row, or many at once as a JSON array, as lines, or as a stream of Arrow."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import msgspec

from headrace.errors import Fault, HeadraceError, nearest
from headrace.serve.answers import Give, as_it_is
from headrace.serve.message import Request, Response, Route, as_json
from headrace.serve.office import Office
from headrace.serve.wire.faults import many_rows
from headrace.serve.wire.refusal import INTERNAL, STATUS, refusal, refused

LARGEST = 16 << 20
"""Bytes of a request of many rows; each of them may be as long as one that comes alone."""
MANY = 20_000
"""Rows of a request."""
AT_ONCE = 64
"""Rows of a request that are handed in before others get their turn; twice as many wait for their answers."""
_MOST_VALUES = 64 * MANY
_UNDER_WAY = 5 * MANY
"""Rows of requests of many that wait for their answers, of all clients: what is answered to them is kept till then."""
ARROW = "application/vnd.apache.arrow.stream"
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
LINES = ("application/x-ndjson", "application/jsonl")
_TYPES = ("application/json", *LINES, ARROW)
_MOST_REASONS = 1000
_encode = msgspec.json.Encoder().encode

Answers = list[Any]
Kind = tuple[Sequence[bytes], Give, Callable[[Answers], Response]]
"""Rows of a request one by one, what is made of the answer to one, and of all of them."""


class _Rows:
    """How many rows of requests of many are under way."""

    def __init__(self) -> None:
        self._count = 0

    @contextlib.contextmanager
    def under_way(self, count: int) -> Iterator[None]:
        if self._count and self._count + count > _UNDER_WAY:
            cure = "wait as long as Retry-After says, then send it again"
            raise refused("HR-SERVE-014", "as many rows under way as there may be", "fewer at once", cure)
        self._count += count
        try:
            yield
        finally:
            self._count -= count


def routes(office: Office) -> list[Route]:
    """Return the route of decisions."""
    rows = _Rows()

    def decide(request: Request, name: str) -> Awaitable[Response]:
        kind = _type(request)
        explain, features = _parameters(request.query) if request.query else (0, False)
        body = request.body
        if kind == "application/json" and body.lstrip()[:1] != b"[":
            asked = partial(office.ask, name, body, explain, features, deadline=request.deadline, give=as_json)
            return _counted(office, name, asked)
        office.desk(name)
        return _all(office, name, kind, body, (explain, features, request.deadline), rows)

    return [Route("POST", "/services/{name}/decide", decide, "decide", LARGEST, "Decide one row, or many")]


async def _all(
    office: Office, name: str, kind: str, body: bytes, asked: tuple[int, bool, float | None], rows: _Rows
) -> Response:
    """Decide many rows; each has an answer in its place, or what is wrong with it."""
    bodies, give, answered = await asyncio.to_thread(_bodies, kind, body) if kind == ARROW else _bodies(kind, body)
    with rows.under_way(len(bodies)):
        return answered(await _each(office, name, bodies, asked, give))


async def _each(
    office: Office, name: str, bodies: Sequence[bytes], asked: tuple[int, bool, float | None], give: Give
) -> Answers:
    explain, features, deadline = asked
    outcomes, behind = list[Any](), list[asyncio.Future[Any]]()
    for at in range(0, len(bodies), AT_ONCE):
        mine = list[asyncio.Future[Any]]()
        for one in bodies[at : at + AT_ONCE]:
            try:
                ask = partial(office.ask, name, one, explain, features, deadline=deadline, give=give)
                mine.append(_counted(office, name, ask))
                outcomes.append(mine[-1])
            except Exception as error:  # noqa: BLE001 - the others may be on record by then, and get their answers
                outcomes.append(give(_told(error)))
        # the disk is at work for these while the next are read, and who asks for a single row does not wait for all
        await (asyncio.wait(behind) if behind else asyncio.sleep(0))
        behind = mine
    if behind:
        await asyncio.wait(behind)
    return [_outcome(one, give) if isinstance(one, asyncio.Future) else one for one in outcomes]


def _outcome(one: asyncio.Future[Any], give: Give) -> Any:
    error = one.exception()
    return one.result() if error is None else give(_told(error))


def _written(answer: dict[str, Any]) -> msgspec.Raw:
    """Write one of many answers as soon as it is there: that takes less memory, and nobody waits for all at the end."""
    return msgspec.Raw(_encode(answer))


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


def _bodies(kind: str, body: bytes) -> Kind:
    if kind == ARROW:
        from headrace.serve.arrow import rows_of

        return rows_of(body, MANY), as_it_is, _arrow
    if body.count(b"\n" if kind in LINES else b",") > _MOST_VALUES:  # to find out how many there are takes a second
        raise many_rows(f"more than {_MOST_VALUES:,} values", MANY)
    if kind in LINES:
        return _few([line for line in body.split(b"\n") if line.strip()]), _written, _lines
    return _few(items(body)), _written, _array


def items(body: bytes) -> list[bytes]:
    """Return the items of a JSON array as they were written.

    Raises:
        Declined: HR-REQUEST-002 for what is none.
    """
    try:
        return [bytes(one) for one in _items(body)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        cure = "send what a JSON library writes, in UTF-8"
        raise refused("HR-REQUEST-002", "what is not JSON", "a JSON array of rows", cure) from None


def _few(rows: Sequence[bytes]) -> Sequence[bytes]:
    if len(rows) > MANY:
        raise many_rows(f"{len(rows):,} rows", MANY)
    return rows


def _array(answers: Answers) -> Response:
    return Response(200, _encode(answers))


def _lines(answers: Answers) -> Response:
    return Response(200, b"".join(bytes(one) + b"\n" for one in answers), b"application/x-ndjson")


def _arrow(answers: Answers) -> Response:
    from headrace.serve.arrow import stream_of

    return Response(200, stream_of(answers), ARROW.encode())


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
