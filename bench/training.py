"""The whole training command, and a search, beside the same steps written by hand with scikit-learn and LightGBM."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.measure import Result, in_turn
from headrace.run import load_project, run

COLUMNS, DAYS = 20, 40
DAY = 86_400_000_000
INSIDE = Path(__file__).parent / "training_inside.py"
PROJECT = """
import headrace as hr
from steps import boosting, searched


class Case(hr.Contract):
    case_id: int = hr.key()
    at: hr.Timestamp = hr.event_time()
    bad: int
{fields}


cases = hr.Stream("cases", Case, source="cases.parquet")
columns = hr.Features("of", cases, features={{name: name for name in {names!r}}})
learned = hr.TrainingSet("learned", cases, [columns], label=hr.label(cases, "bad", on="case_id", matures="1d"))
metrics = [hr.average_precision(), hr.roc_auc()]
once = hr.Model("once", learned, boosting, hr.time_split(train="28d", test="7d"), metrics)
space = hr.candidate(searched, rate=hr.between(0.02, 0.2, log=True), least=hr.between(10, 200))
often = hr.Model("often", learned, space, hr.time_split(train="14d", test="5d", folds=2), metrics)
project = hr.Project("bench", models=[once, often])
"""
STEPS = """
def boosting(train):
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=200, random_state=train.seed, verbose=-1, n_jobs=2, deterministic=True,
                          force_row_wise=True).fit(train.X, train.y)


def searched(train, rate=0.1, least=20):
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=60, learning_rate=rate, min_child_samples=least, random_state=train.seed,
                          verbose=-1, n_jobs=1, deterministic=True, force_row_wise=True).fit(train.X, train.y)
"""


def laid(folder: Path, rows: int) -> Path:
    """Lay a project into a folder, build its training set, and return the folder in which that is."""
    random, names = np.random.default_rng(4), [f"c{at}" for at in range(COLUMNS)]
    values = random.normal(size=(rows, COLUMNS)).astype(np.float32)
    hidden = values[:, 0] + values[:, 1] * values[:, 2] + 0.5 * np.abs(values[:, 3]) + random.normal(size=rows)
    time = np.sort(random.integers(0, DAYS * DAY, rows)) + 1_700_006_400_000_000
    columns = {"case_id": np.arange(rows), "at": pa.array(time).cast(pa.timestamp("us", tz="UTC"))}
    columns |= {"bad": (hidden > 2.5).astype(np.int64)} | dict(zip(names, values.astype(np.float64).T, strict=True))
    pq.write_table(pa.table(columns), folder / "cases.parquet")
    fields = "\n".join(f"    {name}: float" for name in names)
    (folder / "project.py").write_text(PROJECT.format(fields=fields, names=names))
    (folder / "steps.py").write_text(STEPS)
    (folder / "headrace.toml").write_text('[project]\nname = "bench"\n')
    loaded = load_project(folder)
    run(loaded)
    return next((loaded.state_dir / "sets" / "learned").glob("*/manifest.json")).parent


def _said(command: list[str], folder: Path) -> Any:
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def measured(rows: int, trials: int, rounds: int) -> list[Result]:
    """Return the times of a training and of a search, each as a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        built = laid(folder, rows)
        by_hand = [sys.executable, str(INSIDE), str(built)]
        ours = [sys.executable, "-m", "headrace.cli", "train", "--json", "--again"]
        once = {
            "Headrace": lambda: _said([*ours, "once"], folder),
            "by hand": lambda: _said([*by_hand, "once"], folder),
        }
        seconds, said = in_turn(once, rounds)
        report = said["Headrace"]["models"][0]["report"]
        mine = next(one["metrics"] for one in report["candidates"] if one["role"] == "model")
        _same(mine["average_precision"], said["by hand"]["average_precision"])
        steps = {f"step {name}": f"{taken:.2f} s" for name, taken in report["seconds"].items() if taken >= 0.05}
        what = f"{rows:,} cases x {COLUMNS} features, LightGBM of 200 trees: read, split, baselines, fit, ONNX, metrics"
        aim = "at most 1.15x the time by hand"
        training = Result("whole training", what, seconds, "average precision equal", aim, steps)
        begun, tried = in_turn(
            {
                "Headrace": lambda: _said([*ours, "often", "--tune", str(trials)], folder),
                "plain Optuna": lambda: _said([*by_hand, "often", str(trials)], folder),
            },
            1,
        )
        choice = tried["Headrace"]["models"][0]["report"]
        taken = next(one for one in choice["candidates"] if one["role"] == "model")
        best = taken["validation"]["average_precision"], tried["plain Optuna"]["best"]
        notes = {
            "best on validation": f"{best[0]:.4f} and {best[1]:.4f}",
            "not in it": "Headrace also judges the choice on all folds, fits, exports, proves and registers it",
        }
        what = f"{rows:,} cases, {trials} trials of 60 trees on 2 folds, none ended early by hand, two at once"
        tuning = Result("search", what, begun, "same space, folds and metric", "at most 1.1x plain Optuna", notes)
    return [training, tuning]


def _same(one: float, other: float) -> None:
    if abs(one - other) > 1e-6:
        raise AssertionError(f"{one} is not {other}")


def suite(small: bool) -> list[Result]:
    """Run at a million cases, or at twenty thousand of them."""
    return measured(20_000, 4, 1) if small else measured(1_000_000, 50, 2)
