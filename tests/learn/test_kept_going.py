"""What is done is kept: a candidate or trial that fails leaves the others; looks at the test are counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import headrace as hr
from headrace.errors import HeadraceError
from headrace.learn import Registry, train
from headrace.learn.intervals import Difference
from headrace.learn.report import ordinal
from headrace.learn.tried import Tuning
from tests.learn.worlds import DAY_US, fit_boosting, fit_logistic, model, world

SPLIT = hr.time_split(train="10d", test="5d", folds=2)


def fit_failing(train: Any) -> Any:
    raise ValueError(f"a row of {len(train.X)}")


def fit_greedy(train: Any) -> Any:
    return np.empty((10**7, 10**7, 10**4))


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path)


def test_a_candidate_that_fails_is_told_and_the_others_are_judged(registry: Registry) -> None:
    report = train(model([fit_logistic, fit_failing, fit_boosting], split=SPLIT), world(), registry)
    assert {one.name for one in report.candidates} >= {"fit_logistic", "fit_boosting"}
    (fault,) = report.warnings
    assert (fault.code, fault.severity) == ("HR-LEARN-004", "warning")
    assert "ValueError in fit" in fault.found
    assert "row" not in fault.found, "what it says may be of a row"
    assert any("ValueError in fit" in one for one in report.version.record.notes)
    with pytest.raises(HeadraceError, match="ValueError in fit"):
        train(model([fit_failing, fit_failing], split=SPLIT), world(), registry)


def mine(y: Any, score: Any, rows: Any) -> float:
    """A metric of one's own that says nothing of scores that are all the same."""
    return float("nan") if np.ptp(score) == 0 else float(np.mean(score[y == 1]))


def fit_flat(train: Any) -> Any:
    return lambda x: x["now.amount"] * 0.0 + 0.5


def test_a_candidate_of_which_a_metric_says_nothing_is_not_chosen_and_does_not_serve(registry: Registry) -> None:
    metrics = (hr.metric("mine", mine), hr.roc_auc())
    report = train(model([fit_flat, fit_logistic], split=SPLIT, metrics=metrics), world(), registry)
    assert [one.name for one in report.candidates if one.role == "model"] == ["fit_logistic"]
    (fault,) = report.warnings
    assert (fault.code, fault.found) == ("HR-LEARN-025", "mine of fit_flat in validation is nan")
    assert np.isnan(report.candidates[0].metrics["mine"]), "of the baseline it may say nothing"
    with pytest.raises(HeadraceError, match="HR-LEARN-025 .*mine of fit_flat is nan; expected a finite number"):
        train(model(fit_flat, metrics=metrics, gates=(hr.not_worse_than_champion(),)), world(), registry)


def fit_without_export(train: Any) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    return make_pipeline(FunctionTransformer(np.cbrt), HistGradientBoostingClassifier()).fit(train.X, train.y)


def test_a_candidate_that_cannot_be_exported_is_told_and_the_next_best_is_taken(registry: Registry) -> None:
    def weak(train: Any) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(max_iter=1, max_leaf_nodes=2).fit(train.X, train.y)

    metrics = (hr.average_precision(), hr.roc_auc())
    one = model([weak, fit_without_export], split=SPLIT, metrics=metrics, threshold=hr.capacity(5, "1d"))
    report = train(one, world(), registry)
    assert [each.name for each in report.candidates if each.role == "model"] == ["weak"]
    assert any(fault.severity == "warning" and fault.code.startswith("HR-LEARN-0") for fault in report.warnings)
    with pytest.raises(HeadraceError, match="HR-LEARN-0"):
        train(model(fit_without_export), world(), registry)


def test_folds_that_cannot_be_had_are_told(registry: Registry) -> None:
    split = hr.time_split(train="20d", test="6d", folds=4)
    report = train(model([fit_logistic, fit_boosting], split=split), world(), registry)
    (fault,) = report.warnings
    assert (fault.code, fault.severity) == ("HR-LEARN-021", "warning")
    assert "folds of validation, where folds=4 asks for more days than there are" in fault.found
    few = world()
    time = few.table["at"].cast("int64").to_numpy()
    day = (time - time.min()) // DAY_US
    who = np.where(
        (day < 11) | (day == 20), 1, 2 + np.arange(6000)
    )  # the first fold learns from one, whom it is judged on
    split = hr.time_split(train="10d", test="5d", folds=2, apart="customer_id")
    apart = few.with_column("customer_id", pa.array(who))
    told = train(model([fit_logistic, fit_boosting], split=split), apart, registry)
    assert [one.found.split(" with ")[1] for one in told.warnings] == ["no rows in train, which is left out"]
    few = train(
        model(fit_logistic, split=hr.time_split(train="10d", test="5d", apart="customer_id")), world(), registry
    )
    (fault,) = few.warnings
    assert "cases to learn from, since the others are of a customer_id that the test has, too" in fault.found


def test_each_is_judged_at_a_threshold_of_its_own(registry: Registry) -> None:
    """The same ranking on another scale costs the same: of the model, the baseline, and the champion before."""

    def scaled(factor: float) -> Any:
        def fit(train: Any) -> Any:
            found = fit_logistic(train)
            found[-1].intercept_ = found[-1].intercept_ + np.log(factor)
            return found

        return fit

    cost = hr.expected_cost(5, "now.amount")
    chosen = {"metrics": (cost, hr.roc_auc()), "threshold": hr.lowest_cost(5, "now.amount"), "split": SPLIT}
    fits = {"plain": scaled(1.0), "far": scaled(0.01)}
    gates = (hr.better_than_baseline(), hr.not_worse_than_champion())
    report = train(model(fits, gates=gates, **chosen), world(), registry)
    tried = {one.name: one.validation["expected_cost"] for one in report.candidates if one.validation}
    assert tried["far"] == pytest.approx(tried["plain"])
    values = {one.name: one.metrics["expected_cost"] for one in report.candidates if one.metrics}
    assert values["plain"] == pytest.approx(values["logistic_regression"])
    assert not report.gates[1].passed, "it is the baseline"
    registry.promote("fraud_score", 1, "a trial", "anna")
    again = train(model(scaled(100.0), gates=gates, **chosen), world(), registry)
    values = {one.role: one.metrics["expected_cost"] for one in again.candidates}
    assert values["champion"] == pytest.approx(values["model"])
    apart = next(one.apart for one in again.candidates if one.role == "champion")["expected_cost"]
    assert apart.p_value == 1.0


def test_scores_that_are_the_threshold_are_acted_on_by_each_alike(registry: Registry) -> None:
    """Of 0.8 and 0.1 the float32 lie above, of 0.7 and 0.9 below: the threshold is one of them."""

    def flagged(score: float) -> Any:
        return lambda train: lambda rows: np.where(rows["now.amount"] > 60, score, 0.05)

    chosen = {"metrics": (hr.expected_cost(1, 5), hr.recall()), "threshold": hr.lowest_cost(1, 5), "split": SPLIT}
    found = []
    for score in (0.7, 0.8, 0.9):
        report = train(model(flagged(score), baseline=flagged(score), **chosen), world(), registry)
        mine, same = report.metrics, report.candidates[1].metrics
        assert mine == same
        found.append(mine)
    assert found[0]["recall"] > 0.3
    assert found[0] == found[1] == found[2]


def test_the_same_file_at_another_threshold_is_another_model(registry: Registry) -> None:
    metrics, gate = (hr.f_score(), hr.recall()), hr.not_worse_than_champion()
    low = train(model(fit_logistic, metrics=metrics, threshold=0.1, gates=(gate,)), world(), registry)
    high = train(model(fit_logistic, metrics=metrics, threshold=0.9, gates=(gate,)), world(), registry)
    assert low.version.digest == high.version.digest
    assert high.metrics["f_score_1"] < low.metrics["f_score_1"]
    assert "worse than the champion's" in high.gates[1].sentence
    assert high.version.standing == "challenger"
    assert registry.champion("fraud_score").number == low.version.number
    plain = train(model(fit_boosting, metrics=metrics, gates=(gate,)), world(), registry)
    champion = next(one for one in plain.candidates if one.role == "champion")
    assert champion.metrics == low.metrics, "it acts from its own threshold on"


def test_a_model_that_looks_at_the_rows_beside_is_refused(registry: Registry) -> None:
    from onnx import TensorProto, helper

    def fit(train: Any) -> bytes:
        """The share of the largest amount of all rows that are asked together."""
        axes = helper.make_tensor("axes", TensorProto.INT64, [1], [0])
        first = helper.make_tensor("first", TensorProto.INT64, [1], [0])
        nodes = [
            helper.make_node("Gather", ["X", "first"], ["amount"], axis=1),
            helper.make_node("ReduceMax", ["amount", "axes"], ["most"], keepdims=1),
            helper.make_node("Div", ["amount", "most"], ["score"]),
        ]
        given = helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, len(train.names)])
        score = helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])
        graph = helper.make_graph(nodes, "beside", [given], [score], [axes, first])
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        return bytes(made.SerializeToString())

    with pytest.raises(HeadraceError, match=r"HR-LEARN-038 .*changes by up to .* with the rows beside it"):
        train(model(fit), world(), registry)


def fit_that_leaves(train: Any) -> Any:
    raise SystemExit(3)


def test_a_fit_that_ends_the_program_is_one_that_failed(registry: Registry) -> None:
    with pytest.raises(HeadraceError, match=r"HR-LEARN-004 .*SystemExit in fit"):
        train(model(fit_that_leaves), world(), registry)


def test_a_fold_of_validation_without_positives_is_left_out(registry: Registry) -> None:
    built = world()
    day = (built.table["at"].cast("int64").to_numpy() - built.table["at"].cast("int64").to_numpy().min()) // DAY_US
    quiet = np.where((day >= 18) & (day < 23), False, built.table["label"].to_numpy(zero_copy_only=False))
    split = hr.time_split(train="10d", test="5d", folds=2)
    one = model([fit_logistic, fit_boosting], split=split)
    report = train(one, built.with_column("label", pa.array(quiet)), registry)
    (fault,) = [each for each in report.warnings if each.code == "HR-LEARN-002"]
    assert "a fold of validation" in fault.found
    assert "in test of which none is positive, which is left out" in fault.found
    assert len(report.version.record.choice["tried"][0]["folds"]) == 1


def test_labels_that_are_dated_before_their_cases_are_told(registry: Registry) -> None:
    built = world()
    built.manifest["excluded"] = {"label came before its case": 500}
    (fault,) = train(model(fit_logistic), built, registry).warnings
    assert (fault.code, fault.severity) == ("HR-LEARN-037", "warning")
    assert "500 of 500 rows" in fault.found or "500 of" in fault.found


def test_a_fit_that_runs_out_of_memory_says_what_to_do(registry: Registry) -> None:
    with pytest.raises(HeadraceError, match=r"MemoryError in fit.*take fewer cases .a shorter train.* MB as float32"):
        train(model(fit_greedy), world(), registry)


def test_a_trial_that_fails_is_one_of_them_and_a_search_of_what_never_works_ends(
    registry: Registry, tmp_path: Path
) -> None:
    def fit(train: Any, depth: int = 2) -> Any:
        if depth > 5:
            raise ValueError
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.tree import DecisionTreeClassifier

        tree = DecisionTreeClassifier(max_depth=depth, random_state=0)
        return make_pipeline(SimpleImputer(), tree).fit(train.X, train.y)

    def never(train: Any, depth: int = 2) -> Any:
        raise ValueError

    told = list[int]()
    tuning = Tuning(12, tmp_path / "searches", "one", told=lambda _name, done, _of: told.append(done))
    report = train(model(hr.candidate(fit, depth=hr.between(1, 9)), split=SPLIT), world(), registry, tune=tuning)
    assert told[-1] == 12
    assert report.version.record.choice["params"].get("depth", 2) <= 5
    with pytest.raises(HeadraceError, match="ValueError in fit"):
        train(model(hr.candidate(never, depth=hr.between(1, 9)), split=SPLIT), world(), registry, tune=tuning)


def test_looks_at_the_same_test_are_counted_and_told(registry: Registry) -> None:
    first = train(model(fit_logistic), world(), registry)
    again = train(model(fit_logistic), world(), registry)
    assert (first.version.record.looks, again.version.number) == (1, 1), "the same version is the same look"
    second = train(model(fit_boosting), world(), registry)
    third = train(model(fit_boosting, seed=5), world(seed=8, fingerprint="b" * 64), registry)
    assert [second.version.record.looks, third.version.record.looks] == [2, 3]
    assert "the 3rd version that was judged on this test" in third.cases()
    elsewhere = train(model(fit_boosting), world(days=30, fingerprint="c" * 64), registry)
    assert elsewhere.version.record.looks == 1, "its test days are others"
    assert [ordinal(one) for one in (1, 12, 21, 103)] == ["1st", "12th", "21st", "103rd"]


def test_a_model_is_compared_with_each_baseline_and_the_champion(registry: Registry) -> None:
    train(model(fit_logistic), world(), registry)
    report = train(model(fit_boosting, seed=3), world(), registry)
    mine = next(one for one in report.candidates if one.role == "model")
    for one in report.candidates:
        if one is mine:
            assert one.apart == {}
            continue
        found = one.apart["roc_auc"]
        assert isinstance(found, Difference)
        assert found.value == pytest.approx(mine.metrics["roc_auc"] - one.metrics["roc_auc"])
        assert found.low < found.value < found.high
        assert (found.p_value < 0.05) == (found.low > 0 or found.high < 0)
    assert "average_precision of the model minus champion 1: " in repr(report)
    assert report.version.record.apart["prior_rate"]["roc_auc"][3] < 0.05


def test_groups_are_told_by_their_name_and_by_the_time_they_cover(registry: Registry) -> None:
    split = hr.group_split("customer_id", test=0.3, folds=3)
    report = train(
        model([fit_logistic, fit_boosting], split=split, threshold=hr.capacity(10, per="1d")), world(), registry
    )
    assert report.fold["by"] == "customer_id"
    assert report.fold["test"][0].startswith("2023-11-15")
    assert ", each customer_id in one part only" in report.cases()
    assert all(one.intervals for one in report.candidates if one.role == "model"), "blocks are groups"
