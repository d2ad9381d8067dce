"""The worker against a plain list: ended anywhere, doubled, and begun anew; each event is done once."""

import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from headrace.errors import HeadraceError
from headrace.stream.embedded import EmbeddedLog
from headrace.stream.worker import Worker


def payloads(log, topic):
    return [payload for group in log.read(topic, 0, 1 << 40) for payload in group.payloads]


class Ended(Exception):
    """A process that was ended."""


class Machine(RuleBasedStateMachine):
    """Output is a function of the input's order alone, whatever the batches and wherever a worker ended."""

    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        self.log, self.given, self.seen = EmbeddedLog(Path(self.folder.name), 16 << 20), [], []

    def teardown(self):
        if hasattr(self, "log"):
            self.log.close()
            self.folder.cleanup()

    def handle(self, batch):
        self.seen += zip(batch.seq.tolist(), batch.known.tolist(), batch.payloads, strict=True)
        return {"out": [one * 2 for one in batch.payloads], "odd": [one for one in batch.payloads if len(one) % 2]}

    def worker(self, most):
        return Worker(self.log, "doubling", "in", self.handle, most=most, now_us=lambda: 5)

    @rule(some=st.lists(st.binary(min_size=1, max_size=5), min_size=1, max_size=9), gap=st.sampled_from([None, 0, 2]))
    def post(self, some, gap):
        first = None if gap is None else self.log.last("in") + 1 + gap
        group = self.log.append("in", some, now=1, first=first)
        self.given += [(group.first + at, group.known, one) for at, one in enumerate(some)]

    @rule(most=st.integers(1, 8), steps=st.integers(1, 4))
    def work(self, most, steps):
        worker = self.worker(most)
        assert sum(worker.step() for _ in range(steps)) == worker.figures.events

    @rule(most=st.integers(1, 8))
    def ended_before_it_wrote(self, most):
        def ends(batch):
            raise Ended

        worker = Worker(self.log, "doubling", "in", ends, most=most)
        waits = bool(worker.lag) and any(seq > self.log.position("doubling", "in") for seq, _, _ in self.given)
        if waits:
            with pytest.raises(Ended):
                worker.step()

    @rule(most=st.integers(1, 8))
    def another_was_faster(self, most):
        def slow(batch):
            while self.worker(3).step():
                pass
            return {"out": [b"never"]}

        if any(seq > self.log.position("doubling", "in") for seq, _, _ in self.given):
            with pytest.raises(HeadraceError, match="HR-LOG-002 in: found a worker doubling"):
                Worker(self.log, "doubling", "in", slow, most=most).step()

    @rule()
    def begun_anew(self):
        self.log.close()
        self.log = EmbeddedLog(Path(self.folder.name), 16 << 20)

    @invariant()
    def each_is_there_once(self):
        if not hasattr(self, "log"):
            return
        done = [one for one in self.given if one[0] <= self.log.position("doubling", "in")]
        assert payloads(self.log, "out") == [one[2] * 2 for one in done]
        assert payloads(self.log, "odd") == [one[2] for one in done if len(one[2]) % 2]
        assert self.seen == done


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


def test_a_worker_takes_what_comes_until_it_is_told_to_stop(tmp_path):
    log, stop, waited = EmbeddedLog(tmp_path), threading.Event(), []
    worker = Worker(log, "copy", "in", lambda batch: {"out": batch.payloads}, took=lambda *told: waited.append(told))
    running = threading.Thread(target=worker.run, args=[stop])
    running.start()
    for at in range(50):
        log.append("in", [b"%d" % at], now=at)
    while worker.lag:
        pass
    stop.set()
    running.join()
    assert payloads(log, "out") == [b"%d" % at for at in range(50)]
    assert (worker.figures.events, worker.figures.written) == (50, {"out": 50})
    assert sum(len(times) for _, times in waited) == 50
    log.close()


def test_altered_events_are_told_and_nothing_is_decided_in_their_place(tmp_path):
    log = EmbeddedLog(tmp_path)
    log.append("in", [b"one", b"two"], now=1)
    log.append("in", [b"three"], now=2)
    with log._env.begin(write=True, db=log._env.open_db(b"topic:in")) as transaction:
        (key, raw), *_ = list(transaction.cursor())
        transaction.put(key, raw[:-1] + b"x")
    worker = Worker(log, "copy", "in", lambda batch: {"out": batch.payloads})
    with pytest.raises(HeadraceError, match="HR-LOG-001 in: found 1 to 1 of the log, altered on disk"):
        worker.step()
    assert payloads(log, "out") == []
    assert worker.lag == 3
    log.close()
