"""Run as a program: what a data scientist writes for one training, or for a search by Optuna, without Headrace.

``python training_inside.py SET once`` or ``… SET often TRIALS`` reads a built set and prints what came of it as JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from sklearn.metrics import average_precision_score, roc_auc_score

DAY = 86_400_000_000


def read(folder: Path) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return features, labels and event times of a built set."""
    manifest = json.loads((folder / "manifest.json").read_text())
    table = pq.read_table([str(folder / one) for one in manifest["parts"]])
    frame = table.select(manifest["features"]).to_pandas().astype(np.float32)
    time = table["at"].cast("int64").to_numpy()
    return frame, table["label"].to_numpy(zero_copy_only=False).astype(np.int64), time


def parts(time: np.ndarray, end: int, train: int, test: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows to learn from and to judge on, with a day between them."""
    judged = (time >= end - test * DAY) & (time < end)
    begin = end - (test + 1) * DAY
    return (time >= begin - train * DAY) & (time < begin), judged


def once(folder: Path) -> dict[str, Any]:
    """Fit baselines and model, export it, judge what was exported, and register it with MLflow."""
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType
    from onnxruntime import InferenceSession
    from sklearn.dummy import DummyClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from steps import boosting

    x, y, time = read(folder)
    train, test = parts(time, -(-(int(time.max()) + 1) // DAY) * DAY, 28, 7)
    learned, judged = x[train].astype(np.float64), x[test].astype(np.float64)
    found = {}
    linear = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(max_iter=300))
    for name, baseline in (("prior", DummyClassifier()), ("linear", linear)):
        score = baseline.fit(learned, y[train]).predict_proba(judged)[:, 1]
        found[name] = [average_precision_score(y[test], score), roc_auc_score(y[test], score)]
    model = boosting(SimpleNamespace(X=learned, y=y[train], seed=0))
    kind = [("x", FloatTensorType([None, x.shape[1]]))]
    content = convert_lightgbm(model, initial_types=kind, zipmap=False).SerializeToString()
    session = InferenceSession(content, providers=["CPUExecutionProvider"])
    given = x[test].to_numpy(np.float32)
    score = session.run(None, {"x": given})[1][:, 1].astype(np.float64)
    found["model"] = [average_precision_score(y[test], score), roc_auc_score(y[test], score)]
    apart = np.abs(model.predict_proba(judged)[:, 1] - score).max()
    register(folder.parents[1] / "by-hand", content, found)
    return {"average_precision": found["model"][0], "apart": float(apart)}


def register(root: Path, content: bytes, metrics: dict[str, list[float]]) -> None:
    """Log the run and register the model with MLflow."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    root.mkdir(exist_ok=True)
    client = MlflowClient(f"sqlite:///{root}/mlflow.db", f"sqlite:///{root}/mlflow.db")
    experiment = client.get_experiment_by_name("once")
    number = client.create_experiment("once", f"{root}/files") if experiment is None else experiment.experiment_id
    run = client.create_run(number)
    for name, (precision, area) in metrics.items():
        client.log_metric(run.info.run_id, f"{name}.average_precision", precision)
        client.log_metric(run.info.run_id, f"{name}.roc_auc", area)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "model.onnx"
        path.write_bytes(content)
        client.log_artifact(run.info.run_id, str(path))
    with suppress(MlflowException):  # it is there already
        client.create_registered_model("once")
    client.create_model_version("once", run.info.artifact_uri, run.info.run_id)
    client.set_terminated(run.info.run_id)


def often(folder: Path, trials: int) -> dict[str, Any]:
    """Search by Optuna on two folds, two trials at once."""
    import optuna
    from steps import searched

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    x, y, time = read(folder)
    end = -(-(int(time.max()) + 1) // DAY) * DAY
    last = end - 6 * DAY
    folds = [parts(time, last - back * 5 * DAY, 14, 5) for back in (1, 0)]

    def worth(trial: Any) -> float:
        chosen = {
            "rate": trial.suggest_float("rate", 0.02, 0.2, log=True),
            "least": trial.suggest_int("least", 10, 200),
        }
        each = []
        for train, test in folds:
            model = searched(SimpleNamespace(X=x[train].astype(np.float64), y=y[train], seed=0), **chosen)
            score = model.predict_proba(x[test].astype(np.float64))[:, 1]
            each.append(average_precision_score(y[test], score))
        return float(np.mean(each))

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0, constant_liar=True))
    study.optimize(worth, n_trials=trials, n_jobs=2)
    return {"best": study.best_value}


if __name__ == "__main__":
    sys.path.insert(0, ".")
    place = Path(sys.argv[1])
    print(json.dumps(once(place) if sys.argv[2] == "once" else often(place, int(sys.argv[3]))))
