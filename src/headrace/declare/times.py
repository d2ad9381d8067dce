"""When a project is to run by itself, as it is declared: what can be seen without the library that reads cron."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

from headrace.declare.base import type_fault
from headrace.errors import Fault
from headrace.types import duration_us

_FIELD = re.compile(r"[0-9A-Za-z*?L#,/-]+")
_ALIASES = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")


def schedule_faults(schedule: object, zone: object, place: str) -> list[Fault]:
    """Return the faults of a schedule: a length of time such as ``"15m"``, or cron's five fields in a time zone."""
    faults = []
    if not isinstance(schedule, str):
        faults.append(type_fault(place, "schedule", schedule, "text such as '15m' or '0 */2 * * *'"))
    elif not _looks_right(schedule):
        faults.append(not_a_schedule(schedule, place))
    if not isinstance(zone, str):
        faults.append(type_fault(place, "zone", zone, "text such as 'Europe/Berlin'"))
    elif not _is_zone(zone):
        cure = "write 'UTC', or a name of the IANA database such as 'Europe/Berlin'"
        faults.append(Fault("HR-SCHEDULE-004", place, f"the time zone {zone!r}", "the name of a time zone", cure))
    return faults


def not_a_schedule(text: str, place: str, why: str = "") -> Fault:
    """Return the fault of a text that is no schedule."""
    expected = "a time such as '15m', or five fields: minute, hour, day, month, day of the week"
    found = f"the schedule {text!r}{f': {why}' if why else ''}"
    return Fault("HR-SCHEDULE-003", place, found, expected, "write '0 */2 * * *' for every second hour")


def _looks_right(text: str) -> bool:
    try:
        return duration_us(text) > 0
    except ValueError:
        fields = text.split()
        return text in _ALIASES or (len(fields) == 5 and all(_FIELD.fullmatch(one) for one in fields))


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found; a path out of the database; a folder of zones
        return False
    return True
