"""What a model looks at, as the report says it: what decides is found, contributions are the kept ones."""

import numpy as np
import pytest
from sklearn import metrics as sk

import headrace as hr
from headrace.audit.models.contributions import contributed
from headrace.audit.models.importance import importance, weighted_average_precision
from headrace.audit.models.shown.explained import importance_part, worst_part
from headrace.audit.models.tested import read
from headrace.audit.models.worst import worst
from headrace.learn.explain import load
from tests.audit.worlds import judge, made, project_of, trained
from tests.learn.test_categories import TEXT, fit_lightgbm, shops
from tests.learn.test_kinds import fit_classes, labelled
from tests.learn.worlds import fit_boosting, fit_logistic, model, world


def test_permutation_finds_what_decides(tmp_path, empty_registry):
    _, _, found = judge(tmp_path, empty_registry, model(fit_boosting), world())
    ranked = [one.name for one in found.findings.importance.features]
    assert set(ranked[:2]) == {"now.amount", "now.night"}
    first = found.findings.importance.features[0]
    assert first.low <= first.worse <= first.high
    amount = next(one for one in found.findings.importance.dependences if one.feature == "now.amount")
    values = amount.lines[0][1]
    assert values[-1] > values[0] + 0.1
    assert all(low <= high for low, high in zip(amount.low, amount.high, strict=True))


def test_contributions_are_those_that_are_kept_with_a_version(tmp_path, empty_registry):
    loaded, report, found = judge(tmp_path, empty_registry, model(fit_logistic), world())
    shown = found.findings.importance.contributed
    assert (shown.kind, shown.space, shown.rows) == ("linear", "log-odds", 300)
    registry = loaded.registry()
    scorer = registry.load(report.version)
    explainer = load(registry.file(report.version, "explain.json"), scorer)
    x = np.random.default_rng(0).normal(size=(50, len(scorer.features))).astype(np.float32)
    told, values = contributed(registry, report.version, scorer, x), explainer.explain(x).values
    assert told.rows == 50
    assert told.size == pytest.approx(np.abs(values).mean(axis=0), rel=1e-6)
    slopes = [np.polyfit(x[:, at], values[:, at], 1)[0] for at in range(x.shape[1])]
    assert np.sign(told.upward) == pytest.approx(np.sign(slopes))


def test_average_precision_of_weighted_rows_is_scikit_learns():
    luck = np.random.default_rng(3)
    y, score = luck.integers(0, 2, 500), luck.integers(0, 40, 500) / 40
    weight = luck.integers(1, 9, 500).astype(np.float64)
    expected = sk.average_precision_score(y, score, sample_weight=weight)
    assert weighted_average_precision(y, score, weight) == pytest.approx(expected)


def test_a_feature_that_is_text_is_shown_by_its_texts(tmp_path, empty_registry):
    built, shop = shops()
    _, _, found = judge(tmp_path, empty_registry, model(fit_lightgbm), built)
    by_shop = next(one for one in found.findings.importance.dependences if one.feature == TEXT)
    assert set(by_shop.texts) == {"fuel", "bakery", "market", "casino"}
    mean = dict(zip(by_shop.texts, by_shop.lines[0][1], strict=True))
    assert max(mean, key=mean.get) == "casino"
    for kind in found.findings.worst:
        at = kind.features.index(TEXT)
        assert [one.features[at] for one in kind.rows] == [
            shop[one.place] if shop[one.place] in mean else "missing" for one in kind.rows
        ]
    page = importance_part(found.findings.importance, 1) + worst_part(found.findings.worst)
    assert "<span>casino</span>" in page


def test_no_text_of_a_feature_that_tells_of_persons_is_shown(tmp_path, empty_registry):
    built, _ = shops()
    one = model(fit_lightgbm)
    loaded = made(tmp_path / "state", empty_registry, project_of(one), built)
    version = trained(loaded, one, built).version
    tested = read(loaded.project, one, version, built, loaded.registry())
    found = importance(tested, loaded.registry(), {TEXT})
    assert TEXT in [feature.name for feature in found.features]
    page = importance_part(found, 1) + worst_part(worst(tested, [TEXT], {TEXT}))
    assert "casino" not in page


def test_of_several_scores_a_bar_says_which_is_moved_most(tmp_path, empty_registry):
    split, metrics = hr.time_split(train="20d", test="5d"), (hr.log_loss(),)
    one = model(fit_classes, metrics=metrics, task=hr.multiclass(), split=split)
    loaded, report, found = judge(tmp_path, empty_registry, one, labelled("multiclass"))
    registry = loaded.registry()
    scorer = registry.load(report.version)
    x = np.random.default_rng(0).normal(size=(50, len(scorer.features))).astype(np.float32)
    told = contributed(registry, report.version, scorer, x, ("low", "night", "very high"))
    values = load(registry.file(report.version, "explain.json"), scorer).explain(x).values
    assert told.size == pytest.approx(np.abs(values).mean(axis=(0, 2)))
    moved = np.abs(values).mean(axis=0)
    assert told.most == tuple(("low", "night", "very high")[one] for one in moved.argmax(axis=1))
    assert "most of very high" in importance_part(found.findings.importance, 1)
