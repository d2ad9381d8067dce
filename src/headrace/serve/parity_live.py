"""Parity while a service runs: a sample of what it served is recomputed from history, again and again."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace import clock
from headrace.declare import node_id
from headrace.errors import HeadraceError
from headrace.plan import compile_set, fingerprints
from headrace.serve.drain import event_table, journals, spool_of
from headrace.serve.journal import Frame, frames, identity, segments
from headrace.serve.loaded import Loaded
from headrace.serve.parity import EXAMPLES, Check, ParityReport
from headrace.serve.record import Record, is_context, unpacked
from headrace.serve.spool import Spool
from headrace.serve.veiled import Veiled

SAMPLE = 200
"""Records of one step: a few milliseconds of what takes longest, so that requests hardly wait for it."""
SHARE = 0.02
"""Of the time that may be spent on it."""
_FILE = "live.json"
_LATER = "history does not reach them yet"


@dataclass
class LiveFigures:
    """What has been compared since the cursor was set: it outlives the service.

    Args:
        records: how many were recomputed.
        compared, differing: values: features, scores, decisions.
        skipped: records that could not be recomputed, by reason.
        examples: the last differences, each with service, feature, record, key, both values and the cause.
        served: how many records there were to choose from.
        oldest_unchecked_s: for how many seconds a record has waited for the next look, at most; 0 where none does.
        failed: why the last step came to nothing, else empty.
    """

    records: int = 0
    compared: int = 0
    differing: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    examples: list[dict[str, Any]] = field(default_factory=list)
    served: int = 0
    oldest_unchecked_s: float = 0.0
    failed: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for ``--json``, metrics and the file."""
        return dict(vars(self))


class LiveParity:
    """Recomputes samples of what a service served; ``step`` is called by one thread, as often as one likes.

    Each step takes some of the records since the last one, at random, and compares them as ``headrace parity`` does.
    Between steps it rests so long that it takes no more than its share of the time.

    Args:
        loaded: the project.
        spool: of the running service, with events that are not in the lake yet.
        sample: records of a step, at most.
        share: of the time, more than 0 and at most 1.
        now_us: the clock, microseconds UTC.
        seed: by which records are chosen.

    Example:
        ``LiveParity(loaded, office.spool).step()``, every few seconds
    """

    def __init__(
        self,
        loaded: Loaded,
        spool: Spool,
        *,
        sample: int = SAMPLE,
        share: float = SHARE,
        now_us: clock.Clock = clock.now_us,
        seed: int | None = None,
    ) -> None:
        self._loaded, self._spool, self._lake = loaded, spool, loaded.lake()
        self._sample, self._share, self._now_us = sample, share, now_us
        self._choose, self._rests_until = random.Random(seed), 0.0  # noqa: S311 - no secret
        self._report = ParityReport()
        self._path = loaded.state_dir / "parity" / _FILE
        said = _read(self._path)
        self._cursors: dict[str, int] = dict(said.get("cursors", {}))
        self._looked_us = int(said.get("looked_us", now_us()))
        self._figures = _figures_of(said)

    def step(self) -> bool:
        """Compare some records, unless it is too early; return whether it looked.

        What goes wrong on the way is told in ``figures().failed``, and what was not compared waits for the next step: a
        service never ends for it.
        """
        begun = clock.monotonic_s()
        if begun < self._rests_until:
            return False
        try:
            self._look()
            self._figures.failed = ""
        except HeadraceError as error:
            self._figures.failed = ", ".join(fault.code for fault in error.faults)
        except Exception as error:  # noqa: BLE001 - it watches a service, and is no part of it
            self._figures.failed = type(error).__name__
        self._rests_until = begun + (clock.monotonic_s() - begun) / self._share
        return True

    def _look(self) -> None:
        now = self._now_us()
        cursors, served, chosen = self._sampled()
        self._report.clear()
        if chosen:
            self._compare(chosen)
            self._count()
        self._figures.served += served
        self._cursors, self._looked_us = cursors, now
        self._keep()

    def figures(self) -> LiveFigures:
        """Return what was compared so far, and for how long something waits for it."""
        files = (path for folder in self._journals() for path in segments(folder))
        newest = max((path.stat().st_mtime_ns // 1000 for path in files), default=0)
        waits = newest > self._looked_us
        self._figures.oldest_unchecked_s = max(0, self._now_us() - self._looked_us) / 1e6 if waits else 0.0
        return self._figures

    @cached_property
    def _checks(self) -> dict[str, Check]:
        """What compares the records of each service, by the fingerprint of its declaration; no start waits for it."""
        loaded, veiled = self._loaded, Veiled(self._loaded)
        prints, registry = fingerprints(loaded.project), loaded.registry()
        return {
            (said := prints[node_id(one)]): Check(
                one, compile_set(one.model.cases), said, registry, self._report, veiled
            )
            for one in loaded.project.all_services.values()
        }

    def _compare(self, found: list[Record]) -> None:
        events = {stream: self._spool.events(stream) for stream in self._loaded.project.streams}
        reached = {
            name: self._reached(name, events) for name in {one for r in found for one in json.loads(r["horizon"])}
        }

        def waiting(stream: str) -> pa.Table | None:
            if not events.get(stream):
                return None
            declared = self._loaded.project.streams[stream]
            return event_table(declared, events[stream], self._spool.layout(stream))

        others = len(found)
        for declaration, check in self._checks.items():
            mine = [
                one
                for one in found
                if (one["declaration"], one["features_declaration"]) == (declaration, check.meaning)
            ]
            others -= len(mine)
            ready = [one for one in mine if all(reached[name] >= n for name, n in json.loads(one["horizon"]).items())]
            self._report.skip(_LATER, len(mine) - len(ready))
            if ready:
                check.compare(ready, self._lake, waiting)
        self._report.skip("served by other declarations", others)

    def _sampled(self) -> tuple[dict[str, int], int, list[Record]]:
        """The last numbers of the journals, how many are new, and some of these; those in the lake may be gone.

        Held is never more than the sample, however many were served (reservoir sampling, Vitter's algorithm R).
        """
        cursors, served = dict(self._cursors), 0
        chosen, contexts = list[tuple[str, Frame]](), dict[str, list[Frame]]()
        for folder in self._journals():
            own = identity(folder)
            after = last = cursors.get(own, 0)
            contexts[own] = []
            for frame in frames(folder, after):
                if is_context(frame[1]):
                    contexts[own].append(frame)
                elif frame[0] > after:
                    served, last = served + 1, frame[0]
                    if len(chosen) < self._sample:
                        chosen.append((own, frame))
                    elif (at := self._choose.randrange(served)) < self._sample:
                        chosen[at] = own, frame
            cursors[own] = last
        records = [
            one.record(own)
            for own, said in contexts.items()
            for one in unpacked([*said, *(frame for journal, frame in chosen if journal == own)])
        ]
        return cursors, served, records

    def _journals(self) -> list[Path]:
        return journals(spool_of(self._loaded.state_dir))

    def _reached(self, source: str, events: Mapping[str, list[tuple[int, list[object]]]]) -> int:
        """The newest sequence of a source that is in the lake or on its way there; of a table by query its version."""
        waits = events.get(source)
        if waits:
            return waits[-1][0]
        if not self._lake.exists(source):
            return 0
        numbered = "_seq" in self._lake.schema(source).names
        return self._lake.sequence(source) if numbered else self._lake.version(source)

    def _count(self) -> None:
        """Add what the report has to the figures."""
        figures, report = self._figures, self._report
        figures.records += report.records
        figures.compared += report.compared
        figures.differing += report.differing
        figures.skipped = dict(Counter(figures.skipped) + Counter(report.skipped))
        figures.examples = [*figures.examples, *(one.as_dict() for one in report.examples)][-EXAMPLES:]

    def _keep(self) -> None:
        said = {"cursors": self._cursors, "looked_us": self._looked_us, "figures": self.figures().as_dict()}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(said, default=str))
        fresh.replace(self._path)


def live_figures(state_dir: Path) -> dict[str, Any] | None:
    """Return the figures of live parity as a service kept them last, None where none ever ran."""
    said = _read(state_dir / "parity" / _FILE)
    return said.get("figures")


def _figures_of(said: Mapping[str, Any]) -> LiveFigures:
    """The figures that a file holds; those that another version of Headrace kept, and this one does not, are left."""
    known = {one.name for one in fields(LiveFigures)}
    return LiveFigures(**{name: value for name, value in said.get("figures", {}).items() if name in known})


def _read(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
