"""A service that decides events, a micro-batch of them at a time, with the bits that a request and history have."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headrace.declare import Service
from headrace.engines.frame import Frame
from headrace.errors import Fault, HeadraceError
from headrace.kernel.column import Column, all_held
from headrace.kernel.typing import Ints
from headrace.online import State
from headrace.online.features import LiveFeatures
from headrace.serve.desk import Decided
from headrace.serve.loaded import Loaded
from headrace.serve.record import Context, kept, packed
from headrace.serve.scoring.making import maker_of
from headrace.serve.scoring.matters import Matters
from headrace.serve.streaming.decided import written
from headrace.serve.values import beyond_float32, leaving, matrix
from headrace.serve.veiled import Veiled

_OLD = "HR-ONLINE-003"


@dataclass(frozen=True)
class Events:
    """Events of a service's own stream.

    Args:
        rows: each with all fields of the contract, as the kernel holds them.
        frame: the fields that plans and rules read, as columns, with sequence and known time.
        moment: [rows] event time, microseconds UTC.
        horizon: [rows] by source, the last sequence that each sees.
    """

    rows: Sequence[Mapping[str, Any]]
    frame: Frame
    moment: Ints
    horizon: Mapping[str, Ints]

    def part(self, chosen: Ints) -> Events:
        """Return some of them."""
        assert self.frame.seq is not None
        assert self.frame.known is not None
        columns = {name: column.take(chosen) for name, column in self.frame.columns.items()}
        frame = Frame(len(chosen), columns, self.frame.seq[chosen], self.frame.known[chosen])
        horizon = {name: one[chosen] for name, one in self.horizon.items()}
        return Events([self.rows[at] for at in chosen.tolist()], frame, self.moment[chosen], horizon)


class EventDesk:
    """Decides the events of the stream that a service's model is asked about.

    Args:
        loaded: the project.
        service: the declaration; its model must have a champion.
        state: of the keys.
        journal: with which the ids of its records begin.
        veiled: puts pseudonyms into records.
        declaration: fingerprint of the service.
        missing: sources that were never loaded.

    Raises:
        HeadraceError: HR-SERVE-002 no champion, 003 one of other features.
    """

    def __init__(
        self,
        loaded: Loaded,
        service: Service,
        state: State,
        journal: str,
        veiled: Veiled,
        declaration: str,
        missing: Sequence[str] = (),
    ) -> None:
        self.maker, self.state, self._journal = maker_of(loaded, service), state, journal
        self.stream = service.model.cases.spine
        self._matters = Matters(service, self.maker.plan, True, missing)
        self._live = LiveFeatures(self._matters.within(self.maker.plan), state)
        self._context = Context.of(self.maker, declaration, veiled.writing(self.maker))
        self._outputs = [(one.name, one.type) for one in self.maker.plan.outputs]

    @property
    def reads(self) -> tuple[str, ...]:
        """Fields of the events that it reads as columns."""
        return tuple(dict.fromkeys((self.stream.event_time, *self.maker.plan.row_columns, *self.maker.rules.fields)))

    def decide(self, events: Events) -> tuple[list[bytes], list[bytes]]:
        """Return the records of events, in their order, and why some have none: both as they stand in the log."""
        refused = list[tuple[int, HeadraceError]]()
        old = self._live.too_old(events.moment)
        if old.any():
            refused += [(at, _too_old(self.stream.name)) for at in np.flatnonzero(old).tolist()]
        chosen = np.flatnonzero(~old)
        records = self._records(events.part(chosen) if len(refused) else events, chosen, refused) if len(chosen) else []
        said = [_refusal(events, at, error) for at, error in sorted(refused, key=lambda one: one[0])]
        return records, said

    def _records(self, events: Events, places: Ints, refused: list[tuple[int, HeadraceError]]) -> list[bytes]:
        made = self._live.of(events.frame, {name: int(one.max()) for name, one in events.horizon.items()})
        length, maker = len(events.rows), self.maker
        codes = self._matters.of(made, events.moment)
        done = {code: self._matters.done(code) for code in np.unique(codes).tolist()}
        x = matrix(made, maker.model.scorer, length)
        beyond = np.isinf(x)
        scores = maker.model.score(np.where(beyond, np.float32(0), x))
        fields = {name: events.frame.columns[name] for name in maker.rules.fields}
        decisions = [maker.rules.names[at] for at in maker.rules.decide({**fields, **made}, scores).tolist()]
        left = zip(*(_left(made[name]) for name, _ in self._outputs), strict=True)
        said = {code: self._matters.said(code) for code in done}
        assert events.frame.known is not None
        assert events.frame.seq is not None
        known, seq = events.frame.known.tolist(), events.frame.seq.tolist()
        sources, lasts = list(events.horizon), zip(*(one.tolist() for one in events.horizon.values()), strict=True)
        horizons = [dict(zip(sources, one, strict=True)) for one in lasts]
        names, found = self._context.features, list[bytes]()
        each = zip(events.rows, left, codes.tolist(), scores.tolist(), np.any(beyond, axis=1).tolist(), strict=True)
        for at, (row, values, code, score, large) in enumerate(each):
            wrong = done[code]
            if isinstance(wrong, HeadraceError):
                refused.append((int(places[at]), wrong))
            elif large:
                feature = maker.model.scorer.features[int(np.argmax(beyond[at]))]
                refused.append((int(places[at]), beyond_float32(feature)))
            elif score != score:
                refused.append((int(places[at]), _no_score(maker.version.name)))
            else:
                decision = wrong or decisions[at]
                one = Decided(dict(row), names, values, score, decision, known[at], horizons[at], [], said[code])
                record = kept(seq[at], self._context, packed(self._context, one, known[at], 0, None))
                found.append(written(record.record(self._journal)))
        return found


def _left(column: Column) -> list[Any]:
    """Return the values of a feature as they leave Headrace."""
    kind, values = column.type, all_held(column)
    return [leaving(value, kind) for value in values] if kind.name in ("decimal", "list") else values


def _refusal(events: Events, at: int, error: HeadraceError) -> bytes:
    """Return why an event has no decision; nothing of its values."""
    assert events.frame.seq is not None
    faults = [fault.as_dict() for fault in error.faults]
    return json.dumps({"seq": int(events.frame.seq[at]), "faults": faults}, separators=(",", ":")).encode()


def _too_old(stream: str) -> HeadraceError:
    found = f"an event of {stream} whose windows reach further back than the state of its keys"
    cure = "score it in batch: headrace score reads all history; it is in the lake like any other"
    return HeadraceError(Fault(_OLD, "", found, "an event time that the state reaches", cure))


def _no_score(model: str) -> HeadraceError:
    cure = "impute the nulls that the model cannot take, and train it again"
    return HeadraceError(Fault("HR-LEARN-007", "", f"a score of {model} that is NaN or infinite", "a number", cure))
