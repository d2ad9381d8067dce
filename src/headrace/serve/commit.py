"""Group commit: what arrives while the disk is busy shares the next trip to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Committer(Generic[Item, Result]):
    """A thread that hands everything that waits to ``work`` at once, and gives each item its own result.

    Args:
        work: items in the order of their arrival -> a result or an exception for each; what it raises is for all.
        name: of the thread.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Result | Exception]], name: str) -> None:
        self._work = work
        self._waiting: list[tuple[Item, Future[Result]]] = []
        self._changed, self._ending = threading.Condition(), False
        self._thread = threading.Thread(target=self._run, name=f"headrace-{name}", daemon=True)
        self._thread.start()

    def submit(self, item: Item) -> Future[Result]:
        """Hand in an item; the future has its result once ``work`` has returned."""
        future: Future[Result] = Future()
        with self._changed:
            if self._ending:
                raise RuntimeError("handed in after the end")
            self._waiting.append((item, future))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Finish what waits, then end."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._ending:
                    self._changed.wait()
                batch, self._waiting = self._waiting, []
                if not batch:
                    return
            # from here on nobody can cancel: what is written has an outcome; what was given up before is not written
            self._settle([one for one in batch if one[1].set_running_or_notify_cancel()])

    def _settle(self, batch: list[tuple[Item, Future[Result]]]) -> None:
        if not batch:
            return
        try:
            results = self._work([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - it belongs to those who wait for the result
            results = [error] * len(batch)
        for (_, future), result in zip(batch, results, strict=True):
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
