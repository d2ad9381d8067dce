"""When a project runs by itself: every so often, or at the times of a cron expression in a time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from headrace import clock
from headrace.declare.times import not_a_schedule, schedule_faults
from headrace.errors import Fault, HeadraceError
from headrace.types import duration_us


@dataclass(frozen=True)
class Schedule:
    """When runs are due.

    Args:
        text: as it was written: ``"15m"``, or a cron expression of five fields.
        zone: name of the time zone of a cron expression.
        start_us: from when an interval counts, microseconds UTC.
    """

    text: str
    zone: str = "UTC"
    start_us: int = 0

    @property
    def is_cron(self) -> bool:
        return _length(self.text) is None

    def next_after(self, us: int) -> int:
        """Return the first moment after another at which a run is due; both in microseconds UTC.

        A time of a cron expression that summer time leaves out comes as soon as it is over. One that comes twice, when
        summer time ends, counts once where the expression names an hour, and twice where it says every hour or minute:
        so every run of a day is once a day, and every half-hour is half an hour long (as cron of Debian has it).

        Example:
            >>> hour = 3_600_000_000
            >>> Schedule("15m").next_after(hour) - hour
            900000000
            >>> clock.from_us(Schedule("30 2 * * *", "Europe/Berlin").next_after(hour)).isoformat()
            '1970-01-01T01:30:00+00:00'
        """
        length = _length(self.text)
        if length is not None:
            return self.start_us + ((us - self.start_us) // length + 1) * length
        from croniter import croniter

        moments = croniter(self.text, clock.from_us(us).astimezone(ZoneInfo(self.zone)), ret_type=datetime)
        moment: datetime = moments.get_next()
        while self._again(moment):
            moment = moments.get_next()
        return clock.to_us(moment)

    def _again(self, moment: datetime) -> bool:
        """Whether the clock on the wall shows a moment for the second time, and one time was meant."""
        minute, hour = ("*", "*") if self.text.startswith("@") else self.text.split()[:2]
        return bool(moment.fold) and not (minute.startswith("*") or hour.startswith("*"))

    def __str__(self) -> str:
        return f"cron {self.text} ({self.zone})" if self.is_cron else f"every {self.text}"


def schedule_of(text: str, zone: str = "UTC", start_us: int = 0, place: str = "") -> Schedule:
    """Return a schedule from how often, or from a cron expression.

    Args:
        text: such as ``"15m"`` or ``"0 */2 * * *"``.
        zone: name of the time zone of a cron expression, such as ``"Europe/Berlin"``.
        start_us: from when an interval counts, microseconds UTC.
        place: where it was written.

    Raises:
        HeadraceError: HR-SCHEDULE-003 for what is neither, 004 for an unknown zone, 005 when cron needs its library.
    """
    if faults := schedule_faults(text, zone, place):
        raise HeadraceError(faults)
    found = Schedule(text, zone, start_us)
    if found.is_cron:
        _require(text, zone, place)
    return found


def _require(text: str, zone: str, place: str) -> None:
    """Ask the library whether it understands an expression, and whether that ever comes."""
    try:
        from croniter import CroniterError
    except ImportError:
        found, cure = "a cron expression, and no croniter to read it", "pip install 'headrace[schedule]', or --every"
        raise HeadraceError(Fault("HR-SCHEDULE-005", place, found, "croniter", cure)) from None
    try:
        Schedule(text, zone).next_after(clock.now_us())
    except (CroniterError, ValueError, OverflowError) as error:
        why = (str(error).strip().splitlines() or ["it never comes"])[0][:200]
        raise HeadraceError(not_a_schedule(text, place, why)) from None


def _length(text: str) -> int | None:
    try:
        return duration_us(text)
    except ValueError:
        return None
