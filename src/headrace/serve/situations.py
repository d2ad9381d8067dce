"""What is the matter when rows are decided, as far as the state can tell: tables, news, and keys that nobody knows."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from headrace.declare import Service
from headrace.declare.situations import ANSWER, REFUSE, SITUATIONS, done_in
from headrace.errors import Fault, HeadraceError
from headrace.online import Reading
from headrace.plan.meaning import Plan, WindowGroup
from headrace.types import duration_text, duration_us

REFUSED = "HR-SERVE-018"
NOTHING: tuple[str, ...] = ()
_AHEAD_US = 3_600_000_000
"""By so much a row's time may be ahead of the service's clock."""


class Situations:
    """The situations of a service.

    Args:
        service: with what is to be done in each.
        plan: of its features.
    """

    def __init__(self, service: Service, plan: Plan) -> None:
        self._service = service
        self._done = {name: done_in(service.when, name) for name in SITUATIONS}
        self._entities: dict[tuple[str, ...], list[tuple[str, tuple[str, ...]]]] = {}
        self._sources: dict[str, None] = {}
        self._streams: dict[str, None] = {}
        for group in plan.groups:
            name = group.stream.name if isinstance(group, WindowGroup) else group.table.name
            self._sources[name] = None
            if isinstance(group, WindowGroup):
                self._streams[name] = None
                if plan.spine is not None and name != plan.spine.name:
                    continue  # that a terminal has no chargebacks does not make it unknown
            slots = self._entities.setdefault(group.keys, [])
            if (name, group.keys) not in slots:
                slots.append((name, group.keys))
        self._stale_us = duration_us(service.stale_after) if service.stale_after else None

    def of(self, reading: Reading, moments: Sequence[int], now: int, missing: Collection[str]) -> list[Sequence[str]]:
        """Return what is the matter for each row, as ``"cold_key customer_id"``.

        Args:
            reading: what rows see.
            moments: [rows] their times, microseconds UTC.
            now: microseconds UTC.
            missing: sources that were never loaded.
        """
        common = [f"missing_table {name}" for name in self._sources if name in missing]
        if self._stale_us is not None:
            newest = ((name, reading.newest.get(name)) for name in self._streams if name not in missing)
            common += [f"stale {name}" for name, at in newest if at is not None and now - at > self._stale_us]
        found: list[Sequence[str]] = [tuple(common) if common else NOTHING] * len(moments)
        if max(moments, default=now) - now > _AHEAD_US:
            found = [("future", *one) if at - now > _AHEAD_US else one for at, one in zip(moments, found, strict=True)]
        for keys, slots in self._entities.items():
            counted = [reading.slices[slot].counts for slot in slots]
            if 0 not in counted[0]:
                continue
            for at, seen in enumerate(map(sum, zip(*counted, strict=True))):
                if not seen:
                    found[at] = (*found[at], f"cold_key {', '.join(keys)}")
        return found

    def fallback(self, situation: Sequence[str]) -> str | None:
        """Return the decision that a situation asks for; None where the rules decide.

        Raises:
            HeadraceError: HR-SERVE-018 where it asks to refuse.
        """
        for one in situation:
            name, _, about = one.partition(" ")
            done = self._done.get(name, ANSWER)
            if done == REFUSE:
                raise HeadraceError(self._refusal(name, about))
            if done != ANSWER:
                return done
        return None

    def _refusal(self, name: str, about: str) -> Fault:
        of = f" ({about})" if about else ""
        cure = {
            "future": "see which clock is wrong, and send the time with its zone",
            "cold_key": "ask again when its first event is known, or declare another answer with when=",
            "missing_table": "load it with headrace run",
            "stale": f"see why it has no news for {_text(self._stale_us)}; events come by headrace run or /events",
            "rebuilding": "ask again in a while",
        }[name]
        return Fault(REFUSED, "", f"{SITUATIONS[name]}{of}", f"as {self._service.name} declares", cure)


def _text(us: int | None) -> str:
    return "" if us is None else duration_text(us)
