"""The embedded log against a plain list, killed, altered, full, and read while it is written."""

import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import lmdb
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from headrace.errors import HeadraceError
from headrace.stream import embedded
from headrace.stream.embedded import Damage, EmbeddedLog

PAYLOADS = st.lists(st.binary(max_size=40), min_size=1, max_size=12)


def entries(log, topic, after=0, most=1 << 40):
    return [(seq, group.known, payload) for group in log.read(topic, after, most) for seq, payload in group]


class Machine(RuleBasedStateMachine):
    """What was appended is what is read, wherever one begins; positions and output come together or not at all."""

    @initialize(size=st.sampled_from([1, 60, 128 << 10]))
    def begin(self, size):
        self.folder = tempfile.TemporaryDirectory()
        self.before, embedded.ENTRY_BYTES = embedded.ENTRY_BYTES, size
        self.log = EmbeddedLog(Path(self.folder.name), 16 << 20)
        self.written = {"a": [], "b": []}
        self.positions, self.forgotten, self.clock = {}, {"a": 0, "b": 0}, 0

    def tick(self, now):
        self.clock = max(now, self.clock + 1)
        return self.clock

    def teardown(self):
        if hasattr(self, "log"):
            self.log.close()
            embedded.ENTRY_BYTES = self.before
            self.folder.cleanup()

    def wrote(self, topic, group, payloads, now):
        assert group.known == now
        self.written[topic] += [(group.first + at, now, one) for at, one in enumerate(payloads)]

    def last(self, topic):
        return self.written[topic][-1][0] if self.written[topic] else 0

    @rule(topic=st.sampled_from("ab"), payloads=PAYLOADS, now=st.integers(0, 100), gap=st.sampled_from([None, 0, 3]))
    def append(self, topic, payloads, now, gap):
        first = None if gap is None else self.last(topic) + 1 + gap
        group = self.log.append(topic, payloads, now, first)
        assert group.first == (first or self.last(topic) + 1)
        self.wrote(topic, group, payloads, self.tick(now))

    @rule(payloads=PAYLOADS, now=st.integers(0, 100), fails=st.booleans(), reached=st.integers(0, 50))
    def write_together(self, payloads, now, fails, reached):
        try:
            with self.log.transaction() as writing:
                one = writing.append("a", payloads, now)
                two = writing.append("b", payloads, now)
                writing.reached("worker", "a", reached)
                if fails:
                    raise KeyError
        except KeyError:
            return
        now = self.tick(now)
        self.wrote("a", one, payloads, now)
        self.wrote("b", two, payloads, now)
        self.positions["worker"] = reached

    @rule(topic=st.sampled_from("ab"), upto=st.integers(0, 80))
    def forget(self, topic, upto):
        self.log.forget(topic, upto)
        self.forgotten[topic] = max(self.forgotten[topic], upto)

    @rule()
    def begin_anew(self):
        self.log.close()
        self.log = EmbeddedLog(Path(self.folder.name), 16 << 20)

    @rule(topic=st.sampled_from("ab"), after=st.integers(0, 80), most=st.integers(1, 30))
    def read(self, topic, after, most):
        after = max(after, self.forgotten[topic])
        assert entries(self.log, topic, after, most) == [one for one in self.written[topic] if one[0] > after][:most]

    @invariant()
    def stands(self):
        if not hasattr(self, "log"):
            return
        for topic in "ab":
            assert self.log.last(topic) == self.last(topic)
            assert self.log.damaged(topic) == []
            kept = entries(self.log, topic)
            assert kept == self.written[topic][len(self.written[topic]) - len(kept) :]
            assert all(one[0] <= self.forgotten[topic] for one in self.written[topic][: -len(kept) or None])
        assert self.log.position("worker", "a") == self.positions.get("worker", 0)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


@pytest.fixture
def log(tmp_path):
    opened = EmbeddedLog(tmp_path / "log", 64 << 20)
    yield opened
    opened.close()


def altered(log, topic, change):
    """Alter entries as a bad disk does: ``change`` takes an entry's first sequence and value, and what is there."""
    database = log._env.open_db(b"topic:" + topic.encode())
    with log._env.begin(write=True, db=database) as transaction:
        for key, value in list(transaction.cursor()):
            transaction.put(key, change(struct.unpack(">Q", key)[0], bytes(value)))


def test_what_was_altered_is_told_and_what_is_in_front_of_it_is_read(log):
    for begin in range(1, 31, 10):
        log.append("payments", [b"%d" % at for at in range(begin, begin + 10)], now=begin)
    altered(log, "payments", lambda first, raw: raw if first != 11 else raw[:-1] + b"!")
    assert log.damaged("payments") == [Damage("payments", 11, 20)]
    assert [one[0] for one in entries(log, "payments")] == [*range(1, 11)]
    with pytest.raises(HeadraceError, match="HR-LOG-001 payments: found 11") as told:
        log.read("payments", 10, 5)
    assert "what was written" in str(told.value)
    assert [one[0] for one in entries(log, "payments", 20)] == [*range(21, 31)]
    assert log.forget("payments", 20) == 20
    assert log.damaged("payments") == []


@pytest.mark.parametrize("cut", [0, 3, 15, 20])
def test_an_entry_that_was_cut_off_is_told(log, cut):
    log.append("payments", [b"one", b"two"], now=1)
    altered(log, "payments", lambda _, raw: raw[:cut])
    assert log.damaged("payments") == [Damage("payments", 1, 2)]
    with pytest.raises(HeadraceError, match="HR-LOG-001"):
        log.read("payments", 0, 5)


def test_sequences_and_times_never_go_back(log):
    log.append("payments", [b"one"], now=50)
    assert log.append("payments", [b"two"], now=20).known == 51
    assert log.append("chargebacks", [b"of one"], now=51).known == 52
    log.forget("payments", 2)
    with pytest.raises(ValueError, match="sequence 2 of payments, which is at 2"):
        log.append("payments", [b"again"], now=60, first=2)
    assert log.append("payments", [b"three"], now=60).first == 3
    with pytest.raises(ValueError, match="without payloads"):
        log.append("payments", [], now=60)


def test_a_full_log_takes_nothing_and_says_so(tmp_path):
    log = EmbeddedLog(tmp_path, 1 << 20)
    taken = 0

    def fill():
        nonlocal taken
        while True:
            taken = log.append("payments", [random.randbytes(1000) for _ in range(50)], now=1).last

    with pytest.raises(HeadraceError, match="HR-ONLINE-002"):
        fill()
    assert log.last("payments") == taken
    assert len(entries(log, "payments")) == taken
    log.close()


WRITER = """
import sys, time
from pathlib import Path
from headrace.stream.embedded import EmbeddedLog
log = EmbeddedLog(Path(sys.argv[1]))
while True:
    begin = log.last("events")
    with log.transaction() as writing:
        group = writing.append("events", [b"%d" % (begin + at) for at in range(1, 8)], time.time_ns() // 1000)
        writing.append("output", [b"of %d" % group.last], group.known)
        writing.reached("worker", "events", group.last)
    print(group.last, flush=True)
"""


def test_what_was_acknowledged_is_there_once_whenever_the_writer_is_killed(tmp_path):
    acknowledged, random_of = 0, random.Random(7)
    for _ in range(20):
        words = [sys.executable, "-c", WRITER, str(tmp_path)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as writer:
            acknowledged = int(writer.stdout.readline())
            time.sleep(random_of.random() * 0.05)
            os.kill(writer.pid, signal.SIGKILL)
            for line in writer.stdout:
                if line.endswith("\n"):
                    acknowledged = int(line)
        log = EmbeddedLog(tmp_path)
        every = entries(log, "events")
        assert [one[0] for one in every] == [*range(1, log.last("events") + 1)]
        assert all(payload == b"%d" % seq for seq, _, payload in every)
        assert log.last("events") >= acknowledged
        assert log.position("worker", "events") == log.last("events") == 7 * log.last("output")
        log.close()


def test_another_process_reads_while_one_writes(tmp_path):
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        writer.stdout.readline()
        log, after = EmbeddedLog(tmp_path), 0
        while after < 700 and writer.poll() is None:
            for seq, _, payload in entries(log, "events", after, 100):
                assert seq == after + 1
                assert payload == b"%d" % seq
                after = seq
        assert after >= 700
        writer.kill()
    log.close()


def test_a_file_that_is_no_log_is_told(tmp_path):
    (tmp_path / "data.mdb").write_bytes(random.randbytes(1 << 16))
    with pytest.raises(HeadraceError, match="HR-ONLINE-001"):
        EmbeddedLog(tmp_path)
    assert lmdb.version()
