"""The search: within its space, kept and gone on with, the same again, ended early where it is not worth it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import headrace as hr
from headrace.errors import HeadraceError
from headrace.learn import train
from headrace.learn.tried import Tried, Tuning
from headrace.learn.tune import Search
from tests.learn.worlds import fit_logistic, model, world

FOLDS = 3
SPLIT = hr.time_split(train="10d", test="5d", folds=2)


def fit(train: Any, a: float = 0.5, n: int = 3, kind: str = "x") -> None:
    """Not called: only what is searched counts here."""


WAY = hr.candidate(fit, a=hr.between(0.001, 1.0, log=True), n=hr.between(1, 9), kind=hr.choose("x", "y"))


class Attempts:
    """Judges parameters by a formula, and remembers them."""

    def __init__(self, most: int = 10**9) -> None:
        self.asked: list[dict[str, Any]] = []
        self.folds: list[int] = []
        self._most = most

    def __call__(self, params: Mapping[str, Any], stop: Callable[[int, float], bool]) -> Tried:
        if len(self.asked) >= self._most:
            raise KeyboardInterrupt
        self.asked.append(dict(params))
        worth = 1 - (params["a"] - 0.3) ** 2 - 0.01 * abs(params["n"] - 7) + (0.1 if params["kind"] == "y" else 0)
        values = []
        for fold in range(FOLDS):
            values.append({"roc_auc": worth + 0.001 * fold})
            if fold + 1 < FOLDS and stop(fold + 1, sum(one["roc_auc"] for one in values) / len(values)):
                break
        self.folds.append(len(values))
        return Tried("fit", dict(params), tuple(values))


def search(path: Path, name: str = "one", seed: int = 0) -> Search:
    return Search(WAY, hr.roc_auc(), path, name, seed=seed, folds=FOLDS)


def quiet(_done: int) -> None:
    pass


def test_a_search_stays_in_its_space_and_finds_what_is_good(tmp_path: Path) -> None:
    attempts = Attempts()
    found = search(tmp_path / "s.log")
    found.run(40, attempts, told=quiet)
    assert found.done == 40 == len(attempts.asked)
    assert all(one[name] in may_be for one in attempts.asked for name, may_be in WAY.space.items())
    best = found.best()
    assert best["kind"] == "y"
    assert abs(best["a"] - 0.3) < 0.2
    assert min(attempts.folds) < FOLDS, "some were not worth all folds"
    assert attempts.folds.count(FOLDS) >= 5


def test_the_same_search_asks_the_same(tmp_path: Path) -> None:
    each = [Attempts() for _ in range(3)]
    for at, attempts in enumerate(each):
        search(tmp_path / f"{at}.log", seed=at // 2).run(16, attempts, told=quiet)
    first, second, other = ([sorted(map(repr, one.asked))] for one in each)
    assert first == second != other


def test_a_search_that_was_cut_off_goes_on_and_loses_nothing(tmp_path: Path) -> None:
    path, cut = tmp_path / "s.log", Attempts(most=10)
    with pytest.raises(KeyboardInterrupt):
        search(path).run(30, cut, told=quiet)
    kept = search(path).done
    assert 8 <= kept <= 10
    rest = Attempts()
    again = search(path)
    again.run(30, rest, told=quiet)
    assert again.done == 30 == kept + len(rest.asked)
    again.run(30, Attempts(most=0), told=quiet)
    assert search(path, name="of other cases").done == 0


def test_no_trial_begins_after_the_time(tmp_path: Path) -> None:
    found = search(tmp_path / "s.log")
    found.run(30, Attempts(), until_s=0.0, told=quiet)
    assert (found.done, found.best()) == (0, {})


def test_what_a_search_finds_is_what_the_next_training_begins_with(registry: Any, tmp_path: Path) -> None:
    def fit_forest(train: Any, depth: int = 1) -> Any:
        from sklearn.tree import DecisionTreeClassifier

        return DecisionTreeClassifier(max_depth=depth, random_state=train.seed).fit(train.X.fillna(0), train.y)

    def fitted(train: Any, depth: int = 1) -> Any:
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.tree import DecisionTreeClassifier

        tree = DecisionTreeClassifier(max_depth=depth, random_state=train.seed)
        return make_pipeline(SimpleImputer(), tree).fit(train.X, train.y)

    declared = model(hr.candidate(fitted, depth=hr.between(1, 6)), split=SPLIT)
    told: list[tuple[str, int, int]] = []
    tune = Tuning(6, tmp_path, "these", told=lambda *one: told.append(one))
    report = train(declared, world(), registry, tune=tune)
    assert [one.name for one in report.candidates][2:] == ["fitted", "fitted (tuned)"]
    assert told[-1] == ("fitted", 6, 6)
    found = dict(report.version.record.choice["params"])
    assert found["depth"] > 1
    again = train(declared, world(fingerprint="b" * 64), registry)
    assert again.version.record.choice["params"] == found
    assert [one.name for one in again.candidates if one.role in ("candidate", "model")] == [
        "fitted",
        "fitted (champion)",
    ]
    with pytest.raises(HeadraceError, match="HR-LEARN-027.*nothing to be searched"):
        train(model(fit_logistic, split=SPLIT), world(), registry, tune=tune)
