"""What is told of a query that fails on a row: the kind, the types, the place in the query; never the row."""

from __future__ import annotations

import errno
from pathlib import Path

import deltalake
import pyarrow as pa
import pytest

from headrace.errors import HeadraceError
from headrace.lake import Lake
from headrace.lake.commit import clear_errors
from headrace.refusals import told_without_values

MAIL, NUMBER = "bob@secret.example", 77123456


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    at = pa.array([0, 1], pa.timestamp("us", "UTC"))
    lake.append("ev", pa.table({"id": [1, 2], "email": [MAIL, "7"], "n": [NUMBER, 1], "at": at}))
    return lake


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            "cast(email as int)",
            "a value that is no INT32, in column email, at 'cast(email as int)' in line 2 of the query",
        ),
        ("email::date", "a value that is no DATE, in column email, at '::date' in line 2 of the query"),
        ("email::timestamp", "a value that is no TIMESTAMP, in column email"),
        ("email::time", "a value that is no TIME, in column email"),
        ("email::uuid", "a value that is no UUID, in column email"),
        ("email::boolean", "a value that is no BOOL, in column email"),
        ("email::decimal(4, 2)", "a value that is no DECIMAL, in column email"),
        ("email::enum('a', 'b')", "a value that is no ENUM, in column email"),
        ("email::struct(a int)", "a value of VARCHAR that is no STRUCT, in column email"),
        ("email::int[]", "a value of VARCHAR that is no INTEGER, in column email"),
        ("email::json", "a text that is no JSON, in column email"),
        ("n::tinyint", "a value of INT64 that is no INT8, in column n"),
        ("n * 9223372036854775807", "Out of Range Error: an overflow of INT64"),
        ("strptime(email, '%Y')", "a text that is not as the format of strptime says"),
        ("regexp_matches('x', email || '(')", "a text that is no regular expression"),
        ("json_extract_string('{}', '$.' || email || '[')", "a text that is no path within JSON"),
        ("date_trunc(email, at)", "a text that names no part of a time"),
        ("timezone(email, at)", "a text that names no time zone"),
        ("chr(n::int)", "Invalid Input Error: values that a function cannot take"),
        ("error('mail ' || email)", "Invalid Input Error: values that a function cannot take"),
        ("error('Conversion of ' || email || ' to SECRET')", "values that a function cannot take"),
        ("case when n > 1 then error('too large') end", "Invalid Input Error: too large"),
        ("(select email from ev)", "a subquery that gives more than one row"),
        ("n % 0", "a division by zero"),
        ("make_date(n, 13, 45)", "a value that is no DATE"),
    ],
)
def test_no_value_of_a_row_is_told(lake: Lake, asked: str, told: str) -> None:
    query = f"select id,\n{asked} as z from ev"
    for said in (_refused(lake, query), _refused_on_the_way(lake, query)):
        assert told in said
        assert "secret" not in said
        assert str(NUMBER) not in said


def _refused(lake: Lake, query: str) -> str:
    with pytest.raises(HeadraceError, match="HR-LAKE-006") as refused:
        lake.sql(query)
    return str(refused.value)


def _refused_on_the_way(lake: Lake, query: str) -> str:
    with pytest.raises(HeadraceError, match="HR-LAKE-006") as refused, lake.answered(query) as answer:
        list(answer.batches)
    return str(refused.value)


def test_a_value_that_looks_like_a_message_tells_nothing_of_itself() -> None:
    value = "x' to SECRET when casting from source column SECRET"
    text = f"Conversion Error: Could not convert string '{value}' to INT32 when casting from source column email"
    assert (
        told_without_values(text, "select email::int") == "Conversion Error: a value that is no INT32, in column email"
    )
    place = "Conversion Error: Could not x\n\nLINE 7712: 77123456\n            ^^^^^^"
    assert "77123456" not in told_without_values(place, "select 1")


def test_what_is_wrong_with_the_query_itself_is_told_in_duckdbs_words(lake: Lake) -> None:
    with pytest.raises(HeadraceError, match='found Binder Error: Referenced column "emial" not found'):
        lake.sql("select emial from ev")
    with pytest.raises(HeadraceError, match="found Parser Error: syntax error"):
        lake.sql("select id from ev where where email = 'bob@secret.example'")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (pa.ArrowInvalid(f"Could not convert '{MAIL}' with type str: tried to convert to int64"), "of another type"),
        (
            pa.ArrowInvalid(f"Failed to parse string: '{MAIL}' as a scalar of type int64"),
            "no value of its column's type",
        ),
        (pa.ArrowInvalid(f"Integer value {NUMBER} not in range: -128 to 127"), "too large"),
        (pa.ArrowInvalid(f"{MAIL}"), "values that its columns cannot hold"),
        (
            pa.ArrowNotImplementedError("Unsupported cast from list<item: int64> to int64 using function cast"),
            "list<item",
        ),
        (deltalake.exceptions.DeltaError(f"Invariant violated: {MAIL}"), "DeltaError"),
        (OSError(errno.EACCES, "Permission denied", MAIL), "Permission denied"),
        (deltalake.exceptions.DeltaError(f"Generic error: {MAIL}: Read-only file system (os error 30)"), "Read-only"),
    ],
)
def test_rows_that_cannot_be_written_are_told_without_their_values(error: Exception, told: str) -> None:
    with pytest.raises(HeadraceError, match=told) as refused, clear_errors("ev"):
        raise error
    assert "secret" not in str(refused.value)
    assert str(NUMBER) not in str(refused.value)


def test_the_column_of_a_query_over_one_of_many_files_is_told(lake: Lake, tmp_path: Path) -> None:
    said = _refused(lake, "select count(*) as c from ev where cast(email as bigint) > 3")
    assert "no INT64, in column email, at 'cast(email as bigint)' in line 1" in said
