"""What a log is: topics of payloads, each with a sequence, and how far readers have come in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Group:
    """Payloads that a log took at once.

    Args:
        first: sequence of the first; those of the others follow without a gap.
        known: when the log took them, microseconds UTC: later than all that it took in transactions before.
        payloads: as they were given.
    """

    first: int
    known: int
    payloads: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.payloads)

    @property
    def last(self) -> int:
        """Sequence of the last."""
        return self.first + len(self.payloads) - 1

    def after(self, sequence: int) -> Group:
        """Return what of it follows a sequence."""
        skipped = sequence + 1 - self.first
        return self if skipped <= 0 else Group(sequence + 1, self.known, self.payloads[skipped:])

    def until(self, sequence: int) -> Group:
        """Return what of it does not lie behind a sequence."""
        return (
            self if sequence >= self.last else Group(self.first, self.known, self.payloads[: sequence + 1 - self.first])
        )

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        return enumerate(self.payloads, self.first)


class Writing(Protocol):
    """A transaction: all of it is in the log when its block ends, or nothing of it."""

    def append(self, topic: str, payloads: Sequence[bytes], now: int, first: int | None = None) -> Group:
        """Add payloads behind the last of a topic, as ``Log.append``."""
        ...

    def reached(self, reader: str, topic: str, sequence: int) -> None:
        """Note that a reader has done with a topic up to a sequence."""
        ...

    def last(self, topic: str) -> int:
        """Return the last sequence that was given, 0 for none."""
        ...

    def position(self, reader: str, topic: str) -> int:
        """Return up to which sequence a reader has done with a topic; no other can change it until the block ends."""
        ...


class Log(Protocol):
    """Topics that only grow, written by one process at a time and read by many."""

    def append(self, topic: str, payloads: Sequence[bytes], now: int, first: int | None = None) -> Group:
        """Add payloads behind the last of a topic; when it returns they are durable.

        Args:
            topic: its name.
            payloads: at least one.
            now: microseconds UTC; where the log has as late a time, the next microsecond counts.
            first: sequence of the first, where it is to leave a gap behind the last.

        Raises:
            HeadraceError: HR-ONLINE-002 where the disk is full: then none of them is there.
        """
        ...

    def read(self, topic: str, after: int, most: int) -> list[Group]:
        """Return up to so many payloads that follow a sequence, in order; fewer where the topic ends.

        Raises:
            HeadraceError: HR-LOG-001 where what comes first is not what was written.
        """
        ...

    def last(self, topic: str) -> int:
        """Return the last sequence that was given, 0 for none."""
        ...

    def position(self, reader: str, topic: str) -> int:
        """Return up to which sequence a reader has done with a topic, 0 for none."""
        ...

    def transaction(self) -> AbstractContextManager[Writing]:
        """Give what puts output and positions into the log together."""
        ...
