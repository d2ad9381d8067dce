"""Sequences order one stream: those of another stream say nothing about a row."""

import pyarrow as pa

import headrace as hr
from headrace.engines.batch import features
from headrace.plan import compile_features


class Visit(hr.Contract):
    """A visit."""

    at: hr.Timestamp = hr.event_time()
    who: int


class Person(hr.Contract):
    """Where a person lives."""

    who: int
    since: hr.Timestamp = hr.valid_from()
    town: str


def utc(*moments):
    return pa.array(moments, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def test_a_state_known_at_the_same_moment_is_seen_whatever_its_sequence():
    visits = hr.Stream("visits", Visit)
    people = hr.Table("people", Person, source="people.csv")
    home = hr.Features("home", people, by=hr.Entity("who"), features={"town": "town"})
    plan = compile_features([home], visits)
    # the second row came late, so that known times and sequences are looked at
    spine = pa.table({"at": utc(17, 1), "who": [1, 2], "_seq": [2, 3], "_known_at": utc(17, 5)})
    states = pa.table({"who": [1], "since": utc(17), "town": ["x"], "_seq": [9], "_known_at": utc(17)})
    found = features(plan, spine, lambda name, columns: states)
    assert found.column("home.town").to_pylist() == ["x", None]
