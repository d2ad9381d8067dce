"""What DuckDB, Arrow and Delta say of rows, told without the rows: their messages quote the values that they are about.

A message comes out as one of the sentences below. Of its own words only those get through that cannot be of a row:
names of types, and pieces of the query itself.
"""

from __future__ import annotations

import re

_KINDS = (
    "Binder Error", "Catalog Error", "Constraint Error", "Conversion Error", "FATAL Error", "INTERNAL Error",
    "Invalid Input Error", "Mismatch Type Error", "Not implemented Error", "Out of Range Error", "Parser Error",
    "Serialization Error",
)  # fmt: skip
_OF_THE_MACHINE = ("IO Error", "Out of Memory Error", "HTTP Error", "Connection Error", "Cannot open file")
"""Kinds that tell of files and memory, never of what a row holds."""
_TYPE_NAMES = frozenset(
    {
        "ARRAY", "BIGINT", "BIT", "BLOB", "BOOL", "BOOLEAN", "DATE", "DECIMAL", "DOUBLE", "ENUM", "FLOAT", "GEOMETRY",
        "HUGEINT", "INT8", "INT16", "INT32", "INT64", "INT128", "INTEGER", "INTERVAL", "JSON", "LIST", "MAP",
        "SMALLINT", "STRUCT", "TIME", "TIMESTAMP", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP_S", "TINYINT", "UBIGINT",
        "UHUGEINT", "UINT8", "UINT16", "UINT32", "UINT64", "UINT128", "UINTEGER", "UNION", "USMALLINT", "UTINYINT",
        "UUID", "VARCHAR",
    }
)  # fmt: skip
_END = r"(?: when casting from source column .*)?$"
_REGEX = (
    r"missing [\])]|missing argument to repetition|unexpected \)|no argument for repetition|bad repetition|"
    r"invalid (?:escape|character class|UTF-8|perl operator|named capture|repetition)|trailing \\"
)
_SENTENCES = tuple(
    (re.compile(pattern, re.DOTALL), sentence)
    for pattern, sentence in (
        (rf"Type ([A-Z]\w*).* can't be cast .*destination type ([A-Z]\w*).*?{_END}", "a value of {0} that is no {1}"),
        (r"Unimplemented type for cast \(([A-Z]\w*).* -> ([A-Z]\w*)", "a value of {0} that never is a {1}"),
        (rf"Could not (?:convert string|cast value) .* to ([A-Z]\w*)[^ ]*{_END}", "a value that is no {0}"),
        (rf"Could not convert string .* to (ENUM|STRUCT|MAP|UNION)\(.*{_END}", "a value that is no {0}"),
        (r"Could not parse string .* according to format", "a text that is not as the format of strptime says"),
        (r"invalid date field|Date out of range", "a value that is no DATE"),
        (r"invalid timestamp field|Timestamp .*out of range|Epoch .*out of range", "a value that is no TIMESTAMP"),
        (r"time field value out of range|Time out of range", "a value that is no TIME"),
        (r"Malformed JSON", "a text that is no JSON"),
        (r"JSON path error", "a text that is no path within JSON"),
        (r"extract specifier", "a text that names no part of a time"),
        (r"Unknown TimeZone", "a text that names no time zone"),
        (r"Cannot cast (?:list|array)", "a list of another length"),
        (r"Overflow .*of ([A-Z]\w*) \(", "an overflow of {0}"),
        (r"Overflow", "an overflow"),
        (r"Division by zero", "a division by zero; divide by nullif(…, 0)"),
        (
            r"More than one row returned by a subquery",
            "a subquery that gives more than one row where one value belongs",
        ),
        (r"Map keys must be unique", "a map with a key that comes twice"),
        (r"Map keys can not be NULL", "a map with a key that is null"),
        (_REGEX, "a text that is no regular expression"),
        (r"(?:too small to be a|No magic bytes found .*) [Pp]arquet file", "a file of the lake that is damaged"),
    )
)
_OF_ARROW = tuple(
    (re.compile(pattern, re.DOTALL), sentence)
    for pattern, sentence in (
        (r"Unsupported cast from (.{1,200}) to (.{1,200}) using function", "columns of {0} where {1} is"),
        (r"Failed to parse|not a valid decimal", "a text that is no value of its column's type"),
        (r"Could not convert .* with type|Expected bytes, got", "a value of another type than its column's"),
        (
            r"not in range|out of bounds|truncated|would lose data|too large|[Dd]ecimal",
            "a value too large or too exact",
        ),
        (r"UTF-?8", "a text that is not UTF-8"),
    )
)
_OF_DISKS = re.compile(
    r"Permission denied|Read-only file system|Operation not permitted|Not a directory|Is a directory|File exists|"
    r"No such file or directory|Input/output error|Stale file handle|Disk quota exceeded|Too many open files|"
    r"File name too long"
)
_COLUMN = re.compile(r".*when casting from source column ([^\n]+)$", re.DOTALL)
_PLACE = re.compile(r"\n\nLINE (\d+): ([^\n]*)\n( *)(\^+)[^\n]*$")


def told_without_values(text: str, query: str) -> str:
    """Return a message of DuckDB about rows as a sentence that holds no value of them.

    Args:
        text: what DuckDB says.
        query: that it was asked; columns and places are told as far as they stand there.

    Example:
        >>> said = "Conversion Error: Could not convert string 'ann@example.org' to INT32 when casting from source "
        >>> told_without_values(said + "column email", "select email::int from customers")
        'Conversion Error: a value that is no INT32, in column email'
    """
    if text.startswith(_OF_THE_MACHINE):
        return text.split("\n\n")[0].replace("\n", " ")
    kind = next((one for one in _KINDS if text.startswith(one)), "Error")
    place = _PLACE.search(text)
    what = text[: place.start()] if place else text.split("\n\n")[0]
    column = _COLUMN.search(what)
    where = f", in column {column[1]}" if column and column[1] in query else ""
    own = what.removeprefix(f"{kind}: ")
    said = own if own and f"'{own}'" in query else _sentence(what)  # of error('…'), whose text is the query's own
    return f"{kind}: {said}{where}{_at(place, query)}"


def told_of_arrow(text: str) -> str:
    """Return a message of Arrow about columns as a sentence that holds no value of them.

    Example:
        >>> told_of_arrow("Failed to parse string: 'ann@example.org' as a scalar of type int64")
        "a text that is no value of its column's type"
    """
    for pattern, sentence in _OF_ARROW:
        if found := pattern.search(text):
            return sentence.format(*found.groups())
    return "values that its columns cannot hold"


def told_of_disk(error: Exception) -> str:
    """Return why a file could not be written: the system's reason where there is one, else the kind of the error.

    Example:
        >>> told_of_disk(PermissionError(13, "Permission denied", "lake/payments"))
        'Permission denied'
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    found = _OF_DISKS.search(str(error))
    return found[0] if found else f"{type(error).__name__}, a fault of the table's log"


def _sentence(text: str) -> str:
    for pattern, sentence in _SENTENCES:
        found = pattern.search(text)
        if found and set(found.groups()) <= _TYPE_NAMES:
            return sentence.format(*found.groups())
    return "values that a function cannot take"


def _at(place: re.Match[str] | None, query: str) -> str:
    """Say which part of the query DuckDB points at, where that is told and really stands there."""
    if place is None:
        return ""
    start = len(place[3]) - len(f"LINE {place[1]}: ")
    part = place[2][max(start, 0) : start + len(place[4])]
    inside = bool(part) and part in query and int(place[1]) <= query.count("\n") + 1
    return f", at '{part}' in line {place[1]} of the query" if inside else ""
