"""The two zeros of floats: one value to what compares or adds, handed on with its sign by what hands on."""

from __future__ import annotations

import math

import pandas as pd
import pytest

import headrace as hr


class Reading(hr.Contract):
    """One value of a sensor."""

    at: hr.Timestamp = hr.event_time()
    sensor: int
    value: float = hr.field(ge=-10, le=10)


readings = hr.Stream("readings", Reading)
ONE = {"min": {}, "max": {}, "sum": {}, "mean": {}, "top_k": {"k": 1}, "quantile": {"q": 0.5}}
AS_IT_CAME = {"first": {}, "last": {}, "last_known": {}, "last_n": {"n": 1}}


def _sign(kind: str, params: dict[str, float]) -> float:
    features = {"it": hr.aggregate(kind, "value", "1d", **params), "distinct": hr.nunique("value", "1d")}
    group = hr.Features("heat", readings, by=hr.Entity("sensor"), features=features)
    events = pd.DataFrame({"at": pd.to_datetime(["2026-01-01", "2026-01-01"], utc=True), "sensor": 1, "value": -0.0})
    row = pd.DataFrame({"at": pd.to_datetime(["2026-01-01T12:00Z"]), "sensor": [1], "value": [0.0]})
    made = group.values(row, events)
    assert made["heat.distinct"].tolist() == [1]
    value = made["heat.it"].iloc[0]
    return math.copysign(1.0, value if isinstance(value, float) else value[0])


@pytest.mark.parametrize("kind", ONE)
def test_what_compares_or_adds_gives_zero_without_a_sign(kind: str) -> None:
    assert _sign(kind, ONE[kind]) == 1.0


@pytest.mark.parametrize("kind", AS_IT_CAME)
def test_what_hands_on_keeps_the_sign(kind: str) -> None:
    assert _sign(kind, AS_IT_CAME[kind]) == -1.0
