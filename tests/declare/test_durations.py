"""Durations: what they mean, and what is not one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.types import LONGEST_US, duration_text, duration_us

SECOND = 1_000_000


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("1us", 1),
        ("1ms", 1_000),
        ("90s", 90 * SECOND),
        ("30m", 1_800 * SECOND),
        ("24h", 86_400 * SECOND),
        ("7d", 604_800 * SECOND),
        ("2w", 1_209_600 * SECOND),
        (" 1 d ", 86_400 * SECOND),
        ("36600d", LONGEST_US),
    ],
)
def test_a_duration_is_whole_microseconds(text: str, us: int) -> None:
    assert duration_us(text) == us


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0d", "not longer than zero"),
        ("-1d", "not longer than zero"),
        ("", "not a duration"),
        ("d", "not a duration"),
        ("1.5h", "not a duration"),
        ("1e3s", "not a duration"),
        ("1d 2h", "not a duration"),
        ("7", "no unit"),
        ("7D", "the unit 'D'"),
        ("7 days", "the unit 'days'"),
        ("1y", "the unit 'y'"),
        ("36601d", "longer than a century"),
        ("9" * 50 + "d", "longer than a century"),
    ],
)
def test_what_is_not_a_duration_is_told(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        duration_us(text)


def test_a_number_is_not_a_duration() -> None:
    with pytest.raises(ValueError, match="7 is not a duration"):
        duration_us(7)  # type: ignore[arg-type]


@given(st.integers(1, LONGEST_US))
def test_text_and_microseconds_are_one_thing(us: int) -> None:
    assert duration_us(duration_text(us)) == us
