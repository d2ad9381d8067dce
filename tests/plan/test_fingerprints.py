"""Fingerprints of declarations change with their meaning, and with nothing else."""

from __future__ import annotations

import pytest

import headrace as hr
from headrace import plan
from headrace.plan.query import canonical

QUERY = "select k, at as since, 'x y' as seg from ev where name = 'a' -- why\n and k > 1"
SAME_QUERIES = [
    "SELECT k,at AS since,\n  'x y' AS seg\nFROM ev WHERE name='a' AND k>1",
    "select k, at as since, 'x y' as seg from ev /* all */ where name = 'a' and k > 1 ; -- end",
]
OTHER_QUERIES = [
    QUERY.replace("x y", "x  y"),
    QUERY.replace("'a'", "'A'"),
    QUERY.replace("\n", ""),  # the rest is a comment now
    QUERY.replace("seg", "Seg"),
    QUERY.replace("'x y'", "round(1, 2)"),
]


class Level(hr.Contract):
    k: int
    since: hr.Timestamp = hr.valid_from()
    seg: str


class Event(hr.Contract):
    id: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    k: int


def of_query(query: str) -> tuple[str, ...]:
    """The fingerprints of a table and of the features over it."""
    table = hr.Table("it", Level, query=query)
    group = hr.Features("state", table, by=hr.Entity("k"), features={"seg": "length(seg)"})
    cases = hr.TrainingSet("cases", hr.Stream("ev", Event), [group])
    found = plan.fingerprints(hr.Project("p", training_sets=[cases]))
    return found["table:it"], plan.set_fingerprint(cases)


@pytest.mark.parametrize("query", SAME_QUERIES)
def test_a_query_in_other_words_is_the_same(query: str) -> None:
    assert of_query(query) == of_query(QUERY)


@pytest.mark.parametrize("query", OTHER_QUERIES)
def test_another_query_is_another_table(query: str) -> None:
    assert not set(of_query(query)) & set(of_query(QUERY))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("select round(a, 2, 3)", "select round(a, 2)"),  # a parser would drop the third
        ("select x'ff'", "select x 'ff'"),
        ("select 1 .5", "select 1.5"),
        ("select $$a  b$$", "select $$a b$$"),
        ("select 'open  text", "select 'open text"),  # no SQL: the exact text
        ('select "a b"', 'select "a  b"'),
        ("select a as Date", "select a as date"),
        ("select Date from t", "select date from t"),
    ],
)
def test_the_canonical_text_of_a_query_loses_nothing(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


def test_key_words_of_a_query_have_no_case() -> None:
    low = "select sum(a) over (partition by c order by d desc) from t left join u using (k) group  by all"
    high = "SELECT SUM(a) OVER (PARTITION BY c ORDER BY d DESC) FROM t LEFT JOIN u USING (k) GROUP BY ALL"
    assert canonical(low) == canonical(high) == high
