"""Three small models as a registry holds them, and a server of their routes on a free port."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import headrace as hr
from headrace.learn import Registry, Scorer, Version
from headrace.learn.export import to_onnx
from headrace.learn.gates import GateOutcome
from headrace.learn.scorer import digest_of
from headrace.learn.version import Origin, Record
from headrace.serve.message import Route
from headrace.serve.oip import Models
from headrace.serve.wire import Reception
from headrace.serve.wire import server as wire
from headrace.serve.wire.listen import Entry

FEATURES = ("now.amount", "now.night", "spending.mean_7d", "spending.count_7d")
SHOPS = ("bakery", "casino", "fuel")
TREES, CLASSES, TEXTS = "fraud_score", "kind_of_sale", "shop_score"
PASSED = GateOutcome("at_least(roc_auc)", True, 0.9, 0.8, "roc_auc is 0.9000, at least 0.8000 as asked")


def rows(count: int = 400, seed: int = 0, nulls: float = 0.1) -> Any:
    """Features of payments, float32, with nulls."""
    luck = np.random.default_rng(seed)
    x = luck.lognormal(2, 1, (count, len(FEATURES))).astype(np.float32)
    x[:, 1] = luck.integers(0, 2, count)
    x[luck.random(x.shape) < nulls] = np.nan
    return x


def _trees(trees: int) -> bytes:
    from lightgbm import LGBMClassifier

    x = rows(600)
    y = np.nan_to_num(x[:, 0]) > 8
    fitted = LGBMClassifier(n_estimators=trees, verbose=-1, n_jobs=1, random_state=0)
    return to_onnx(fitted.fit(pd.DataFrame(x, columns=list(FEATURES)), y), FEATURES, "")


def _classes() -> bytes:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x = rows(600)
    y = np.digitize(np.nan_to_num(x[:, 0]), [5, 15])
    fitted = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=300)).fit(x, y)
    return to_onnx(fitted, FEATURES, "", hr.multiclass(), ("low", "mid", "high"))


def _texts() -> bytes:
    from lightgbm import LGBMClassifier

    x = rows(600)[:, :2]
    x[:, 1] = np.random.default_rng(1).integers(0, len(SHOPS), len(x))
    fitted = LGBMClassifier(n_estimators=10, verbose=-1, n_jobs=1, random_state=0).fit(x, x[:, 1] == 1)
    return to_onnx(fitted, ("now.amount", "now.shop"), "", categories={"now.shop": SHOPS})


def filled(registry: Registry) -> Registry:
    """Put the models into a registry: three versions of trees, of which the second is champion, and one of others."""
    for name, content, standing in (
        (TREES, _trees(10), "champion"),
        (TREES, _trees(20), "champion"),
        (TREES, _trees(30), "held"),
        (CLASSES, _classes(), "champion"),
        (TEXTS, _texts(), "champion"),
    ):
        champion = registry.champion(name)
        origin = Origin("d" * 64, "t" * 64)
        parent = None if champion is None else champion.number
        record = Record(name, digest_of(content), origin, {"model": {"roc_auc": 0.9}}, (PASSED,), parent)
        version, _ = registry.register(record, content)
        registry.settle(version, standing)
    return registry


@dataclass
class Serving:
    """What serves a model, without the rest of a desk."""

    version: Version
    scorer: Scorer


def champions(registry: Registry) -> list[Serving]:
    found = [registry.champion(name) for name in (TREES, CLASSES, TEXTS)]
    return [Serving(one, registry.load(one)) for one in found if one is not None]


class Server:
    """The routes of models, behind the server of services, on a free port."""

    def __init__(self, routes: Sequence[Route]) -> None:
        way = Entry("127.0.0.1", 0)
        self._stack = contextlib.ExitStack()
        taken = self._stack.enter_context(way.bound())
        self.url = way.url(taken)
        self.address = self.url.removeprefix("http://")
        self._server = wire.Server(Reception(routes))
        self._thread = threading.Thread(target=self._server.run, args=([taken],), daemon=True)
        self._thread.start()
        self._server.started.wait()

    def close(self) -> None:
        self._server.stop()
        self._thread.join()
        self._stack.close()


def models_of(registry: Registry) -> Models:
    serving = champions(registry)
    return Models(registry, lambda: serving)
