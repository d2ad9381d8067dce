"""Decay at any moment, not only whole half-lives apart: against the formula, for every type of number."""

from __future__ import annotations

import pandas as pd
import pytest

import headrace as hr

AT = pd.to_datetime(["2026-01-01T00:00Z", "2026-01-01T11:00Z", "2026-01-01T12:59Z", "2026-01-02T11:00Z"])
ROWS = pd.DataFrame(
    {"at": AT, "card": 7, "one": 1, "many": [3, 1, 2, 9], "part": [3.0, 1.0, 2.0, 9.0], "yes": AT.hour < 12}
)
STREAM = hr.Stream.from_frame("rows", ROWS, event_time="at")
VALUES = ["one", "many", "part", "yes", "case when yes then 1.25 else 0.5 end"]


def weights(row: int) -> list[float]:
    return [0.5 ** ((AT[row] - at).total_seconds() / 86_400) for at in AT[:row]]


@pytest.mark.parametrize("value", VALUES)
def test_decay_follows_its_formula(value: str) -> None:
    features = {
        "total": hr.decayed_sum(value, half_life="24h"),
        "mean": hr.decayed_mean(value, half_life="24h"),
    }
    found = hr.Features("f", STREAM, hr.Entity("card"), features).values(ROWS)
    numbers = [1.25 if yes else 0.5 for yes in ROWS["yes"]] if "case" in value else ROWS[value].tolist()
    for row in range(1, len(ROWS)):
        total = sum(weight * number for weight, number in zip(weights(row), numbers, strict=False))
        assert found["f.total"][row] == pytest.approx(total, rel=1e-12)
        assert found["f.mean"][row] == pytest.approx(total / sum(weights(row)), rel=1e-12)


def test_the_mean_of_ones_is_one() -> None:
    features = {"one": hr.decayed_mean("one", half_life="24h")}
    assert set(hr.Features("f", STREAM, hr.Entity("card"), features).values(ROWS)["f.one"][1:]) == {1.0}
