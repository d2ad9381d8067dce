"""Swapping: a new champion is loaded, warmed and tried on what was just asked, beside the one that serves.

Nothing of that is on the way of a request. One that cannot be loaded, or fails on a row that the other answered, stays
out; the other serves on.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from headrace import clock
from headrace.errors import Fault, HeadraceError
from headrace.learn import Registry, Version
from headrace.online import State
from headrace.serve.desk import Desk, warm
from headrace.serve.fields import Row

RECENT = 256
"""Rows of a service on which a new version is tried."""
SHOWN = 50
"""Changes that are remembered."""
_log = logging.getLogger("headrace.serve")


@dataclass(frozen=True)
class Change:
    """What became of a new champion.

    Args:
        service, model, version: of it.
        before: the version that served until then.
        at: when, microseconds UTC.
        serves: whether it serves now.
        why: what kept it out; else empty.
        tried, flipped: on how many recent rows it was tried, and how many of these it decides otherwise.
    """

    service: str
    model: str
    version: int
    before: int
    at: int
    serves: bool
    why: str
    tried: int = 0
    flipped: int = 0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Recent:
    """The last rows of each service with what was decided; in memory alone."""

    def __init__(self) -> None:
        self._rows: dict[str, deque[tuple[Row, str]]] = {}

    def note(self, service: str, row: Row, decision: str) -> None:
        """Remember a row."""
        if service not in self._rows:
            self._rows[service] = deque(maxlen=RECENT)
        self._rows[service].append((row, decision))

    def of(self, service: str) -> list[tuple[Row, str]]:
        """Return the rows of a service, the oldest first."""
        return list(self._rows.get(service, ()))


class Swap:
    """Looks for new champions.

    Args:
        registry: of the models.
        recent: rows on which they are tried.
        now: microseconds UTC.
    """

    def __init__(self, registry: Registry, recent: Recent, now: clock.Clock) -> None:
        self._registry, self._recent, self._now = registry, recent, now
        self._out: dict[str, tuple[int, str]] = {}
        self.changes: deque[Change] = deque(maxlen=SHOWN)

    def look(self, desks: Mapping[str, Desk], state: State, missing: Collection[str]) -> dict[str, Desk]:
        """Return the desks that are to take over, by service; called by a thread that no request waits for."""
        return dict(self._found(desks, state, missing))

    def _found(self, desks: Mapping[str, Desk], state: State, missing: Collection[str]) -> Iterator[tuple[str, Desk]]:
        for name, desk in desks.items():
            champion = self._registry.champion(desk.service.model.name)
            if champion is None:  # who took it away did not say what else is to serve
                continue
            one = (champion.number, champion.digest)
            if one == (desk.version.number, desk.version.digest):
                self._out.pop(name, None)
                continue
            if self._out.get(name) == one:
                continue
            new = self._tried(name, desk, champion, state, missing)
            if new is None:
                self._out[name] = one
            else:
                yield name, new

    def _tried(self, name: str, desk: Desk, champion: Version, state: State, missing: Collection[str]) -> Desk | None:
        rows = self._recent.of(name)
        try:
            new = desk.of(champion, self._registry)
            warm(new, state)
            found = (
                new.decide_all([row for row, _ in rows], state, self._now(), [0] * len(rows), missing) if rows else []
            )
            failed = [one for one in found if isinstance(one, HeadraceError) and one.faults[0].code not in OF_STATE]
            if failed:
                raise HeadraceError(_fails(champion, len(failed), len(rows), failed[0].faults[0].code))
        except HeadraceError as error:
            why = "; ".join(str(fault) for fault in error.faults)
            self._tell(name, desk, champion, why=why, tried=len(rows))
            return None
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a new version, the old one serves on
            self._tell(name, desk, champion, why=type(error).__name__, tried=len(rows))
            return None
        flipped = sum(
            not isinstance(one, HeadraceError) and one.decision != before
            for one, (_, before) in zip(found, rows, strict=True)
        )
        self._tell(name, desk, champion, tried=len(rows), flipped=flipped)
        return new

    def _tell(self, name: str, desk: Desk, champion: Version, why: str = "", tried: int = 0, flipped: int = 0) -> None:
        model, before = champion.name, desk.version.number
        one = Change(name, model, champion.number, before, self._now(), not why, why, tried, flipped)
        self.changes.append(one)
        if why:
            _log.error("version %d of %s stays out, %d serves on: %s", one.version, model, before, why)
        else:
            _log.warning("version %d of %s serves, after %d: %d of %d recent rows are decided otherwise",
                         one.version, model, before, flipped, tried)  # fmt: skip


OF_STATE = ("HR-ONLINE-001", "HR-ONLINE-003", "HR-SERVE-018")
"""What a row may meet with whatever version decides."""


def _fails(champion: Version, failed: int, tried: int, code: str) -> Fault:
    found = f"version {champion.number} of {champion.name}, which fails on {failed} of {tried} recent rows ({code})"
    cure = f"headrace models promote {champion.name} VERSION with one that does not"
    return Fault("HR-SERVE-019", "", found, "an answer to each", cure)
