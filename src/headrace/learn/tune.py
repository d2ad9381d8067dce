"""A search for better parameters, by Optuna: resumable, in batches that do not depend on the machine, within a time."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from headrace import clock
from headrace.declare import Candidate, Metric, Range
from headrace.errors import Fault, HeadraceError
from headrace.learn.tried import Tried

_AT_ONCE = 4
"""Trials that are asked for together, whatever the number of cores: the same search finds the same everywhere."""
_RAISED = "raised"
"""Attribute of a trial whose function raised: it counts as done, or a search of what never works would not end."""
_WARM_UP = 5
"""Trials before one is ended early."""
Try = Callable[[Mapping[str, Any], Callable[[int, float], bool]], Tried]
"""Judges some parameters on the folds, unless told after a fold that the others are not worth it."""


class Search:
    """A search for the parameters of one candidate.

    Args:
        candidate: with what its parameters may be.
        metric: that decides.
        path: file in which all that was tried is kept; another search for the same goes on with it.
        name: of the search: of another declaration, or other cases, it is another one.
        seed: of the model.
        folds: on which parameters are judged.
    """

    def __init__(self, candidate: Candidate, metric: Metric, path: Path, name: str, *, seed: int, folds: int) -> None:
        optuna = _optuna()
        path.parent.mkdir(parents=True, exist_ok=True)
        storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
        direction = "maximize" if metric.greater_is_better else "minimize"
        self._candidate, self._metric, self._seed, self._folds = candidate, metric, seed, folds
        self._study = optuna.create_study(
            study_name=name, storage=storage, direction=direction, load_if_exists=True, sampler=self._sampler(0)
        )
        self._close_what_was_cut_off()

    @property
    def done(self) -> int:
        """How many trials came to an end, in this run or an earlier one."""
        return len(self._ended())

    def run(self, trials: int, attempt: Try, *, until_s: float = float("inf"), told: Callable[[int], None]) -> None:
        """Try parameters until there are so many trials, or the time is over.

        Args:
            trials: how many there shall be, those of earlier runs among them.
            attempt: judges parameters.
            until_s: by the monotonic clock, when no further trial begins.
            told: told how many trials are done.

        Raises:
            HeadraceError: of a trial, where none of the first ones came to an end; later ones are counted and left.
        """
        failed: HeadraceError | None = None
        while self.done < trials and clock.monotonic_s() < until_s:
            asked = [self._ask() for _ in range(min(_AT_ONCE, trials - self.done))]
            medians = self._medians()
            with _workers(len(asked)) as workers:
                ends = [workers.submit(self._judged, attempt, one, medians) for one in asked]
                for one, end in zip(asked, ends, strict=True):
                    try:
                        self._tell(one, end.result())
                    except HeadraceError as error:
                        failed = error
                        self._tell_failed(one, error)
                    told(self.done)
            if failed is not None and not self.best():
                raise failed

    def best(self) -> Mapping[str, Any]:
        """Return the parameters with the best mean over all folds; none where no trial came so far."""
        optuna = _optuna()
        whole = [one for one in self._ended() if one.state == optuna.trial.TrialState.COMPLETE]
        if not whole:
            return {}
        sign = -1 if self._metric.greater_is_better else 1
        return dict(min(whole, key=lambda one: (sign * (one.value or 0.0), one.number)).params)

    def _sampler(self, number: int) -> Any:
        """Of each trial by its number, so that a search that goes on asks what it would have asked."""
        optuna = _optuna()
        return optuna.samplers.TPESampler(seed=(self._seed + number) % 2**32, constant_liar=True)

    def _ask(self) -> Any:
        self._study.sampler = self._sampler(len(self._study.get_trials(deepcopy=False)))
        trial = self._study.ask()
        for name, may_be in self._candidate.space.items():
            if isinstance(may_be, Range):
                suggest = trial.suggest_int if may_be.whole else trial.suggest_float
                suggest(name, may_be.low, may_be.high, log=may_be.log)
            else:
                trial.suggest_categorical(name, may_be.values)
        return trial

    def _judged(self, attempt: Try, trial: Any, medians: Sequence[float]) -> Tried:
        def stop(done: int, mean: float) -> bool:
            """Worse than the median of what others had after as many folds (the median rule; Golovin et al., 2017)."""
            if done > len(medians):
                return False
            return mean < medians[done - 1] if self._metric.greater_is_better else mean > medians[done - 1]

        return attempt(trial.params, stop)

    def _tell(self, trial: Any, found: Tried) -> None:
        optuna = _optuna()
        each = [one[self._metric.label] for one in found.values]
        for at in range(len(each)):
            trial.report(float(np.mean(each[: at + 1])), at + 1)
        whole, state = len(each) == self._folds, optuna.trial.TrialState
        if whole:
            self._study.tell(trial, float(np.mean(each)), state=state.COMPLETE)
        else:
            self._study.tell(trial, state=state.PRUNED)

    def _tell_failed(self, trial: Any, error: HeadraceError) -> None:
        optuna = _optuna()
        trial.set_user_attr(_RAISED, ", ".join(one.code for one in error.faults))
        self._study.tell(trial, state=optuna.trial.TrialState.FAIL)

    def _medians(self) -> list[float]:
        """The median of the means after one fold, after two and so on, of trials that are done."""
        ended = self._ended()
        if len(ended) < _WARM_UP:
            return []
        means = [one.intermediate_values for one in ended]
        each = [[mean[at] for mean in means if at in mean] for at in range(1, self._folds)]
        return [float(np.median(values)) for values in each]

    def _ended(self) -> list[Any]:
        optuna = _optuna()
        over = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
        every = self._study.get_trials(deepcopy=False)
        return [one for one in every if one.state in over or _RAISED in one.user_attrs]

    def _close_what_was_cut_off(self) -> None:
        optuna = _optuna()
        for one in self._study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            self._study.tell(one.number, state=optuna.trial.TrialState.FAIL)


@contextmanager
def _workers(count: int) -> Iterator[ThreadPoolExecutor]:
    """As many threads as there are cores; the libraries below share what is left of them."""
    from threadpoolctl import threadpool_limits

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    several = max(1, min(count, cores))
    with threadpool_limits(limits=max(1, cores // several)), ThreadPoolExecutor(several) as workers:
        try:
            yield workers
        except BaseException:
            workers.shutdown(wait=False, cancel_futures=True)
            raise


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        cure = "pip install 'headrace[learn]'"
        raise HeadraceError(Fault("HR-LEARN-018", "", f"no module {error.name}", "Optuna installed", cure)) from error
    logging.getLogger("optuna").setLevel(logging.ERROR)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna
