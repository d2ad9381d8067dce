"""From a sample and a catalogue to a stream or table: types, key, event time, bounds, and notes to correct them by."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.connect.survey.called import under_fields
from headrace.connect.survey.checks import bounds_of
from headrace.connect.survey.found import Found, Guess, Known, Sample
from headrace.connect.survey.kinds import CODES, has_offset, kind_of, of_type
from headrace.contracts import MALFORMED, read_column, readable
from headrace.declare import Field
from headrace.declare.fields import OF_THE_LAKE, is_column, is_inner
from headrace.types import STR, Date, LogicalType, Timestamp, list_of, value_as

_CHANGED = re.compile(r"updat|(^|_)upd($|_)|modif|chang|edited|last_|refreshed|synced", re.I)
_NOT_WHEN = re.compile(
    r"updat|modif|chang|delet|valid|expir|due|birth|until|end|closed|cancel|scheduled|expected", re.I
)
_WHEN = ("at", "event_time", "event_at", "occurred_at", "happened_at", "timestamp", "ts", "time", "created_at",
         "created", "inserted_at", "ordered_at", "booked_at", "paid_at")  # fmt: skip
_PERSON = re.compile(
    r"e?mail|phone|mobile|(first|last|full|sur|family|given|middle)_?name|^name$|street|address|iban|passport|ssn"
    r"|tax_?id|birth|\bdob\b|card_?num|\bip\b|ip_addr|licen[cs]e_?(no|num|plate)",
    re.IGNORECASE,
)
_WHO = re.compile(
    r"^(customer|user|person|client|patient|member|employee|account|subscriber|contact)_?(id|no|number|key)$",
    re.IGNORECASE,
)
_PERSONAL = ((_PERSON, "personal"), (_WHO, "pseudonym"))
_UNSIGNED = re.compile(r"bigint.*unsigned|ubigint|u?hugeint", re.IGNORECASE)
_ID = re.compile(r"(^|_)(id|no|nr|key|code|uuid|guid|number)$", re.I)
_KEY = re.compile(r"(^|_)(id|uuid|guid|key|number|no)$", re.I)
_FEW, _EACH = 12, 20
"""A set has few members, and each is in so many rows on average that others are unlikely."""


def guessed(sample: Sample, address: str, table: str, others: frozenset[str]) -> Found:
    """Return the stream or table that a sample is taken to be.

    Args:
        sample: rows, and what a catalogue knows.
        address: as it is declared.
        table: as it is declared, or empty.
        others: tables that some table refers to.
    """
    sample = under_fields(sample)
    fields, reasons = _looked_at(sample)
    key = _key(sample, fields)
    for name in key:
        fields[name] = replace(fields[name], field=_as_key(fields[name].field))
    times = [name for name, one in fields.items() if one.field.type == Timestamp]
    when = [name for name in times if not _NOT_WHEN.search(name)] or []
    event_time = next((name for name in _WHEN if name in when), when[0] if when else "")
    changed = next(
        (
            name
            for name, one in fields.items()
            if one.field.type.bare == Timestamp and (_CHANGED.search(name) or _known(sample, name).changes)
        ),
        "",
    )
    stream = bool(event_time and key and not changed and sample.name not in others)
    notes = list(_notes(sample, key, times, event_time if stream else "", changed, sample.name in others))
    if stream:
        rest = [one for one in times if one != event_time]
        told = (f"event time guessed; other times: {', '.join(rest)}",) if rest else ()
        moment = fields[event_time]
        fields[event_time] = Guess(replace(moment.field, role="event_time"), (*moment.notes, *told))
    cursor = _cursor(sample, fields, key, event_time if stream else "", changed)
    return Found(
        name=sample.name,
        stream=stream,
        doc=sample.catalogue.comment or f"One row of {table or sample.name}.",
        fields=tuple(fields.values()),
        left_out=tuple(f"{sample.column(name)}: {why}" for name, why in reasons.items()),
        notes=tuple(notes),
        rows=sample.rows.num_rows,
        whole=sample.whole,
        address=address,
        table=table,
        cursor=sample.column(cursor) if sample.catalogue.dialect else "",
        columns={name: column for name, column in sample.columns.items() if name in fields},
    )


def _looked_at(sample: Sample, *, within: bool = False) -> tuple[dict[str, Guess], dict[str, str]]:
    """Return the fields that columns are taken to be, and why no contract can have the others."""
    fields: dict[str, Guess] = {}
    reasons: dict[str, str] = {}
    for name in sample.rows.column_names:
        if name == MALFORMED:
            continue
        if not (why := _not_held(sample, name, is_inner if within else is_column)):
            fields[name] = _field(sample, name)
            why = _not_taken(sample, fields[name].field)
        if why:
            fields.pop(name, None)
            reasons[name] = why
    return fields, reasons


def _not_held(sample: Sample, name: str, may_be: Callable[[str], bool]) -> str:
    """Why no contract can have a column, whatever it is taken for, or nothing."""
    if not may_be(name) or name.lower() in OF_THE_LAKE:
        return "no column of the lake can be called that"
    names = sample.rows.column_names
    if any(one.lower() == name.lower() for one in names[: names.index(name)]):
        return "another column is called that but for its capitals"
    if name in sample.mixed:
        return "values of several types, or objects without a name that a field can have"
    present = sample.rows.num_rows - sample.rows[name].null_count
    if present and _off_the_calendar(sample, name) == present:
        return f"{_known(sample, name).declared or 'times'}, and none of {present:,} values is of the calendar"
    return ""


def _not_taken(sample: Sample, field: Field) -> str:
    """Why the field that a column is taken for takes none of its values, or nothing."""
    if field.name in sample.within:
        return "" if field.inner else "objects without a name that a column can have"
    values = sample.rows[field.name]
    if of_type(values.type) is None or not readable(field, sample.kinds.get(field.name, values.type)):
        return f"{values.type}, which no contract takes from there"
    (bad, why), present = _refused(field, values), len(values) - values.null_count
    return f"{values.type}, and each of {present:,} values {why}" if present and bad == present else ""


def _refused(field: Field, values: pa.ChunkedArray) -> tuple[int, str]:
    """How many values no field of this type takes, and what is wrong with the first sort of them."""
    if not len(values) or field.type.nested or not readable(field, values.type):
        return 0, ""
    problems = read_column(field, values.combine_chunks())[1]
    return len({row for one in problems for row in one.rows.tolist()}), problems[0].text if problems else ""


def _known(sample: Sample, name: str) -> Known:
    return sample.catalogue.columns.get(name, Known())


def _nested(sample: Sample, name: str) -> Guess:
    """A contract within, of the objects that were seen; what some of them lack may be null."""
    within, values = sample.within[name], sample.rows[name]
    inner, left_out = _looked_at(within, within=True)
    kind = LogicalType("struct", fields=tuple((one, guess.field.type) for one, guess in inner.items()))
    kind = list_of(kind) if name in sample.listed else kind
    notes = [f"{one}: {note}" for one, guess in inner.items() for note in guess.notes]
    notes += [f"left out, {one}: {why}" for one, why in left_out.items()]
    made = Field(name=name, type=kind | None if values.null_count else kind)
    return Guess(replace(made, inner=tuple(guess.field for guess in inner.values())), tuple(notes))


def _field(sample: Sample, name: str) -> Guess:
    if name in sample.within:
        return _nested(sample, name)
    values, known = sample.rows[name], _known(sample, name)
    told = sample.kinds.get(name, values.type)
    kind = kind_of(name, values, told, known.declared, loose=name in sample.loose, timed=sample.timed)
    notes: list[str] = []
    zone = ""
    if kind == Timestamp and not (pa.types.is_timestamp(told) and told.tz is not None) and not has_offset(values):
        zone = "UTC"
        notes.append("times without a zone: UTC is a guess")
    bad = _off_the_calendar(sample, name)
    if bad:
        notes.append(f"{bad:,} of {len(values) - values.null_count:,} values are not of the calendar: quarantined")
    empty = values.null_count == len(values)
    by_catalogue = bool(sample.catalogue.columns) and known.nullable
    if by_catalogue and not values.null_count and len(values) and name not in sample.catalogue.key:
        notes.append(f"may be null by the catalogue, never so in {len(values):,} rows")
    if empty and len(values):
        notes.append(f"null in all {len(values):,} rows: the type is a guess")
    if values.null_count or empty or (by_catalogue and not sample.whole):
        kind = kind | None
    made = Field(name=name, type=kind, zone=zone, description=known.comment)
    if name in sample.lacking:
        made = replace(made, type=kind | None, default=None)
    if not bad and (several := _refused(made, values))[0]:
        notes.append(f"{several[0]:,} of {len(values) - values.null_count:,} values: {several[1]}, quarantined")
    bounded, more = _bounded(sample, made, values, known)
    return Guess(bounded, (*notes, *more, *_of_meaning(name, known)))


def _off_the_calendar(sample: Sample, name: str) -> int:
    """How many values of a column of days or times are none: those of MySQL may be ``0000-00-00``."""
    values, told = sample.rows[name].drop_null(), sample.kinds.get(name)
    if told is None or not pa.types.is_temporal(told) or not pa.types.is_string(values.type):
        return 0
    field = Field(type=Date) if pa.types.is_date(told) else Field(type=Timestamp, zone="UTC")
    return int(read_column(field, values.combine_chunks())[0].null_count) if len(values) else 0


def _of_meaning(name: str, known: Known) -> Iterator[str]:
    if known.refers:
        yield f"refers to {known.refers}"
    for form, tag in _PERSONAL:
        if form.search(name):
            subject = ", subject=True" if tag == "pseudonym" else ""
            yield f'by its name of a person? then privacy="{tag}"{subject}'
            return


def _bounded(sample: Sample, made: Field, values: pa.ChunkedArray, known: Known) -> tuple[Field, list[str]]:
    checked = bounds_of(sample.catalogue.checks, sample.catalogue.dialect).get(sample.column(made.name), {})
    if known.values:
        checked.setdefault("isin", known.values)
    checked = {name: value for name, value in checked.items() if _fits(made, name, value)}
    notes = ["bounds of the database's own checks"] if checked and not known.values else []
    if made.type.numeric and not _ID.search(made.name):
        low, high = _ends(values, made)
        if low is not None:
            if low >= 0 and not checked.keys() & {"ge", "gt"}:
                checked["ge"] = 0
            notes.append(f"{low:,} to {high:,} in {len(values):,} rows")
    elif made.type.bare == STR and "isin" not in checked and not any(form.search(made.name) for form, _ in _PERSONAL):
        members = _few(values)
        if members and not (_ID.search(made.name) or CODES.search(made.name)):
            checked["isin"] = members
            notes.append(f"all {len(members)} values of {len(values):,} rows: is that all there can be?")
    return replace(made, **checked), notes


def _fits(made: Field, bound: str, value: Any) -> bool:
    if bound != "isin" and made.type.bare.name in ("str", "bool", "list"):
        return False
    try:
        for one in value if bound == "isin" else (value,):
            value_as(one, made.type.bare)
    except ValueError:
        return False
    return True


def _ends(values: pa.ChunkedArray, made: Field) -> tuple[Any, Any]:
    kind = pa.decimal256(76, 30) if made.type.bare.name == "decimal" else made.type.bare.arrow()
    try:
        ends = pc.min_max(pc.cast(values.drop_null(), kind)).as_py()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None, None
    if ends["min"] is None or made.type.bare.name != "decimal":
        return ends["min"], ends["max"]
    return tuple(round(one, made.type.scale) for one in (ends["min"], ends["max"]))


def _few(values: pa.ChunkedArray) -> tuple[str, ...]:
    present = values.drop_null()
    if len(present) < _EACH or not pa.types.is_string(values.type):
        return ()
    members = pc.unique(present.slice(0, 10 * _FEW * _EACH))
    if len(members) > _FEW:
        return ()
    members = pc.unique(present)
    if not 1 < len(members) <= _FEW or len(members) * _EACH > len(present):
        return ()
    return tuple(sorted(members.to_pylist()))


def _key(sample: Sample, fields: dict[str, Guess]) -> tuple[str, ...]:
    """The primary key; else the first column that is called like one, or kept unique, and is unique in the sample."""
    if sample.catalogue.key:
        return sample.catalogue.key if all(name in fields for name in sample.catalogue.key) else ()
    fitting = [
        name
        for name, one in fields.items()
        if one.field.type.bare.name in ("int", "str") and sample.rows[name].null_count == 0
        and (_KEY.search(name) or _known(sample, name).unique) and _is_unique(sample.rows[name])
    ]  # fmt: skip
    first = [name for name in fitting if _is_own(name, sample.name)]
    return tuple((first or fitting)[:1])


def _is_own(name: str, table: str) -> bool:
    """Whether a column is called as the key of its table: ``id``, or ``order_id`` of orders."""
    stem = _KEY.sub("", name).lower()
    return not stem or table.lower().startswith(stem)


def _is_unique(values: pa.ChunkedArray) -> bool:
    return bool(len(values) > 1 and pc.count_distinct(values).as_py() == len(values))


def _as_key(one: Field) -> Field:
    return replace(one, role="key", type=one.type.bare)


def _notes(
    sample: Sample, key: tuple[str, ...], times: list[str], event_time: str, changed: str, referred: bool
) -> Iterator[str]:
    rows = f"{sample.rows.num_rows:,} rows{f' of {sample.looked}' if sample.looked else ''}"
    looked = f"all {rows}" if sample.whole else rows if sample.looked else f"the first {rows}"
    yield f"Guessed from {looked}{' and the catalogue of the database' if sample.catalogue.columns else ''}."
    yield from sample.notes
    if key:
        of = "the primary key" if sample.catalogue.key else f"unique and never null in {looked}, so taken for the key"
        yield f"Key: {', '.join(key)}, {of}."
    else:
        yield "No key was found: without one the same row may be taken twice."
    if event_time:
        yield f"A stream, since {event_time} says when each row happened."
    elif changed:
        yield f"A table, since its rows change: {changed}."
    elif referred:
        yield "A table, since others refer to its rows."
    elif not times:
        yield "A table, since no column says when a row happened."
    else:
        yield "A table; were its rows events, it would be an hr.Stream with one time as hr.event_time()."


def _cursor(sample: Sample, fields: dict[str, Guess], key: tuple[str, ...], event_time: str, changed: str) -> str:
    """What only grows: of rows that change the time of the last change, of events a serial number, else their time."""
    never_null = {name for name, one in fields.items() if not one.field.type.nullable}
    if changed:
        return changed if key and changed in never_null else ""
    if not event_time:
        return ""
    serial = len(key) == 1 and fields[key[0]].field.type.bare.name == "int"
    if serial and _UNSIGNED.search(_known(sample, key[0]).declared):  # a cursor is no larger than int64
        serial = False
    return key[0] if serial else event_time if event_time in never_null else ""
