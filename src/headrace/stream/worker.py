"""The worker: takes what follows its position in a topic, hands it on, and puts what comes of it into the log with it.

Output and position are one transaction, so nothing is lost and nothing is there twice, whenever it is killed; what it
computes is a function of the log alone, so that what is done again after a kill is done to the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event

import numpy as np

from headrace import clock
from headrace.errors import Fault, HeadraceError
from headrace.kernel.typing import Ints
from headrace.stream.log import Group, Log

MOST = 4096
"""Events of a micro-batch at most: what waits behind them waits for all."""
_REST_S = 0.002
"""How long a worker that has nothing to do waits before it looks again."""


@dataclass(frozen=True)
class Batch:
    """Consecutive events of a topic.

    Args:
        topic: of them.
        seq: [events] their sequences.
        known: [events] when the log took each, microseconds UTC.
        payloads: [events] as they were given.
    """

    topic: str
    seq: Ints
    known: Ints
    payloads: Sequence[bytes]

    @classmethod
    def of(cls, topic: str, groups: Sequence[Group]) -> Batch:
        """Return some groups as one batch."""
        lengths = [len(one) for one in groups]
        seq = np.concatenate([np.arange(one.first, one.last + 1) for one in groups])
        known = np.repeat(np.array([one.known for one in groups], dtype=np.int64), lengths)
        return cls(topic, seq, known, [payload for one in groups for payload in one.payloads])

    def __len__(self) -> int:
        return len(self.payloads)


Output = Mapping[str, Sequence[bytes]]
"""Payloads by topic."""


@dataclass
class Figures:
    """What a worker has done since it began.

    Args:
        events, batches: taken.
        written: payloads, by topic.
    """

    events: int = 0
    batches: int = 0
    written: dict[str, int] = field(default_factory=dict)


class Worker:
    """Carries a topic of a log through a function into other topics of it, exactly once.

    Args:
        log: with the topic.
        name: of the worker, under which its position is kept.
        topic: that it reads.
        handle: makes of a batch what is written; it is called with each event exactly once, unless a worker was ended
            in between, and then with the very same events.
        most: events of a batch.
        now_us: the clock, by which the time of output is told.
        took: is told how long each event of a batch was on its way, microseconds.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from headrace.stream.embedded import EmbeddedLog
        >>> log = EmbeddedLog(Path(tempfile.mkdtemp()))
        >>> _ = log.append("words", [b"one", b"two"], now=1)
        >>> worker = Worker(log, "loud", "words", lambda batch: {"loud": [one.upper() for one in batch.payloads]})
        >>> worker.step(), worker.step()
        (2, 0)
        >>> log.read("loud", 0, 10)[0].payloads
        [b'ONE', b'TWO']
    """

    def __init__(
        self,
        log: Log,
        name: str,
        topic: str,
        handle: Callable[[Batch], Output],
        *,
        most: int = MOST,
        now_us: clock.Clock = clock.now_us,
        took: Callable[[str, Ints], None] = lambda topic, waited_us: None,
    ) -> None:
        self._log, self.name, self.topic, self._handle = log, name, topic, handle
        self._most, self._now_us, self._took = most, now_us, took
        self.figures = Figures()

    @property
    def lag(self) -> int:
        """How many events wait for it, at most."""
        return max(0, self._log.last(self.topic) - self._log.position(self.name, self.topic))

    def step(self) -> int:
        """Take a micro-batch; return how many events that were, 0 where none waits.

        Raises:
            HeadraceError: HR-LOG-001 where what comes next is not what was written, 002 where another worker of the
                same name has done it meanwhile: then nothing of ours is in the log.
        """
        begun = self._log.position(self.name, self.topic)
        groups = self._log.read(self.topic, begun, self._most)
        if not groups:
            return 0
        batch = Batch.of(self.topic, groups)
        output = self._handle(batch)
        now = self._now_us()
        with self._log.transaction() as writing:
            if writing.position(self.name, self.topic) != begun:
                raise HeadraceError(_replaced(self.name, self.topic))
            for topic, payloads in output.items():
                if payloads:
                    writing.append(topic, payloads, now)
            writing.reached(self.name, self.topic, int(batch.seq[-1]))
        self._count(batch, output)
        self._took(batch.topic, self._now_us() - batch.known)
        return len(batch)

    def run(self, stop: Event) -> None:
        """Take what comes until told to stop; what is under way then is finished.

        Raises:
            HeadraceError: as ``step``.
        """
        while not stop.is_set():
            if not self.step():
                stop.wait(_REST_S)

    def _count(self, batch: Batch, output: Output) -> None:
        figures = self.figures
        figures.events += len(batch)
        figures.batches += 1
        for topic, payloads in output.items():
            figures.written[topic] = figures.written.get(topic, 0) + len(payloads)


def _replaced(name: str, topic: str) -> Fault:
    found = f"a worker {name} whose part of {topic} another one has done"
    return Fault("HR-LOG-002", topic, found, "one worker of a name", "stop one of them: nothing is there twice")
