"""What the columns of a table are like, by DuckDB: one pass for their figures and one for their pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from headrace.audit.data.bins import DECILES, Bins, binned, edges_of
from headrace.audit.data.origins import Tagged
from headrace.lake import Lake
from headrace.sql import quoted

EXACT_ROWS = 1_000_000
"""Rows up to which distinct values are counted and quantiles are taken; beyond they are estimated."""
CATEGORIES = 200
"""Distinct texts up to which a column can be one of categories, whose values are shown."""
_FEW = 12
"""Distinct values up to which two rows for each, not ten, make categories, and whole numbers are some."""
_TAILS = (0.005, 0.995)
_QUARTILES = (0.25, 0.5, 0.75)
QUANTILES = tuple(sorted({*_TAILS, *_QUARTILES, *DECILES}))
_TOGETHER = 3
"""Columns of a large table that one query reads, so that progress can be told between."""

Told = Callable[[str, int, int], None]
"""Called with what is done, and how many columns of how many."""


@dataclass(frozen=True)
class Against:
    """What the picture of a column sets beside all its rows.

    Args:
        load: rows of this load, where loads add rows; else empty.
        version: rows of this older version, where loads take the place of what was there.
    """

    load: str = ""
    version: int | None = None

    def __bool__(self) -> bool:
        return bool(self.load) or self.version is not None


@dataclass(frozen=True)
class Column:
    """A column as it is.

    Args:
        name: of the column.
        about: its type, unit and tags.
        kind: ``number``, ``time``, ``category``, ``text``, ``list`` or ``other``; ``hidden`` tells no values.
        rows, missing, distinct: counts; ``exact`` says whether ``distinct`` was counted.
        least, most, mean, quantiles: of numbers; of times in microseconds UTC; of texts and lists, their lengths.
        bins: rows in equal bins over the middle 99 %, and what the change is measured by.
        values: of a category, with all rows and those that are set beside them, the most frequent first.
        other_rows, other_missing: how many rows are set beside them, and how many of these have no value.
    """

    name: str
    about: Tagged
    kind: str
    rows: int = 0
    missing: int = 0
    distinct: int = 0
    exact: bool = True
    least: Any = None
    most: Any = None
    mean: float | None = None
    quantiles: Mapping[float, float] = field(default_factory=dict)
    bins: Bins | None = None
    values: tuple[tuple[str, int, int], ...] = ()
    other_rows: int = 0
    other_missing: int = 0

    @property
    def method(self) -> str:
        """How distinct values were counted: one by one, or by DuckDB's estimate.

        Source: P. Flajolet, É. Fusy, O. Gandouet, F. Meunier, HyperLogLog, AofA 2007.
        """
        return "counted" if self.exact else "HyperLogLog"

    @property
    def middle(self) -> tuple[float, float] | None:
        """Between what 99 % of the values lie."""
        return (self.quantiles[_TAILS[0]], self.quantiles[_TAILS[1]]) if self.quantiles else None


def kind_of(kind: pa.DataType, hidden: bool) -> str:
    """Return what sort of values a type of Arrow has.

    Example:
        >>> kind_of(pa.decimal128(8, 2), False), kind_of(pa.date32(), False), kind_of(pa.string(), True)
        ('number', 'time', 'hidden')
    """
    types = pa.types
    if hidden:
        return "hidden"
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "number"
    if types.is_timestamp(kind) or types.is_date(kind):
        return "time"
    if types.is_boolean(kind):
        return "category"
    if types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind):
        return "text"
    return "list" if types.is_list(kind) or types.is_large_list(kind) else "other"


def profile(lake: Lake, name: str, columns: Mapping[str, Tagged], against: Against, told: Told) -> list[Column]:
    """Return what columns of a table are like, in memory that is bounded by DuckDB's.

    Args:
        lake: with the table.
        name: of it.
        columns: with what is said of them.
        against: which rows are set beside all.
        told: of each step.
    """
    rows, schema = lake.rows(name), lake.schema(name)
    kinds = {one: kind_of(schema.field(one).type, said.hidden) for one, said in columns.items()}
    parts = list(columns) if rows <= EXACT_ROWS else None
    several = [parts] if parts is not None else _parts(list(columns), _TOGETHER)
    done, found = 0, list[Column]()
    for part in several:
        told(f"{name}: figures", done, 2 * len(columns))
        said = _figures(lake, name, {one: (schema.field(one).type, kinds[one]) for one in part}, rows <= EXACT_ROWS)
        first = [_column(one, columns[one], kinds[one], rows, said[one], rows <= EXACT_ROWS) for one in part]
        told(f"{name}: pictures", done + len(part), 2 * len(columns))
        found += _pictured(lake, name, {one.name: schema.field(one.name).type for one in first}, first, against)
        done += 2 * len(part)
    told(name, 2 * len(columns), 2 * len(columns))
    return found


def _parts(names: list[str], size: int) -> list[list[str]]:
    return [names[at : at + size] for at in range(0, len(names), size)]


def ident(name: str) -> str:
    """Return a name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def number_of(name: str, kind: pa.DataType) -> str:
    """Return the SQL of a column as a double; of times microseconds; null of infinity and years beyond 9999."""
    return number_in(ident(name), kind)


def number_in(column: str, kind: pa.DataType) -> str:
    """Return the same of what SQL says, such as a field within a column."""
    if pa.types.is_date(kind):
        return _within(column, f"epoch_us({column}::timestamp)::double")
    if pa.types.is_timestamp(kind):
        return _within(column, f"epoch_us({column})::double")
    if pa.types.is_floating(kind):
        return f"(case when isfinite({column}) then {column}::double end)"
    return f"{column}::double"


def _within(column: str, number: str) -> str:
    """The number of a time that the calendar of a report has."""
    return f"(case when {column} >= '0001-01-01' and {column} < '9999-12-31' then {number} end)"


def _figures(
    lake: Lake, name: str, columns: Mapping[str, tuple[pa.DataType, str]], exact: bool
) -> dict[str, dict[str, Any]]:
    asked, at = list[str](), list[tuple[str, str]]()
    for column, (kind, sort) in columns.items():
        for what, says in _aggregates(column, kind, sort, exact):
            at.append((column, what))
            asked.append(f"{says} as f{len(asked)}")
    found: dict[str, dict[str, Any]] = {one: {} for one in columns}
    if not asked:
        return found
    row = lake.sql(f"select {', '.join(asked)} from {ident(name)}").to_pylist()[0]
    for (column, what), value in zip(at, row.values(), strict=True):
        found[column][what] = value
    return found


def _aggregates(name: str, kind: pa.DataType, sort: str, exact: bool) -> list[tuple[str, str]]:
    column = ident(name)
    counted = column if sort in ("number", "time", "category", "text", "hidden") else f"{column}::varchar"
    distinct = f"count(distinct {counted})" if exact else f"approx_count_distinct({counted})"
    said = [("there", f"count({column})"), ("distinct", distinct)]
    if sort in ("number", "time"):
        number, quantile = number_of(name, kind), "quantile_cont" if exact else "approx_quantile"
        listed = ", ".join(map(str, QUANTILES))
        said += [("least", f"min({number})"), ("most", f"max({number})"), ("mean", f"avg({number})")]
        said += [("quantiles", f"{quantile}({number}, [{listed}])")]
    elif sort in ("text", "list"):
        length = f"{'length' if sort == 'text' else 'len'}({column})"
        said += [("least", f"min({length})"), ("most", f"max({length})"), ("mean", f"avg({length})")]
    return said


def _column(name: str, about: Tagged, kind: str, rows: int, said: Mapping[str, Any], exact: bool) -> Column:
    there = int(said["there"])
    distinct = min(int(said["distinct"]), there)
    quantiles = said.get("quantiles")
    known = dict(zip(QUANTILES, quantiles, strict=True)) if quantiles and quantiles[0] is not None else {}
    if (kind == "text" and _repeats(distinct, there)) or (kind == "number" and known and _few(about, said, distinct)):
        kind = "category"
    told = (said.get("least"), said.get("most"), said.get("mean"))
    return Column(name, about, kind, rows, rows - there, distinct, exact, *told, known)


def _repeats(distinct: int, there: int) -> bool:
    """Whether texts are categories; what hardly repeats may be a name or an address that nobody has tagged."""
    return 0 < distinct <= CATEGORIES and there >= distinct * (2 if distinct <= _FEW else 10)


def _few(about: Tagged, said: Mapping[str, Any], distinct: int) -> bool:
    """Whether numbers are rather names: few, and whole."""
    whole = all(float(said[end]).is_integer() for end in ("least", "most"))
    return whole and "int" in about.type and distinct <= _FEW


@dataclass(frozen=True)
class _Counted:
    """Rows, those of each column that have a value, and for what is drawn those of each bin or value."""

    rows: int = 0
    there: Mapping[str, int] = field(default_factory=dict)
    bins: Mapping[str, Mapping[Any, int]] = field(default_factory=dict)


def _pictured(
    lake: Lake, name: str, types: Mapping[str, pa.DataType], columns: Sequence[Column], against: Against
) -> list[Column]:
    """Complete columns with bins, or with the rows of each value: of all rows, and of those set beside them."""
    drawn = {one.name: says for one in columns if (says := _histogram(one, types[one.name]))}
    every, other = _counted(lake, name, [], drawn), _Counted()
    if against.load:
        other = _counted(lake, name, list(types), drawn, where=f" where _load = {quoted(against.load)}")
    elif against.version is not None:
        before = lake.schema(name, against.version)
        alike = [one for one, kind in types.items() if one in before.names and before.field(one).type == kind]
        other = _counted(lake, name, alike, {one: drawn[one] for one in alike if one in drawn}, against.version)
    return [_complete(one, every, other) for one in columns]


def _histogram(one: Column, kind: pa.DataType) -> str:
    if one.kind == "category":
        return f"histogram({ident(one.name)}::varchar)"
    if not one.quantiles:
        return ""
    edges = ", ".join(f"{edge!r}::double" for edge in edges_of(one.quantiles, one.least, one.most))
    return f"histogram({number_of(one.name, kind)}, [{edges}])"


def _counted(
    lake: Lake, name: str, counted: Sequence[str], drawn: Mapping[str, str], version: int | None = None, where: str = ""
) -> _Counted:
    asked = ["count(*)", *(f"count({ident(one)})" for one in counted), *drawn.values()]
    said = ", ".join(f"{one} as f{at}" for at, one in enumerate(asked))
    versions = {} if version is None else {name: version}
    rows, *found = lake.sql(f"select {said} from {ident(name)}{where}", versions).to_pylist()[0].values()
    there = dict(zip(counted, found, strict=False))
    bins = {one: dict(value or ()) for one, value in zip(drawn, found[len(there) :], strict=True)}
    return _Counted(rows, there, bins)


def _complete(one: Column, every: _Counted, other: _Counted) -> Column:
    if one.name in other.there:
        one = replace(one, other_rows=other.rows, other_missing=other.rows - other.there[one.name])
    all_rows, others = every.bins.get(one.name, {}), other.bins.get(one.name, {})
    if one.kind == "category":
        values = [(str(value), all_rows.get(value, 0), others.get(value, 0)) for value in {**all_rows, **others}]
        return replace(one, values=tuple(sorted(values, key=lambda value: (-value[1], value[0]))))
    if not one.quantiles:
        return one
    return replace(one, bins=binned(one.quantiles, one.least, one.most, all_rows, others))
