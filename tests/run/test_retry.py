"""Trying again: what may pass is tried again after a wait, what may not is told at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import headrace.run.pipeline as pipeline
from headrace.clock import backoff_s
from headrace.errors import Fault, HeadraceError
from headrace.run import Asked, Retry, RunFailed, Stop, Stopped, load_project, run
from headrace.run.past import past_runs
from headrace.run.retry import LONGEST_S, waits
from tests.run.bank import make_bank

FULL = Fault("HR-LAKE-002", "", "no space left", "space", "free some")


class Waiting(Stop):
    """Waits no time, and remembers for how long it should have; ``asked_after`` waits it is asked to end."""

    def __init__(self, asked_after: int = 99) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._left = asked_after

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        if len(self.waits) >= self._left:
            self.ask()
        return self.asked


def test_waits_double_with_a_half_by_chance_up_to_ten_minutes() -> None:
    low, high = ([backoff_s(n, 5.0, LONGEST_S, lambda a, b, end=end: (a, b)[end]) for n in range(9)] for end in (0, 1))
    assert high == [5, 10, 20, 40, 80, 160, 320, LONGEST_S, LONGEST_S]
    assert low == [one / 2 for one in high]
    assert all(a <= one <= b for a, one, b in zip(low, waits(Retry(9, 5.0)), high, strict=True))


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    return make_bank(tmp_path / "bank")


def _failing(monkeypatch: pytest.MonkeyPatch, step: str, times: int, fault: Fault) -> list[int]:
    """Let the work of one step fail so many times, as a disk that is full for a while would."""
    tries: list[int] = []
    real = pipeline.steps_of

    def steps(loaded, declared, accept=()):
        for one in real(loaded, declared, accept):
            if one.id != step:
                yield one
                continue

            def work(progress, one=one):
                tries.append(len(tries))
                if len(tries) <= times:
                    raise HeadraceError(fault)
                return one.work(progress)

            yield replace(one, work=work)

    monkeypatch.setattr(pipeline, "steps_of", lambda *given: list(steps(*given)))
    return tries


def test_what_may_pass_is_tried_again_until_it_has(bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries, stop = _failing(monkeypatch, "query:daily", 2, FULL), Waiting()
    report = run(load_project(bank), asked=Asked(retry=Retry(3, 8.0)), stop=stop)
    assert len(tries) == 3
    assert report.ok
    assert {step.id: step.attempts for step in report.steps}["query:daily"] == 3
    assert len(stop.waits) == 2
    assert 4 <= stop.waits[0] <= 8 <= stop.waits[1] <= 16
    assert not report.faults


def test_tries_end_and_what_depends_on_it_is_stopped_and_nothing_else(
    bank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = _failing(monkeypatch, "query:daily", 9, FULL)
    with pytest.raises(RunFailed) as raised:
        run(load_project(bank), asked=Asked(retry=Retry(2)), stop=Waiting())
    assert len(tries) == 3
    actions = {step.id: step.action for step in raised.value.report.steps}
    assert actions.pop("query:daily") == "failed"
    assert actions.pop("query:weekly") == "skipped"
    assert set(actions.values()) == {"done"}
    (past,) = past_runs(load_project(bank), failed=True)
    assert [one["code"] for one in past.report["faults"]] == ["HR-LAKE-002"]


def test_what_a_person_has_to_mend_is_not_tried_again(bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = _failing(monkeypatch, "query:daily", 9, replace(FULL, code="HR-DATA-109"))
    with pytest.raises(RunFailed):
        run(load_project(bank), asked=Asked(retry=Retry(5)), stop=Waiting())
    assert len(tries) == 1


def test_who_is_asked_to_end_waits_no_longer(bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = _failing(monkeypatch, "query:daily", 9, FULL)
    with pytest.raises(Stopped):
        run(load_project(bank), asked=Asked(retry=Retry(5)), stop=Waiting(asked_after=1))
    assert len(tries) == 1
    assert past_runs(load_project(bank))[0].outcome == "interrupted"
    monkeypatch.undo()
    assert run(load_project(bank)).ok
