"""Features that are text: a model knows those of train, by their places in its file; another text is null."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from headrace.errors import HeadraceError
from headrace.learn import Registry, train
from headrace.learn.cases import MOST_CATEGORIES, read_cases
from headrace.serve.values import vector
from tests.learn.worlds import START_US, FakeBuilt, model, world

DAY = 86_400_000_000
TEXT = "now.night"


@pytest.fixture
def registry(tmp_path: Any) -> Registry:
    return Registry(tmp_path)


def with_texts(texts: Any) -> FakeBuilt:
    built = world()
    found = built.with_column(TEXT, pa.array(texts, pa.string()))
    found.manifest["columns"][TEXT] = "string"
    return found


def shops(seed: int = 1, new_from_day: int = 33) -> tuple[FakeBuilt, np.ndarray]:
    """Each tenth payment has no shop; from some day on a third are of a shop that was never seen before."""
    luck, built = np.random.default_rng(seed), world()
    label = built.table["label"].to_numpy(zero_copy_only=False)
    day = (built.table["at"].cast(pa.int64()).to_numpy() - START_US) // DAY
    shop = np.where(label & (luck.random(6000) < 0.6), "casino", luck.choice(["market", "bakery", "fuel"], 6000))
    shop = np.where((day >= new_from_day) & (luck.random(6000) < 0.3), "new shop", shop).astype(object)
    shop[luck.random(6000) < 0.1] = None
    return with_texts(shop), shop


def fit_one_hot(fitted: Any) -> Any:
    texts = list(fitted.categories)
    rest = [one for one in fitted.names if one not in texts]
    encoder = make_pipeline(SimpleImputer(strategy="constant", fill_value=-1.0), OneHotEncoder(handle_unknown="ignore"))
    prepared = make_column_transformer((encoder, texts), (SimpleImputer(), rest))
    return make_pipeline(prepared, RandomForestClassifier(20, max_depth=6, random_state=fitted.seed)).fit(
        fitted.X, fitted.y
    )


def fit_lightgbm(fitted: Any) -> Any:
    from lightgbm import LGBMClassifier

    estimator = LGBMClassifier(n_estimators=20, verbose=-1, n_jobs=1, random_state=fitted.seed)
    return estimator.fit(fitted.X, fitted.y, categorical_feature=list(fitted.categories))


@pytest.mark.parametrize("fit", [fit_one_hot, fit_lightgbm])
def test_a_model_learns_from_texts_and_scores_those_it_never_saw(fit: Any, registry: Registry) -> None:
    built, shop = shops()
    report = train(model(fit), built, registry)
    scorer = registry.load(report.version)
    assert scorer.categories == {TEXT: ("bakery", "casino", "fuel", "market")}
    some = {"now.amount": 30.0, "spending.count_7d": 3, "spending.mean_7d": None}
    score = {text: float(scorer.score(vector(some | {TEXT: text}, scorer))[0]) for text in (*set(shop), "never seen")}
    assert score["casino"] > max(score["bakery"], score["fuel"], score["market"])
    assert score["never seen"] == score["new shop"] == score[None], "what train does not have is null"


def test_texts_are_told_to_fit_in_order_and_rows_hold_their_places() -> None:
    built, shop = shops()
    cases = read_cases(built, (), "p.py:1")
    assert cases.categories[TEXT] == ("bakery", "casino", "fuel", "market", "new shop")
    column = cases.x[:, cases.names.index(TEXT)]
    assert np.isnan(column).tolist() == [one is None for one in shop]
    there = ~np.isnan(column)
    assert [cases.categories[TEXT][int(one)] for one in column[there]] == shop[there].tolist()
    other = cases.coded({TEXT: ("market", "casino")})
    again = other.x[:, cases.names.index(TEXT)]
    assert all(
        np.isnan(one) if text not in ("market", "casino") else one == ("market", "casino").index(text)
        for one, text in zip(again, shop, strict=True)
    )
    assert other.seen() == {TEXT: ("market", "casino")}
    assert cases.x[there, cases.names.index(TEXT)].max() == 4, "the cases themselves stay"


def test_a_champion_of_other_texts_is_judged_by_its_own(registry: Registry) -> None:
    built, _ = shops()
    first = train(model(fit_one_hot), built, registry)
    later, _ = shops(new_from_day=20)
    later.manifest["fingerprint"] = "b" * 64
    second = train(model(fit_lightgbm), later, registry)
    champion = next(one for one in second.candidates if one.role == "champion")
    scorer = registry.load(first.version)
    cases = read_cases(later, ("customer_id",), "")
    fold = second.fold
    test = (cases.time_us >= _us(fold["test"][0])) & (cases.time_us < _us(fold["test"][1]))
    own = cases.coded(scorer.categories).take(test)
    from sklearn.metrics import roc_auc_score

    assert champion.metrics["roc_auc"] == pytest.approx(roc_auc_score(own.y, scorer.score(own.x)))


def _us(text: str) -> int:
    return int(np.datetime64(text[:26].removesuffix("+00:00"), "us").astype(np.int64))


def test_ten_thousand_categories_are_learned_from_and_names_are_refused(registry: Registry) -> None:
    luck = np.random.default_rng(3)
    many = [f"shop {one}" for one in luck.integers(0, 10_000, 6000)]
    report = train(model(fit_lightgbm), with_texts(many), registry)
    known = registry.load(report.version).categories[TEXT]
    assert 1000 < len(known) < 10_000
    names = pa.table({"n": [f"p{i}" for i in range(MOST_CATEGORIES + 1)]})
    built = FakeBuilt(
        pa.table(
            {
                TEXT: names["n"],
                "at": pa.array(range(len(names)), pa.timestamp("us", tz="UTC")),
                "label": [0] * len(names),
            }
        ),
        {"features": [TEXT], "event_time": "at", "columns": {TEXT: "string"}},
    )
    with pytest.raises(HeadraceError, match=r"HR-LEARN-028 p.py:1: found feature 'now.night' with 100,001 texts"):
        read_cases(built, (), "p.py:1")
