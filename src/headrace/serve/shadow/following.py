"""The follower: scores what the table of decisions has and the table of the shadow has not yet, each record once.

Which version scores a record is said by the time at which it was decided (``spans``), and how far a journal's records
are scored by the lake's own log; so it may be killed at any time, and two may work at once.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from headrace import clock
from headrace.declare import Service
from headrace.declare.kept import SHADOWS
from headrace.declare.project import SHADOW_OF
from headrace.errors import Fault, HeadraceError
from headrace.lake import Within
from headrace.serve.drain import table_of
from headrace.serve.loaded import Loaded
from headrace.serve.replay.rows import Reader, Replay
from headrace.serve.shadow.spans import Span, Timeline, place_of
from headrace.types import arrow_schema

SCHEMA = arrow_schema(SHADOWS)
AT_ONCE = 8_192
"""Records that are scored and kept together: a few tens of megabytes."""
_LATE_US = 600_000_000
"""How much later than others a record may reach the lake and be seen at once; any later, it is at the next start."""
_AFTER_FAULT_S = 60.0
_LINGER_S = 60.0
"""How long it goes on when there is no shadow any more: what was decided before may be on its way to the lake."""
AGREE, FLIP, SKIPPED = "agree", "flip", "skipped"
Progress = Callable[[str, int, int], None]
Counts = Mapping[tuple[str, int, str], int]
_log = logging.getLogger("headrace.serve")


def shadow_table(service: str) -> str:
    """Return the name of the lake table that holds what the shadow of a service would have decided."""
    return SHADOW_OF.format(service)


def _silent(what: str, done: int, total: int) -> None:
    pass


class Follower:
    """Follows the decisions of a project's services.

    Args:
        loaded: the project.
        now_us: the clock, microseconds UTC.

    ``failed`` has by service the codes of why the last step came to nothing.
    """

    def __init__(self, loaded: Loaded, now_us: clock.Clock = clock.now_us) -> None:
        self._loaded, self._lake, self._now_us = loaded, loaded.lake(), now_us
        self._timeline = Timeline(loaded.state_dir)
        self._services = loaded.project.all_services
        self._low: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self._readers: dict[tuple[str, Span], Reader] = {}
        self.failed: dict[str, str] = {}
        self._counts: dict[str, tuple[int, Counts]] = {}

    def step(self, progress: Progress = _silent) -> int:
        """Score all that the lake has by now; return how many records there were.

        What goes wrong with one service is in ``failed``, told once, and keeps no other from its turn.
        """
        found = 0
        for name, service in self._services.items():
            try:
                found += self._follow(service, progress)
                self.failed.pop(name, None)
            except HeadraceError as error:
                self._fail(name, ", ".join(fault.code for fault in error.faults), str(error))
            except Exception as error:  # noqa: BLE001 - it watches a service, and is no part of it
                self._fail(name, type(error).__name__, type(error).__name__)
        return found

    def counts(self) -> list[tuple[str, str, int, str, int]]:
        """Return how many records each shadow agreed with, would flip or skipped: service, model, version, outcome."""
        found = []
        for name in self._services:
            table = shadow_table(name)
            if self._lake.exists(table):
                version = self._lake.version(table)
                if self._counts.get(name, (-1,))[0] != version:  # another process may have scored some
                    self._counts[name] = version, self._counted(table)
                found += [(name, *key, count) for key, count in self._counts[name][1].items()]
        return found

    @property
    def wanted(self) -> bool:
        """Whether there is a shadow of any service now."""
        every = self._timeline.spans()
        return any(every[name][-1].on for name in self._services if every.get(name))

    def _fail(self, service: str, code: str, told: str) -> None:
        if self.failed.get(service) != code:
            _log.error("the shadow of %s waits: %s", service, told)
        self.failed[service] = code

    def _follow(self, service: Service, progress: Progress) -> int:
        lake, name, table = self._lake, service.name, table_of(service.name)
        spans = self._timeline.of(name)
        if not any(one.on for one in spans) or not lake.exists(table):
            return 0
        version = lake.version(table)
        if self._seen.get(name) == version:
            return 0
        if name not in self._low:
            self._low[name] = self._first(name, spans)
        found, newest, low, total = 0, 0, self._low[name], lake.rows(table)
        for batch in lake.batches(table, within=Within("decided_at", low), batch_rows=AT_ONCE):
            if batch.num_rows:
                found += self._take(service, pa.Table.from_batches([batch]))
                newest = max(newest, batch.column("decided_at").cast(pa.int64()).to_numpy().max())
                progress(f"shadow {name}", found, total)
        self._low[name] = max(low, int(newest) - _LATE_US)
        self._seen[name] = version
        return found

    def _first(self, service: str, spans: Sequence[Span]) -> int:
        """When the oldest record was decided that has a shadow and is not scored yet; now where there is none."""
        table, scored = table_of(service), shadow_table(service)
        ends = [*(one.since for one in spans[1:]), 2**62]
        within = " or ".join(
            f"(at >= {one.since} and at < {end})" for one, end in zip(spans, ends, strict=True) if one.on
        )
        query = (
            f'select min(at) as low from (select record_id, epoch_us(decided_at) as at from "{table}") where ({within})'
        )
        reads = [table]
        if self._lake.exists(scored):
            query += f' and record_id not in (select record_id from "{scored}")'
            reads.append(scored)
        low = self._lake.sql(query, reads=reads)["low"][0].as_py()
        return self._now_us() - _LATE_US if low is None else int(low)

    def _take(self, service: Service, rows: pa.Table) -> int:
        """Score those of some records that have a shadow and are not scored yet."""
        table, places = shadow_table(service.name), [_place(one) for one in rows.column("record_id").to_pylist()]
        apps = {journal: f"shadow:{journal}" for journal, _ in places}
        done = self._lake.committed_each(table, apps.values())
        # after the rows were read: a span that began before one of them was decided is in the file by now
        spans = self._timeline.of(service.name)
        at = rows.column("decided_at").cast(pa.int64()).to_pylist()
        chosen: dict[int, list[int]] = {}
        for row, (journal, number) in enumerate(places):
            span = place_of(spans, at[row])
            if span >= 0 and spans[span].on and number > done[apps[journal]]:
                chosen.setdefault(span, []).append(row)
        parts = [self._scored(service, spans, span, rows.take(pa.array(some))) for span, some in chosen.items()]
        if not parts:
            return 0
        scored = pa.concat_tables(parts)
        with self._lake.lock(table):
            return self._keep(table, scored)

    def _keep(self, table: str, scored: pa.Table) -> int:
        """Append what nobody has appended meanwhile; the caller holds the table's lock."""
        places = [_place(one) for one in scored.column("record_id").to_pylist()]
        last: dict[str, int] = {}
        for journal, number in places:
            last[f"shadow:{journal}"] = max(number, last.get(f"shadow:{journal}", 0))
        done = self._lake.committed_each(table, last)
        fresh = [number > done[f"shadow:{journal}"] for journal, number in places]
        scored = scored.filter(pa.array(fresh, pa.bool_()))
        if scored.num_rows:
            once = [(app, number) for app, number in last.items() if number > done[app]]
            self._lake.append(table, scored, once=once)
        return int(scored.num_rows)

    def _scored(self, service: Service, spans: Sequence[Span], at: int, rows: pa.Table) -> pa.Table:
        """What the version of a span says of records; why it says nothing where it does not."""
        span, ids = spans[at], rows.column("record_id").to_pylist()
        said: dict[str, tuple[float, str]] = {}
        left: dict[str, str] = {}
        try:
            reader = self._reader(service, span)
            reader.left = lambda reason, some: left.update(dict.fromkeys(some, reason))
            part = reader.part(rows)
            if part is not None:
                said = dict(zip(part.ids, zip(part.new.tolist(), part.after, strict=True), strict=True))
        except HeadraceError as error:
            if at + 1 == len(spans):  # it may be mended; of a shadow that is none any more nobody waits for that
                raise
            left = dict.fromkeys(ids, f"its shadow failed ({', '.join(fault.code for fault in error.faults)})")
        nothing = (None, None)
        columns: dict[str, Any] = {
            **{name: rows.column(name) for name in SCHEMA.names if name in rows.column_names},
            "shadow_model": [span.model] * len(ids),
            "shadow_version": [span.version] * len(ids),
            "shadow_digest": [span.digest] * len(ids),
            "shadow_score": [said.get(one, nothing)[0] for one in ids],
            "shadow_decision": [said.get(one, nothing)[1] for one in ids],
            "skipped": [left.get(one) for one in ids],
            "shadowed_at": pa.array([self._now_us()] * len(ids), pa.int64()),
        }
        return pa.table({name: columns[name] for name in SCHEMA.names}).cast(SCHEMA)

    def _reader(self, service: Service, span: Span) -> Reader:
        key = (service.name, span)
        if key not in self._readers:
            version = self._loaded.registry().version(span.model, span.version)
            if version.digest != span.digest:
                found = f"version {span.version} of {span.model} with another model file"
                cure = f"headrace models shadow {span.model} VERSION"
                raise HeadraceError(Fault("HR-SHADOW-002", "", found, f"SHA-256 {span.digest[:12]}…", cure))
            self._readers[key] = Reader(Replay(self._loaded, service, version), ())
        return self._readers[key]

    def _counted(self, table: str) -> Counts:
        outcome = f"""case when shadow_decision is null then '{SKIPPED}'
                      when shadow_decision = decision then '{AGREE}' else '{FLIP}' end"""
        query = f'select shadow_model, shadow_version, {outcome} as outcome, count(*) as n from "{table}" group by all'
        rows = self._lake.sql(query, reads=[table]).to_pylist()
        return {(one["shadow_model"], one["shadow_version"], one["outcome"]): one["n"] for one in rows}


def follow(loaded: Loaded, told: IO[str], every_s: float) -> None:
    """Follow the decisions of a running service until it ends, or has no shadow any more; for a process of its own.

    It only gets the CPU that nobody else wants, so that no answer waits for it.

    Args:
        loaded: the project.
        told: a pipe whose other end the service holds: at its end the service has ended, however it did.
        every_s: seconds between two steps.
    """
    follower, path = Follower(loaded), figures_file(loaded.state_dir)
    ended, wanted = False, clock.monotonic_s()
    while not ended and clock.monotonic_s() - wanted < _LINGER_S:
        follower.step()
        _write(path, follower)
        if follower.wanted:
            wanted = clock.monotonic_s()
        rest = max(every_s, _AFTER_FAULT_S) if follower.failed else every_s
        ended = bool(select.select([told], [], [], rest)[0])
    follower.step()
    _write(path, follower)


def give_way() -> None:
    """Let this process have only the CPU that nobody else wants."""
    with contextlib.suppress(AttributeError, OSError):  # where there is no such class, niceness has to do
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        return
    os.nice(19)


def figures_file(state_dir: Path) -> Path:
    """Return the file in which a follower says what it has done."""
    return state_dir / "shadow" / "figures.json"


def _write(path: Path, follower: Follower) -> None:
    said = {"counts": follower.counts(), "failed": follower.failed}
    fresh = path.with_suffix(".new")
    with contextlib.suppress(OSError):  # figures of before are better than none
        fresh.write_text(json.dumps(said))
        fresh.replace(path)


def _place(record_id: str) -> tuple[str, int]:
    """The journal of a record, and its number there."""
    journal, _, number = record_id.rpartition("-")
    return journal, int(number)
