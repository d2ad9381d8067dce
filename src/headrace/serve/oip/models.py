"""The models that can be asked: champions of the running services, and other versions of them, a few at a time."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from headrace.errors import Fault, HeadraceError, nearest
from headrace.learn import Registry, Scorer, Version

KEPT = 4
"""Versions beside the champions that are held loaded."""
_LONGEST_NUMBER = 9

T = TypeVar("T")


class Serving(Protocol):
    """What serves a model, of which other versions can be asked for, too; ``headrace.serve.desk.Desk`` is one."""

    version: Version
    scorer: Scorer


@dataclass(frozen=True)
class Loaded:
    """A version that is ready to be asked.

    Args:
        version: from the registry.
        scorer: of it.
    """

    version: Version
    scorer: Scorer

    def scores(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return the scores of rows, each with the bits that it has by itself; shape (n, names of scores).

        Raises:
            HeadraceError: HR-LEARN-007 where a score is no number.
        """
        if self.scorer.alike or len(x) < 2:
            scores = self.scorer.score(x)
        else:  # one by one: beside others a row could get another last bit
            scores = np.concatenate([self.scorer.score(x[at : at + 1]) for at in range(len(x))])
        return scores.reshape(len(x), len(self.scorer.names))


class Models:
    """The models of a running service, by name and version.

    Args:
        registry: of their versions.
        serving: gives what serves at this moment; asked again for each request, since a champion may be replaced.

    Safe to be asked by several threads.
    """

    def __init__(self, registry: Registry, serving: Callable[[], Iterable[Serving]]) -> None:
        self._registry, self._serving = registry, serving
        self._others: OrderedDict[tuple[str, int], Loaded] = OrderedDict()
        self._lock = threading.Lock()
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="headrace-oip")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted({one.version.name for one in self._serving()}))

    def champion(self, name: str) -> Serving:
        """Return what serves a model.

        Raises:
            HeadraceError: HR-INFER-002 for another name.
        """
        for one in self._serving():
            if one.version.name == name:
                return one
        found = f"no model {name[:64]!r}"
        raise HeadraceError(Fault("HR-INFER-002", "", found, "a model of a service", nearest(name[:64], self.names)))

    def at_hand(self, name: str, number: str | None = None) -> Loaded | None:
        """Return a version that is ready to be asked; None for one that has to be loaded first.

        Args:
            name: of the model.
            number: of the version as text; None for the champion.

        Raises:
            HeadraceError: HR-INFER-002 for what cannot be there.
        """
        champion = self.champion(name)
        wanted = champion.version.number if number is None else _number(name, number)
        if wanted == champion.version.number:
            return Loaded(champion.version, champion.scorer)
        with self._lock:
            if (found := self._others.get((name, wanted))) is not None:
                self._others.move_to_end((name, wanted))
            return found

    def load(self, name: str, number: str | None = None) -> Loaded:
        """Return a version that is ready to be asked, which may take a while.

        Raises:
            HeadraceError: HR-INFER-002 for a version that is not registered, HR-LEARN-011 for a file that was altered
                or lost, HR-LEARN-019 and 030 where the registry cannot be read.
        """
        if (found := self.at_hand(name, number)) is not None:
            return found
        version = self._registered(name, str(number))
        one = Loaded(version, self._registry.load(version))
        with self._lock:
            self._others[name, version.number] = one
            while len(self._others) > KEPT:
                self._others.popitem(last=False)
        return one

    def versions(self, name: str) -> list[Version]:
        """Return the registered versions of a model, oldest first."""
        self.champion(name)
        return self._registry.versions(name)

    def apart(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Do what takes a while beside the loop that answers, one piece of work after the other."""
        return asyncio.get_running_loop().run_in_executor(self._aside, work)

    def close(self) -> None:
        """End what works aside."""
        self._aside.shutdown(cancel_futures=True)

    def _registered(self, name: str, number: str) -> Version:
        for one in self._registry.versions(name):
            if str(one.number) == number:
                return one
        raise _no_version(name, number)


def _number(name: str, number: str) -> int:
    if not (number.isascii() and number.isdigit() and len(number) <= _LONGEST_NUMBER) or number.startswith("0"):
        raise _no_version(name, number)
    return int(number)


def _no_version(name: str, number: str) -> HeadraceError:
    cure = f"GET /v2/models/{name} tells which there are"
    return HeadraceError(Fault("HR-INFER-002", "", f"no version {number[:64]!r} of {name}", "a registered one", cure))
