"""Live events: taken once, durable, numbered and in the state before they are acknowledged."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import lmdb
import numpy as np

from headrace import clock
from headrace.declare import Stream
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake
from headrace.online import State
from headrace.online.build import refresh
from headrace.online.room import is_damage
from headrace.serve.drain import drain_events, event_table
from headrace.serve.fields import Row, RowReader
from headrace.serve.spool import Spool
from headrace.serve.taken import TakenKeys
from headrace.types import LogicalType

_log = logging.getLogger("headrace.serve")
MANY = 20_000
"""Live events, or records, that are worth a commit to the lake while a service runs; the rest goes when it ends."""
_PATIENCE_S = 2.0
"""How long a post waits for a load of the same stream before it is told to come again."""
_YIELD_S = 0.05
"""How long a stream is left alone after it was let go, so that a load that waits for it gets its turn."""


@dataclass(frozen=True)
class Post:
    """Rows of one request; no stream means: let loads have their turn, and catch up with the lake."""

    stream: str = ""
    rows: Sequence[Row] = ()


@dataclass(frozen=True)
class Taken:
    """What became of a post: the sequence of each row, None for one whose key was taken before.

    ``behind`` where the rows are durable and the state could not be written: it is made up for from the spool.
    """

    sequences: tuple[int | None, ...]
    behind: bool = False


@dataclass
class _Turn:
    """A stream as this process last saw it, and while ``hold`` is there no other process adds to it.

    Args:
        last: its newest sequence, in the lake or in the spool.
        version: of its table in the lake, -1 where there is none.
    """

    last: int
    version: int
    hold: ExitStack | None = None


@dataclass
class Intake:
    """The one writer of live events; all of its work is done by one thread.

    Args:
        streams: by name.
        lake, spool, state: where events come to lie.
        now: a clock that never goes back, microseconds UTC.
        keys: of what was taken, by stream.
        drained: whether events were brought into the lake that nobody has judged there.
        resting: whether the state is being made anew: then events are kept, and come into it later.
        damaged: whether the state was found damaged.
        before: the state of processes that end, kept up for as long as they answer.
        parted: whether these have ended.
    """

    streams: dict[str, Stream]
    lake: Lake
    spool: Spool
    state: State
    now: Callable[[], int]
    keys: Mapping[str, TakenKeys]
    drained: bool = False
    resting: bool = False
    damaged: bool = False
    _next: tuple[State, Callable[[], object]] | None = None
    before: State | None = None
    parted: bool = False
    _turns: dict[str, _Turn] = field(default_factory=dict)
    _let_go_at: float = 0.0

    def __post_init__(self) -> None:
        self.readers = {name: RowReader(stream.contract, checked=True) for name, stream in self.streams.items()}
        for name in self.readers:
            self.spool.put_layout(name, layout(self.streams[name]))

    def work(self, posts: Sequence[Post]) -> list[Taken | Exception]:
        """Take some posts in, in their order; those of a stream share one transaction."""
        found: list[Taken | Exception | None] = [None] * len(posts)
        for stream in dict.fromkeys(post.stream for post in posts):
            mine = [i for i, post in enumerate(posts) if post.stream == stream]
            try:
                results = self._take(stream, [posts[i] for i in mine]) if stream else self._settle(mine)
            except Exception as error:  # noqa: BLE001 - it belongs to those who posted
                results = []
                for i in mine:
                    found[i] = error
            for i, result in zip(mine, results, strict=False):
                found[i] = result
        return [one for one in found if one is not None]

    def close(self) -> None:
        """Drain, and let go of all streams, also when that fails: what is not in the lake stays in the spool."""
        try:
            self._drain(0)
        finally:
            self.let_go()

    def _take(self, stream: str, posts: Sequence[Post]) -> list[Taken]:
        turn, behind = self._turn(stream), False
        rows = [row for post in posts for row in post.rows]
        fresh = self._unseen(stream, rows)
        numbered = list[tuple[int, list[Any]]]()
        if fresh:
            values = [list(rows[place].values()) for place in fresh]
            try:
                known = self.spool.put_events(stream, turn.last + 1, values, self.now())
            except BaseException:
                self.keys[stream].forget()
                raise
            numbered = [(seq, [*one, known]) for seq, one in enumerate(values, turn.last + 1)]
            turn.last = numbered[-1][0]
        # also where all were known: else what was looked at would gather, post by post
        self.keys[stream].stored(turn.last)
        if numbered:
            behind = self.resting and stream in self.state.sources
            try:
                self._apply(stream, numbered)
            except Exception as error:  # noqa: BLE001 - whatever it is, the events are taken
                self.damaged |= is_damage(error)
                _log.error("%s while live events were put into the state; they are kept", type(error).__name__)
                behind = True
        given = dict(zip(fresh, (seq for seq, _ in numbered), strict=True))
        return list(_shared(posts, [given.get(place) for place in range(len(rows))], behind))

    def _apply(self, stream: str, numbered: Sequence[tuple[int, list[Any]]]) -> None:
        if not numbered or self.resting:
            return
        if self.before is not None:
            try:
                self._add(self.before, stream, numbered)
            except Exception as error:  # noqa: BLE001 - those who read it end in a moment
                _log.warning("%s while live events were put into the state of before", type(error).__name__)
        self._add(self.state, stream, numbered)

    def _add(self, state: State, stream: str, numbered: Sequence[tuple[int, list[Any]]]) -> None:
        if stream not in state.sources or not numbered:
            return
        if state.position(stream) < numbered[0][0] - 1:
            # an earlier write to the state failed, when what it held was in the spool already
            numbered = self.spool.events(stream, state.position(stream))
        seq = np.array([seq for seq, _ in numbered], dtype=np.int64)
        known = np.array([values[-1] for _, values in numbered], dtype=np.int64)
        state.add(stream, event_table(self.streams[stream], numbered), seq, known)

    def _turn(self, stream: str) -> _Turn:
        """Hold a stream against loads, which would give the same sequences to other rows.

        Raises:
            HeadraceError: HR-SERVE-005 while it is being loaded.
        """
        turn = self._turns.get(stream)
        if turn is not None and turn.hold is not None:
            return turn
        time.sleep(max(0.0, self._let_go_at + _YIELD_S - clock.monotonic_s()))
        with ExitStack() as stack:
            try:
                stack.enter_context(self.lake.lock(stream, wait_s=_PATIENCE_S))
            except HeadraceError:
                found, cure = f"stream {stream}, which is being loaded from files", "post again in a few seconds"
                raise HeadraceError(Fault("HR-SERVE-005", "", found, "a free stream", cure)) from None
            version = self._version(stream)
            if turn is None or turn.version != version:
                self.catch_up()
                turn = _Turn(max(self.lake.sequence(stream), self.spool.log.last(stream)), version)
            turn.hold = stack.pop_all()
        self._turns[stream] = turn
        return turn

    def let_go(self) -> None:
        """Let loads have their turn with all streams."""
        for turn in self._turns.values():
            if turn.hold is not None:
                turn.hold.close()
                turn.hold, self._let_go_at = None, clock.monotonic_s()

    def _version(self, stream: str) -> int:
        return self.lake.version(stream) if self.lake.exists(stream) else -1

    def catch_up(self) -> None:
        """Apply to the state what the lake has learned, then live events that are not there yet.

        One that is damaged stays behind: it is made anew from both.
        """
        if self.resting:
            return
        try:
            refresh(self.state, self.lake)
            for stream in self.streams:
                if stream in self.state.sources:
                    self._apply(stream, self.spool.events(stream, self.state.position(stream)))
        except (HeadraceError, lmdb.Error) as error:
            if not is_damage(error):
                raise
            self.damaged = True
            _log.error("%s while the state caught up; it is made anew", type(error).__name__)

    def replace(self, state: State, taken: Callable[[], object]) -> None:
        """Go on with another state from the next settling on; ``taken`` is called when it has all that was posted."""
        self._next = state, taken

    def _settle(self, asked: Sequence[object]) -> list[Taken]:
        self.let_go()
        if self.parted and self.before is not None:
            self.before.close()
            self.before = None
        if self._next is not None:
            (self.state, taken), self._next, self.resting = self._next, None, False
            self.damaged = False
            self.catch_up()
            taken()
        else:
            self.catch_up()
        self._drain(MANY)
        return [Taken(())] * len(asked)

    def _drain(self, least: int) -> None:
        for stream, declared in self.streams.items():
            if self.spool.events_waiting(stream) > least:
                turn = self._turn(stream)
                drain_events(self.spool, self.lake, declared)
                self.drained = True
                version = self._version(stream)
                self.keys[stream].moved(turn.version, version)
                turn.version = version

    # -- keys

    def _unseen(self, stream: str, rows: Sequence[Row]) -> list[int]:
        """Return the places of rows whose key nobody has, and remember them."""
        known = self.keys[stream]
        if not known.names or not rows:
            return list(range(len(rows)))
        keys = self.readers[stream].arrow(rows).select(known.names)
        index = known.index(self._turns[stream].version)
        repeated = set(index.repeated(keys, np.ones(len(rows), dtype=np.bool_)).tolist())
        return [place for place in range(len(rows)) if place not in repeated]


def layout(stream: Stream) -> dict[str, LogicalType]:
    """Return the fields, with types, in which events of a stream are written."""
    return {name: one.type for name, one in stream.contract.fields().items()}


def _shared(posts: Sequence[Post], sequences: Sequence[int | None], behind: bool) -> Iterator[Taken]:
    begin = 0
    for post in posts:
        mine = tuple(sequences[begin : begin + len(post.rows)])
        yield Taken(mine, behind and any(mine))
        begin += len(post.rows)
