"""What to write instead of SQL that row expressions do not have; with the words of the expression that was refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import expressions as sql

from headrace.declare.short import SYNONYMS
from headrace.errors import nearest
from headrace.kernel.aggregates import catalogue
from headrace.plan.calls import KNOWN, Call

ELSEWHERE = "declare a field that holds it, and fill it where the data is made"
SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_MATCH = "write {0} like '%a_b%', contains({0}, 'a') or starts_with({0}, 'a')"
_CLOCK = "name a field of the row that holds a time: an expression reads no clock"
_TIME = "write timestamp '2026-01-31 12:00:00' for a constant; else declare a field of type hr.Timestamp"
_NUMBER = "write {0} is null to ask for a missing number: none is NaN or infinite"
_ZONE = "write {0} + interval 1 hour, or as far as the zone is: times are UTC, and so are their parts"
_OF_DAY = "write 1 + floor((epoch(date_trunc('day', {0})) - epoch(date_trunc('year', {0}))) / 86400)"
_LINES = f"""
    nvl: write ifnull({{0}}, {{1}})
    iif iff: write if({{0}}, {{1}}, {{2}})
    startswith prefix: write starts_with({{0}}, {{1}})
    left: write substring({{0}}, 1, {{1}})
    strlen: write length({{0}})
    ltrim rtrim: write trim({{0}})
    strpos instr str_position: write contains({{0}}, {{1}})
    suffix ends_with regexp_matches regexp_full_match regexp_like: {_MATCH}
    weekday dow dayname: write dayofweek({{0}})
    isoweekday: write isodow({{0}})
    monthname: write month({{0}})
    quarter: write (month({{0}}) + 2) // 3
    dayofyear: {_OF_DAY}
    week weekofyear isoweek yearweek: write epoch(date_trunc('week', {{0}})) / 604800; it counts weeks since 1970
    epoch_ms: write epoch({{0}}) * 1000
    epoch_us: write epoch({{0}}) * 1000000
    age: write epoch({{0}}) - epoch({{1}}); in seconds
    date_sub datesub: write epoch({{2}}) - epoch({{1}}); in seconds
    date_add: write {{0}} + {{1}}
    time_bucket date_bin: write date_trunc('hour', {{1}})
    timezone: write {{1}} + interval 1 hour, or as far as the zone is: times are UTC, and so are their parts
    now today current_date current_time current_timestamp localtimestamp get_current_timestamp: {_CLOCK}
    to_days to_hours to_minutes to_seconds to_weeks: write interval '1 day', or another constant
    make_timestamp to_timestamp strptime: {_TIME}
    make_date to_date: write date '2026-01-31' for a constant, cast(at as date) of a time; else declare an hr.Date
    log log10: write ln({{0}}) / ln(10)
    log2: write ln({{0}}) / ln(2)
    sign: write case when {{0}} > 0 then 1 when {{0}} < 0 then -1 when {{0}} = 0 then 0 end
    trunc: write case when {{0}} < 0 then ceil({{0}}) else floor({{0}}) end
    cbrt: write case when {{0}} < 0 then -pow(-({{0}}), 1.0 / 3) else pow({{0}}, 1.0 / 3) end
    radians: write ({{0}}) * 0.017453292519943295
    degrees: write ({{0}}) * 57.29577951308232
    pi: write 3.141592653589793
    isnan isinf isfinite: {_NUMBER}
    random rand uuid gen_random_uuid: leave it out: the same row always has the same value
"""
_CALLS = {
    name: cure.strip()
    for names, _, cure in (line.partition(":") for line in _LINES.strip().splitlines())
    for name in names.split()
}


def of_call(call: Call, standard: bool) -> str:
    """Return what to write instead of a call of a function that is not ours.

    Args:
        call: as written.
        standard: whether SQL knows it, so that it is no misspelt name of ours.
    """
    name, args = call.name, call.args
    if name in ("max", "min") and len(args) > 1:
        return f"write {Call('greatest' if name == 'max' else 'least', args)}"
    if name in SYNONYMS or name in catalogue():
        return of_aggregate(call)
    for made in (_joined(name, args), _part(name, args), _apart(name, args)):
        if made:
            return made
    if name in _CALLS and all(f"{{{n}}}" not in _CALLS[name] for n in range(len(args), 4)):
        return _CALLS[name].format(*args)
    return ELSEWHERE if standard else nearest(name, KNOWN)


def of_aggregate(call: Call) -> str:
    """Return how an aggregate is declared: it is over events, and an expression sees one row."""
    kind = SYNONYMS.get(call.name, call.name if call.name in catalogue() else "count")
    value = [repr(arg) for arg in call.args[:1] if arg != "*" and catalogue()[kind].takes]
    needs = [f"{name}=…" for name in catalogue()[kind].needs]
    declared = f"hr.{kind}({', '.join([*value, repr('7d'), *needs])})"
    return f"declare {declared} in a group with by=, and name it here as group.feature"


def _joined(name: str, args: tuple[str, ...]) -> str:
    if name == "concat_ws" and len(args) > 1:
        args = tuple(part for one in args[1:] for part in (args[0], one))[1:]
    elif name != "concat" or not args:
        return ""
    return f"write {' || '.join(args)}; it is null where one of them is, so coalesce(…, '') what may be"


def _part(name: str, args: tuple[str, ...]) -> str:
    if name not in ("date_part", "datepart") or len(args) != 2:
        return ""
    part = args[0].strip("'")
    return f"write epoch({args[1]})" if part == "epoch" else f"write extract({part} from {args[1]})"


def _apart(name: str, args: tuple[str, ...]) -> str:
    """How many edges of units lie between two times, as DuckDB counts them."""
    if name not in ("date_diff", "datediff") or len(args) != 3:
        return ""
    unit, (begin, end) = args[0].strip("'").rstrip("s"), args[1:]
    if unit == "year":
        return f"write year({end}) - year({begin})"
    if unit == "month":
        return f"write year({end}) * 12 + month({end}) - year({begin}) * 12 - month({begin})"
    seconds = SECONDS.get(unit)
    if seconds is None or unit == "week":  # DuckDB counts days there, and divides
        return f"write epoch({end}) - epoch({begin}); in seconds"
    edges = [f"epoch(date_trunc('{unit}', {time}))" for time in (end, begin)]
    return f"write ({' - '.join(edges)}) / {seconds}"


def of_kind(tree: Any) -> str:
    """Return what to write instead of SQL that is neither a function nor one of our operators; empty if unknown."""
    cure = next((cure for kind, cure in _KINDS.items() if isinstance(tree, kind)), "")
    return cure if isinstance(cure, str) else cure(tree)


def of_cast(value: str, have: str, target: str) -> str:
    """Return what to write instead of a cast between types that has no exact meaning of its own."""
    number = have in ("int", "float", "decimal")
    if target in ("int", "bigint", "integer", "smallint", "tinyint", "hugeint"):
        return f"write round({value})" if number else f"write cast({value} as double)"
    if target in ("float", "real", "decimal", "numeric"):
        return f"write cast({value} as double)"
    if target == "boolean":
        return f"write {value} <> 0" if number else f"write {value} = 'yes', or whatever it says where it holds"
    if target == "time" and have == "timestamp":
        return f"write hour({value}) * 3600 + minute({value}) * 60 + second({value}); in seconds"
    if target.startswith("timestamp"):
        return f"declare {value} as hr.Timestamp"
    return f"declare a field that holds the same as {value}, of the type that is wanted"


def of_interval(tree: Any, unit: str) -> str:
    """Return how time is shifted by what is no whole number of a unit of fixed length."""
    months = {"month": 30, "quarter": 91, "year": 365}
    number = "" if tree.this is None else tree.this.name
    if unit in months and number.lstrip("-").isdecimal():
        return f"write interval '{int(number) * months[unit]} days': months have no fixed length"
    if unit in SECONDS and number.replace(".", "", 1).isdecimal():
        return f"write interval '{float(number) * SECONDS[unit]:.0f} seconds'"
    if unit in SECONDS and not isinstance(tree.this, sql.Literal):
        return f"write epoch(at) + ({written(tree.this.unnest())}) * {SECONDS[unit]}; in seconds"
    return "write one interval for each unit: at + interval '1 day' + interval '2 hours'"


def written(tree: Any) -> str:
    """Return a part of an expression as SQL; ``at`` without the quotes that DuckDB wants and nobody writes."""
    return str(tree.sql("duckdb", normalize_functions="lower")).replace('"at"', "at")


def _same(tree: Any) -> str:
    a, b = written(tree.this), written(tree.expression)
    same = f"coalesce({a} = {b}, {a} is null and {b} is null)"
    return f"write {same}" if isinstance(tree, sql.NullSafeEQ) else f"write not {same}"


def _ilike(tree: Any) -> str:
    pattern = written(tree.expression)
    lowered = pattern.lower() if isinstance(tree.expression, sql.Literal) else f"lower({pattern})"
    return f"write lower({written(tree.this)}) like {lowered}"


_FEATURE = (
    "declare it as a feature over a window, hr.count('7d') in a group with by=, and name it here as group.feature"
)
_KINDS: dict[Any, str | Callable[[Any], str]] = {
    sql.NullSafeEQ: _same,
    sql.NullSafeNEQ: _same,
    sql.ILike: _ilike,
    (sql.SimilarTo, sql.RegexpLike, sql.RegexpILike, sql.Glob): lambda tree: _MATCH.format(written(tree.this)),
    sql.AtTimeZone: lambda tree: _ZONE.format(written(tree.this)),
    sql.Bracket: lambda tree: f"write substring({written(tree.this)}, 1, 1); the first place is 1",
    sql.Alias: lambda tree: f"write {written(tree.this)}; the key of the dictionary is the name",
    (sql.Window, sql.Filter, sql.IgnoreNulls): _FEATURE,
    (sql.Query, sql.Exists): _FEATURE,
    (sql.Star, sql.Tuple): "name one column",
    sql.TryCast: lambda tree: f"write cast({written(tree.this)} as double); it is null where there is no number",
    sql.Interval: "write seconds as a number, 86400 for a day, and compare them with epoch(a) - epoch(b)",
    (sql.Distinct, sql.Order): lambda tree: "leave the distinct or order by out: a row is one row",
    (sql.Parameter, sql.Placeholder): "write the value itself",
    (sql.BitwiseAnd, sql.BitwiseOr, sql.BitwiseXor, sql.BitwiseNot): "write arithmetic: n % 2 is the last bit of n",
    (sql.BitwiseLeftShift, sql.BitwiseRightShift): "write arithmetic: n * 4 or n // 4 for two bits",
}
