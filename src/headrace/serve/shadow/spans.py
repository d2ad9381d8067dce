"""Who is the shadow of a service, and since when: that says which version scores which record, whoever does it."""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from headrace.declare import Service
from headrace.errors import Fault, HeadraceError
from headrace.learn import Registry, Version


@dataclass(frozen=True)
class Span:
    """From when on a version is the shadow of a service, until the next span begins.

    Args:
        since: records decided from then on are scored by it, microseconds UTC.
        model, version, digest: of it; an empty model for none.
    """

    since: int
    model: str = ""
    version: int = 0
    digest: str = ""

    @property
    def on(self) -> bool:
        """Whether there is a shadow."""
        return bool(self.model)

    @classmethod
    def of(cls, version: Version | None, since: int) -> Span:
        """Return the span of a version, or of none, that begins."""
        return cls(since) if version is None else cls(since, version.name, version.number, version.digest)

    def same(self, other: Span) -> bool:
        """Whether the other is of the same version."""
        return (self.model, self.version, self.digest) == (other.model, other.version, other.digest)


def shadow_of(service: Service, registry: Registry) -> Version | None:
    """Return the shadow of a service: the version that was set by hand, else the champion of the declared model."""
    by_hand = registry.shadow(service.model.name)
    if by_hand is not None or service.shadow is None:
        return by_hand
    return registry.champion(service.shadow.name)


def place_of(spans: Sequence[Span], decided_at: int) -> int:
    """Return the place of the span to which a record belongs, -1 where it is older than all."""
    return bisect_right(spans, decided_at, key=lambda one: one.since) - 1


class Timeline:
    """The spans of all services, in a file that a running service writes and any process reads.

    Args:
        state_dir: of the project.
    """

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "shadow" / "spans.json"

    def spans(self) -> Mapping[str, tuple[Span, ...]]:
        """Return the spans by service, the oldest first.

        Raises:
            HeadraceError: HR-SHADOW-005 for a file that was altered.
        """
        try:
            said = json.loads(self._path.read_text())
            return {name: tuple(Span(**one) for one in some) for name, some in said.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError):
            found, cure = "shadow/spans.json, which was altered", "restore it, or delete it: shadows then begin anew"
            raise HeadraceError(Fault("HR-SHADOW-005", "", found, "what was written", cure)) from None

    def of(self, service: str) -> tuple[Span, ...]:
        """Return the spans of a service, the oldest first."""
        return self.spans().get(service, ())

    def turn(self, service: str, span: Span) -> bool:
        """Begin a span, unless the last one is of the same version; return whether it began."""
        every = dict(self.spans())
        before = every.get(service, ())
        if span.same(before[-1]) if before else not span.on:
            return False
        every[service] = (*before, span)
        said = {name: [asdict(one) for one in some] for name, some in every.items()}
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self._path.with_suffix(".new")
        with fresh.open("w") as file:
            json.dump(said, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        return True
