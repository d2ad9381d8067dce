"""Records: what was asked, known, computed and answered; packed in the journal, and as one flat row in the lake.

A packed record holds values and the name of its *context*, which says once what is the same for many: the service, its
model, the declarations, the fields of its rows and the names of its features. So a request pays for packing some
numbers; what makes a row of the lake of them is done later, beside the service.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import msgspec
import pyarrow as pa

from headrace.contracts.json import written
from headrace.declare import Service
from headrace.declare.kept import DECISIONS
from headrace.learn import Version
from headrace.plan.meaning import Plan
from headrace.serve.desk import Decided
from headrace.serve.fields import Row
from headrace.serve.pseudonyms import Pseudonym, Writing, in_json
from headrace.types import LogicalType, arrow_schema, type_of

SCHEMA = arrow_schema(DECISIONS)

_SAID = [name for name in SCHEMA.names if name != "checksum"]
_AS_HELD = ("int", "float", "bool", "str")

WITHOUT_STATE = '["rebuilding"]'
"""The situation of a record that has neither features nor a score."""
Record = dict[str, Any]
_CONTEXT, _RECORD = "c", "r"
_encode = msgspec.json.Encoder(enc_hook=in_json).encode
_pack, _unpack = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode
_BEGINS_CONTEXT = _pack([_CONTEXT, *range(6)])[:3]
"""By which a context is told without being unpacked: how long it is, and its first item."""


class Decider(Protocol):
    """What decides rows of a service, one by one or many at once."""

    @property
    def service(self) -> Service: ...

    @property
    def plan(self) -> Plan: ...

    @property
    def version(self) -> Version: ...

    @property
    def meaning(self) -> str: ...


@dataclass(frozen=True)
class Context:
    """What many records share.

    Args:
        service: name of the service.
        moment: which field of its rows is the event time.
        fields: of its rows, with types.
        features: names, in their order.
        constant: fields of a record that are the same in all.
        name: of the context.
        writing: what puts pseudonyms in the place of personal values, None where there are none.
    """

    service: str
    moment: str
    fields: Mapping[str, LogicalType]
    features: Sequence[str]
    constant: Mapping[str, Any]
    name: str
    writing: Writing | None = None

    @classmethod
    def of(cls, desk: Decider, declaration: str, writing: Writing | None = None) -> Context:
        """Return the context of what a desk answers, which was declared so."""
        spine = desk.service.model.cases.spine
        types = {name: one.type for name, one in spine.contract.fields().items()}
        features = [one.name for one in desk.plan.outputs]
        constant = {
            "model": desk.version.name,
            "model_version": desk.version.number,
            "model_digest": desk.version.digest,
            "declaration": declaration,
            "features_declaration": desk.meaning,
        }
        one = cls(desk.service.name, spine.event_time, types, features, constant, "", writing)
        return replace(one, name=hashlib.sha256(one.packed).hexdigest()[:16])

    @cached_property
    def packed(self) -> bytes:
        """It as it stands in the journal; each group of records has it at hand, and few have to write it."""
        fields = [(name, asdict(kind)) for name, kind in self.fields.items()]
        return _pack([_CONTEXT, self.name, self.service, self.moment, fields, self.features, self.constant])


def packed(context: Context, decided: Decided, now: int, latency_us: int, case: bytes | None) -> bytes:
    """Return the record of an answer as it stands in the journal; times in microseconds UTC."""
    writing = context.writing
    return _pack(
        [
            _RECORD,
            context.name,
            list(decided.row.values()) if writing is None else writing.row(decided.row),
            decided.values if writing is None else writing.values(decided.values),
            decided.score,
            decided.decision,
            decided.reasons if writing is None else writing.reasons(decided.reasons),
            decided.situation,
            decided.known,
            decided.horizon,
            now,
            latency_us,
            case,
        ]
    )


@dataclass(frozen=True)
class Kept:
    """A record that was read from the journal.

    Args:
        number: of it.
        context: of it.
        case: the name of the case that was decided, None where the rows have no key.
    """

    number: int
    context: Context
    case: bytes | None
    _said: Sequence[Any]

    @property
    def service(self) -> str:
        return self.context.service

    @property
    def decided_at(self) -> int:
        """When it was decided, microseconds UTC."""
        return int(self._said[10])

    def record(self, journal: str) -> Record:
        """Return it as a row of the lake; ``journal`` is the id of the one that it stands in."""
        _, _, row, features, score, decision, reasons, situation, known, horizon, now, latency_us, _ = self._said
        given = dict(zip(self.context.fields, row, strict=True))
        record: Record = {
            "record_id": f"{journal}-{self.number}",
            "at": given[self.context.moment],
            "_known_at": known,
            "horizon": _json(horizon),
            "request": request_of(given, self.context.fields),
            "features": _json(dict(zip(self.context.features, features, strict=True))),
            "score": score,
            "decision": decision,
            "reasons": _json(reasons),
            "situation": _json(situation),
            **self.context.constant,
            "decided_at": now,
            "latency_us": latency_us,
        }
        record["checksum"] = checksum(record)
        return record


def is_context(payload: bytes) -> bool:
    """Whether a frame of a journal says what records after it share, and is no record itself."""
    return payload.startswith(_BEGINS_CONTEXT)


def unpacked(frames: Iterable[tuple[int, bytes]], after: int = 0) -> Iterator[Kept]:
    """Yield the records of a journal's frames with numbers beyond ``after``."""
    contexts: dict[str, Context] = {}
    for number, payload in frames:
        if number <= after and not is_context(payload):
            continue
        said = _unpack(payload)
        if is_context(payload):
            _, name, service, moment, fields, features, constant = said
            kinds = {field: type_of(kind) for field, kind in fields}
            contexts[name] = Context(service, moment, kinds, features, constant, name)
        else:
            yield Kept(number, contexts[said[1]], said[-1], said)


def kept(number: int, context: Context, payload: bytes) -> Kept:
    """Return a record as the journal has it."""
    said = _unpack(payload)
    return Kept(number, context, said[-1], said)


def request_of(row: Row, fields: Mapping[str, LogicalType]) -> str:
    """Return a row as its record holds it."""
    said = {
        name: value if (value := row[name]) is None or kind.name in _AS_HELD else _written(value, kind)
        for name, kind in fields.items()
    }
    return _json(said)


def _written(value: Any, kind: LogicalType) -> Any:
    return value if isinstance(value, Pseudonym) else written(value, kind)


def checksum(record: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a record's other fields: an altered record is told from a wrong one."""
    return hashlib.sha256(_pack([record[name] for name in _SAID])).hexdigest()


def table(records: list[Record]) -> pa.Table:
    """Return records as rows of the lake."""
    columns = []
    for field in SCHEMA:
        values = [record[field.name] for record in records]
        kind = pa.int64() if pa.types.is_timestamp(field.type) else field.type
        columns.append(pa.array(values, kind).cast(field.type))
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def read(rows: pa.Table) -> list[Record]:
    """Undo ``table``."""
    columns = {}
    for name in SCHEMA.names:
        column = rows.column(name)
        columns[name] = (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _json(value: Any) -> str:
    return _encode(value).decode()
