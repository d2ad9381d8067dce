"""MLflow, kept at home: one local database, no telemetry, no server; written through its client, read by SQL."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from headrace.errors import Fault, HeadraceError
from headrace.learn.quiet import switch_off_telemetry
from headrace.learn.version import Record, Version

if TYPE_CHECKING:
    from mlflow import MlflowClient

_DATABASE = "mlflow.db"
_TAG = "headrace."
_READ = """
    select v.name, v.version, t.key, t.value from model_versions v
    join model_version_tags t on t.workspace = v.workspace and t.name = v.name and t.version = v.version
    where v.current_stage != 'Deleted_Internal' and t.key like 'headrace.%' order by v.name, v.version, t.key
"""
_ALIASES = "select name, version, alias from registered_model_aliases order by name, version, alias"
T = TypeVar("T")


def read_versions(root: Path) -> list[Version]:
    """Return all versions in a registry's folder, by name and number; none where there is no database.

    Raises:
        HeadraceError: HR-LEARN-019 when the database cannot be read.
    """
    path = root / _DATABASE
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=10)) as database:
            rows, aliases = database.execute(_READ).fetchall(), database.execute(_ALIASES).fetchall()
    except sqlite3.Error as error:
        raise HeadraceError(_unusable(error)) from error
    tags: dict[tuple[str, int], dict[str, str]] = {}
    for name, number, key, value in rows:
        tags.setdefault((name, number), {})[key.removeprefix(_TAG)] = value
    return [
        _version(number, told, tuple(alias for other, n, alias in aliases if (other, n) == (name, number)))
        for (name, number), told in tags.items()
        if "record" in told
    ]


def _version(number: int, told: dict[str, str], aliases: tuple[str, ...]) -> Version:
    record = Record.from_json(told["record"])
    promotions = tuple(json.loads(told.get("promotions", "[]")))
    return Version(number, record, int(told["created_us"]), aliases, told.get("standing", ""), promotions)


def _unusable(error: Exception) -> Fault:
    text = (str(error).splitlines() or [""])[0][:200]
    found = f"model database {_DATABASE} that cannot be used ({type(error).__name__}: {text})"
    cure = "close other programs that write to it, make room on the disk, or restore it from a copy"
    return Fault("HR-LEARN-019", "", found, "MLflow's database", cure)


class Tracking:
    """The writing side. Every method can be called again after a crash in the middle of it.

    Args:
        root: folder of the registry.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._client: MlflowClient | None = None

    @property
    def ready(self) -> bool:
        """Whether there is a database."""
        return (self._root / _DATABASE).exists()

    def prepare(self) -> None:
        """Make the database where there is none."""
        if not self.ready:
            self._open()

    def _open(self) -> MlflowClient:
        if self._client is None:
            self._client = _told(lambda: _open_client(self._root))
        return self._client

    def create(self, record: Record, file: Path, now_us: int) -> None:
        """Write run, metrics and artifact, and then the version with all its tags in one transaction."""
        client = self._open()
        _told(lambda: self._create(client, record, file, now_us))

    def _create(self, client: MlflowClient, record: Record, file: Path, now_us: int) -> None:
        self._model(client, record.model)
        run = self._run(client, record, now_us)
        self._log(client, run, record, file)
        self._version(client, run, record, file.name, now_us)
        self._finish(client, run, now_us)

    def _model(self, client: MlflowClient, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _run(self, client: MlflowClient, record: Record, now_us: int) -> Any:
        """The run of this record: a new one, or the one that a killed process began."""
        experiment = client.get_experiment_by_name(record.model)
        if experiment is None:
            place = (self._root / "artifacts").resolve().as_uri()
            number = client.create_experiment(record.model, artifact_location=place)
        else:
            number = experiment.experiment_id
        begun = client.search_runs([number], f"tags.`{_TAG}identity` = '{record.identity}'", max_results=1)
        if begun:
            return begun[0]
        tags = {f"{_TAG}identity": record.identity, "mlflow.source.git.commit": record.origin.commit}
        name = f"{record.model}-{record.digest[:8]}"
        return client.create_run(number, start_time=now_us // 1000, tags=tags, run_name=name)

    def _log(self, client: MlflowClient, run: Any, record: Record, file: Path) -> None:
        from mlflow.entities import Metric, Param

        # the run's own start is the time of each metric, so that logging again is not another point
        at = run.info.start_time
        metrics = [
            Metric(label if who == "model" else f"{who}.{label}", value, at, 0)
            for who, values in record.metrics.items()
            for label, value in values.items()
        ]
        origin = record.origin
        params = {"digest": record.digest, "declaration": origin.declaration, "training_set": origin.training_set}
        params |= {f"data.{table}": str(version) for table, version in origin.data.items()}
        client.log_batch(run.info.run_id, metrics, [Param(key, value) for key, value in params.items()])
        client.log_artifact(run.info.run_id, str(file), "model")

    def _version(self, client: MlflowClient, run: Any, record: Record, file: str, now_us: int) -> None:
        tags = {
            "record": record.to_json(),
            "identity": record.identity,
            "digest": record.digest,
            "gates": "passed" if record.passed else "failed",
            "created_us": str(now_us),
        }
        tags = {_TAG + key: value for key, value in tags.items()}
        # relative, so that the folder can be moved; what is loaded is found by its digest
        source = f"files/{file}"
        client.create_model_version(record.model, source, run.info.run_id, tags=tags, await_creation_for=0)

    def _finish(self, client: MlflowClient, run: Any, now_us: int) -> None:
        client.set_terminated(run.info.run_id, end_time=max(now_us // 1000, run.info.start_time))

    def set_tag(self, version: Version, key: str, value: str) -> None:
        """Set one of our tags on a version."""
        client = self._open()
        _told(lambda: client.set_model_version_tag(version.name, str(version.number), _TAG + key, value))

    def set_alias(self, model: str, alias: str, number: int) -> None:
        """Point an alias at a version; it leaves the one that had it."""
        client = self._open()
        _told(lambda: client.set_registered_model_alias(model, alias, str(number)))

    def drop_alias(self, model: str, alias: str) -> None:
        """Take an alias away."""
        client = self._open()
        _told(lambda: client.delete_registered_model_alias(model, alias))


def _told(work: Callable[[], T]) -> T:
    """Do something with MLflow; its failures become a fault of the database."""
    try:
        return work()
    except ImportError as error:
        cure = "pip install 'headrace[learn]'"
        raise HeadraceError(Fault("HR-LEARN-018", "", f"no module {error.name}", "MLflow installed", cure)) from error
    except Exception as error:
        raise HeadraceError(_unusable(error)) from error


def _open_client(root: Path) -> MlflowClient:
    switch_off_telemetry()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what MLflow's own dependencies miss is no concern of the user
        from mlflow import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    root.mkdir(parents=True, exist_ok=True)
    _stop_telemetry()
    path = (root / _DATABASE).resolve()
    if not path.exists():
        _create_database(path)
    return MlflowClient(_uri(path), _uri(path))


def _stop_telemetry() -> None:
    """Stop the sender, too, where the user's own code imported MLflow before the switches were set."""
    from mlflow.telemetry import set_telemetry_client

    set_telemetry_client()  # type: ignore[no-untyped-call]  # MLflow gives it no types


def _uri(path: Path) -> str:
    return f"sqlite:///{path}"


def _create_database(path: Path) -> None:
    """Create the database beside its place and move it there: MLflow's sixty migrations do not survive a kill."""
    from mlflow import MlflowClient

    for left in path.parent.glob(f"{path.stem}.*.new"):
        left.unlink()  # by one that was killed: who makes the database holds the registry's lock
    new = path.with_suffix(f".{os.getpid()}.new")
    MlflowClient(_uri(new), _uri(new)).search_registered_models(max_results=1)
    whole = path.with_suffix(f".{os.getpid()}.whole")
    # a copy, because the client keeps the file open that it made
    whole.write_bytes(new.read_bytes())
    whole.replace(path)
    new.unlink()
