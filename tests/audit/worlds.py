"""A trained model and the set it learned from, laid where a project keeps them, without lake and files."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

import headrace as hr
from headrace.audit.models.judged import judged
from headrace.lake import Lake
from headrace.learn import Registry, TrainReport, train
from tests.learn.worlds import FakeBuilt

PLACE = "cases"


@dataclass(frozen=True)
class Made:
    """What a report needs of a project in its folder."""

    project: hr.Project
    state_dir: Path

    def lake(self) -> Lake:
        return Lake(self.state_dir / "lake")

    def registry(self) -> Registry:
        return Registry(self.state_dir / "models")


def made(folder: Path, empty_registry: Path, project: hr.Project, built: FakeBuilt) -> Made:
    """Lay a built set where the project keeps it, and an empty registry."""
    (folder / "models").mkdir(parents=True)
    shutil.copy(empty_registry / "mlflow.db", folder / "models" / "mlflow.db")
    loaded = Made(project, folder)
    lay(loaded, built)
    return loaded


def lay(loaded: Made, built: FakeBuilt) -> None:
    """Write a set as the build would."""
    path = loaded.state_dir / "sets" / PLACE / built.manifest["fingerprint"][:16]
    path.mkdir(parents=True)
    pq.write_table(built.table, path / "part-00000.parquet")
    said: dict[str, Any] = {"name": PLACE, "rows": built.table.num_rows, "excluded": {"label not mature": 12}}
    lineage = {name: ["payments.amount"] for name in built.manifest["features"]}
    said["label"] = {"value": "is_fraud", "source": "chargebacks"}
    manifest = {**built.manifest, **said, "lineage": lineage, "parts": ["part-00000.parquet"]}
    columns = {name: str(built.table.schema.field(name).type) for name in built.table.column_names}
    (path / "manifest.json").write_text(json.dumps(manifest | {"columns": columns}))


def trained(loaded: Made, model: hr.Model, built: FakeBuilt, **more: Any) -> TrainReport:
    """Train a model on the set."""
    return train(model, built, loaded.registry(), **more)


def project_of(one, **decide):
    services = [hr.Service("desk", one, decide=decide)] if decide else []
    charter = hr.Charter(
        problem="Cards are stolen.",
        metric=one.metrics[0].label,
        data="a",
        quality="b",
        deployment="c",
        success="d",
        owner="risk",
    )
    return hr.Project("bank", charter=charter, services=services, models=[one])


def judge(tmp_path, empty_registry, one, built, **decide):
    loaded = made(tmp_path / "state", empty_registry, project_of(one, **decide), built)
    report = trained(loaded, one, built)
    (found,) = judged(loaded)
    assert found.why == ""
    return loaded, report, found
