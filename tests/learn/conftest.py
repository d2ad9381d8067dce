"""A registry's folder with its database, made once: MLflow needs seconds for the first."""

import shutil
from pathlib import Path

import pytest

from headrace.learn.registry import Registry
from headrace.learn.tracking import Tracking


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("registry")
    Tracking(root)._open()
    return root


@pytest.fixture
def registry(empty_registry: Path, tmp_path: Path) -> Registry:
    root = tmp_path / "models"
    root.mkdir()
    shutil.copy(empty_registry / "mlflow.db", root / "mlflow.db")
    return Registry(root)
