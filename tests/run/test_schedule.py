"""When runs are due: intervals and cron expressions, also where summer time begins and ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.clock import from_us, to_us
from headrace.errors import HeadraceError
from headrace.run import Schedule, schedule_of

BERLIN = ZoneInfo("Europe/Berlin")


def _times(text: str, start: datetime, count: int) -> list[str]:
    """The next times of an expression, on a clock of UTC."""
    schedule, moment, found = schedule_of(text, "Europe/Berlin"), to_us(start), []
    for _ in range(count):
        moment = schedule.next_after(moment)
        found.append(from_us(moment).strftime("%d %H:%M"))
    return found


def test_an_interval_counts_from_its_start() -> None:
    schedule = Schedule("15m", start_us=7)
    quarter = 15 * 60_000_000
    assert [schedule.next_after(us) for us in (7, 8, 7 + quarter - 1, 7 + quarter)] == [
        7 + quarter,
        7 + quarter,
        7 + quarter,
        7 + 2 * quarter,
    ]


def test_a_time_of_the_day_that_summer_time_leaves_out_comes_when_it_is_over() -> None:
    # 2026-03-29: from 02:00 (01:00 UTC) on it is 03:00
    start = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert _times("30 2 * * *", start, 3) == ["29 01:00", "30 00:30", "31 00:30"]


def test_a_time_of_the_day_that_comes_twice_counts_once() -> None:
    # 2026-10-25: at 03:00 (01:00 UTC) it is 02:00 again
    start = datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert _times("30 2 * * *", start, 3) == ["25 00:30", "26 01:30", "27 01:30"]


def test_half_hours_stay_half_an_hour_apart_through_both_changes() -> None:
    assert _times("*/30 * * * *", datetime(2026, 10, 25, 0, tzinfo=UTC), 4) == [
        "25 00:30",
        "25 01:00",
        "25 01:30",
        "25 02:00",
    ]
    assert _times("*/30 * * * *", datetime(2026, 3, 29, 0, 30, tzinfo=UTC), 3) == ["29 01:00", "29 01:30", "29 02:00"]


@given(st.integers(0, 900 * 24 * 60), st.sampled_from(["15 4 * * *", "30 2 * * *"]))
def test_what_runs_each_day_runs_on_each_day_once(minutes: int, text: str) -> None:
    schedule = Schedule(text, "Europe/Berlin")
    found = [to_us(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes))]
    for _ in range(4):
        found.append(schedule.next_after(found[-1]))
    days = [from_us(us).astimezone(BERLIN).date() for us in found[1:]]
    assert [later - earlier for earlier, later in pairwise(days)] == [timedelta(days=1)] * 3


NEVER = ["", "0 25 * * *", "0 0 30 2 *", "* * * * * *", "every hour", "0s", "@reboot", "x x x x x"]


@pytest.mark.parametrize("text", NEVER)
def test_what_never_comes_is_no_schedule(text: str) -> None:
    with pytest.raises(HeadraceError, match="HR-SCHEDULE-003"):
        schedule_of(text)


def test_a_zone_is_one_that_there_is() -> None:
    for zone in ("Berlin", "Europe", "../etc/passwd", ""):
        with pytest.raises(HeadraceError, match="HR-SCHEDULE-004"):
            schedule_of("0 2 * * *", zone)
