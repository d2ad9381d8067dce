"""MLflow at home or on a server, without telemetry: written through its client; at home, read by SQL."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sqlite3
import tempfile
import warnings
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from headrace.errors import Fault, HeadraceError
from headrace.learn.logged import TAG, lay_out, metrics_of, note_of, params_of, tags_of
from headrace.learn.quiet import switch_off_telemetry
from headrace.learn.server import Server, be_patient, keeps_silent, read_server, remember_silence, unreachable
from headrace.learn.stored import Files
from headrace.learn.version import Record, Version

if TYPE_CHECKING:
    from mlflow import MlflowClient

_DATABASE = "mlflow.db"
_READ = """
    select v.name, v.version, v.run_id, t.key, t.value from model_versions v
    join model_version_tags t on t.workspace = v.workspace and t.name = v.name and t.version = v.version
    where v.current_stage != 'Deleted_Internal' and t.key like 'headrace.%' order by v.name, v.version, t.key
"""
_ALIASES = "select name, version, alias from registered_model_aliases order by name, version, alias"
_PATIENCE_S = 5.0
"""How long a database is waited for that another program writes to."""
_KIND = {"mlflow.experimentKind": "custom_model_development"}
"""So that MLflow's pages show runs of training, and not chats."""
_LONGEST = 90_000
"""Characters of a tag; MLflow takes 100,000."""
_AT_ONCE = 1000
"""Metrics that MLflow takes at once."""
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
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_PATIENCE_S)) as database:
            rows, aliases = database.execute(_READ).fetchall(), database.execute(_ALIASES).fetchall()
    except sqlite3.Error as error:
        raise HeadraceError(_unusable(error)) from error
    tags: dict[tuple[str, int, str], dict[str, str]] = {}
    for name, number, run, key, value in rows:
        tags.setdefault((name, number, run), {})[key.removeprefix(TAG)] = value
    return [
        _version(number, run, told, tuple(alias for other, n, alias in aliases if (other, n) == (name, number)))
        for (name, number, run), told in tags.items()
        if "record" in told
    ]


def _version(number: int, run: str, told: Mapping[str, str], aliases: tuple[str, ...]) -> Version:
    record = Record.from_json("".join(told[name] for name in _pieces(told)))
    promotions = tuple(json.loads(told.get("promotions", "[]")))
    shadows = tuple(json.loads(told.get("shadows", "[]")))
    standing, created = told.get("standing", ""), int(told["created_us"])
    return Version(number, record, created, aliases, standing, promotions, run or "", shadows)


def _in_pieces(text: str) -> dict[str, str]:
    """A text as tags, none of which is longer than MLflow takes: a thousand features are more than one."""
    pieces = [text[at : at + _LONGEST] for at in range(0, len(text), _LONGEST)]
    return {"record" if at == 0 else f"record.{at:03}": piece for at, piece in enumerate(pieces)}


def _pieces(told: Mapping[str, str]) -> list[str]:
    return sorted(name for name in told if name.partition(".")[0] == "record")


def _unusable(error: Exception) -> Fault:
    text = (str(error).splitlines() or [""])[0][:200]
    found = f"model database {_DATABASE} that cannot be used ({type(error).__name__}: {text})"
    cure = "close other programs that write to it, make room on the disk, or restore it from a copy"
    return Fault("HR-LEARN-019", "", found, "MLflow's database", cure)


class Tracking:
    """Runs and versions in MLflow. Every method that writes can be called again after a crash in the middle of it.

    Args:
        root: folder of the registry.
        server: in place of the database in the folder.
    """

    def __init__(self, root: Path, server: Server | None = None) -> None:
        self._root, self.server = root, server
        self._client: MlflowClient | None = None

    @property
    def ready(self) -> bool:
        """Whether nothing has to be made before the first version."""
        return self.server is not None or (self._root / _DATABASE).exists()

    def prepare(self) -> None:
        """Make the database where there is none."""
        if not self.ready:
            self._open()

    def versions(self, model: str | None = None) -> list[Version]:
        """Return the versions of a model, or of all, by name and number.

        Raises:
            HeadraceError: HR-LEARN-019 when the database cannot be read, HR-LEARN-030 when the server cannot.
        """
        server = self.server
        if server is None:
            return [one for one in read_versions(self._root) if model is None or one.name == model]
        client = self._open()
        found = self._told(lambda: list(read_server(client, server, model)))
        versions = []
        for _, one, aliases in found:
            tags = {key.removeprefix(TAG): value for key, value in one.tags.items() if key.startswith(TAG)}
            if "record" in tags:
                versions.append(_version(int(one.version), one.run_id, tags, aliases))
        return sorted(versions, key=lambda one: (one.name, one.number))

    def _open(self) -> MlflowClient:
        if self._client is None:
            self._client = self._told(lambda: _open_client(self._root, self.server))
        return self._client

    def _told(self, work: Callable[[], T]) -> T:
        """Do something with MLflow; its failures become faults of the database or of the server."""
        if self.server is not None and keeps_silent(self.server):
            raise HeadraceError(unreachable(self.server, TimeoutError("timed out")))
        try:
            return work()
        except ImportError as error:
            cure = "pip install 'headrace[learn]'"
            fault = Fault("HR-LEARN-018", "", f"no module {error.name}", "MLflow installed", cure)
            raise HeadraceError(fault) from error
        except Exception as error:
            if self.server is None:
                raise HeadraceError(_unusable(error)) from error
            remember_silence(self.server, error)
            raise HeadraceError(unreachable(self.server, error)) from error

    def _name(self, model: str) -> str:
        return model if self.server is None else self.server.name(model)

    def create(self, record: Record, files: Files, now_us: int) -> None:
        """Write run, metrics and files, and then the version with all its tags in one transaction."""
        self._told(self._writable)
        client = self._open()
        self._told(lambda: self._create(client, record, files, now_us))

    def _writable(self) -> None:
        """Wait for a database that another program writes to, but not for as long as MLflow would."""
        path = self._root / _DATABASE
        if self.server is None and path.exists():
            with closing(sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None)) as database:
                database.execute("begin immediate")
                database.execute("rollback")

    def _create(self, client: MlflowClient, record: Record, files: Files, now_us: int) -> None:
        self._model(client, self._name(record.model))
        run = self._run(client, record, now_us)
        self._log(client, run, record, files)
        self._version(client, run, record, now_us)
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
        name = self._name(record.model)
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            # a server knows best where its files are
            place = (self._root / "artifacts").resolve().as_uri() if self.server is None else None
            number = client.create_experiment(name, artifact_location=place, tags=_KIND)
        else:
            number = experiment.experiment_id
        begun = client.search_runs([number], f"tags.`{TAG}identity` = '{record.identity}'", max_results=1)
        if begun:
            return begun[0]
        tags = {f"{TAG}identity": record.identity, **tags_of(record)}
        called = f"{record.model}-{record.digest[:8]}"
        return client.create_run(number, start_time=now_us // 1000, tags=tags, run_name=called)

    def _log(self, client: MlflowClient, run: Any, record: Record, files: Files) -> None:
        from mlflow.entities import Metric, Param

        # the run's own start is the time of each metric, so that logging again is not another point
        at, number = run.info.start_time, run.info.run_id
        metrics = [Metric(name, value, at, step) for name, value, step in metrics_of(record)]
        for begin in range(0, len(metrics), _AT_ONCE):
            client.log_batch(number, metrics[begin : begin + _AT_ONCE])
        client.log_batch(number, params=[Param(key, value) for key, value in params_of(record).items()])
        with tempfile.TemporaryDirectory(prefix="headrace-") as folder:
            lay_out(record, files, Path(folder))
            client.log_artifacts(number, folder)

    def _version(self, client: MlflowClient, run: Any, record: Record, now_us: int) -> None:
        tags = {
            **_in_pieces(record.to_json()),
            "identity": record.identity,
            "digest": record.digest,
            "gates": "passed" if record.passed else "failed",
            "created_us": str(now_us),
        }
        tags = {TAG + key: value for key, value in tags.items()}
        # at home relative, so that the folder can be moved; what is loaded is found by its digest
        ending = Path(record.file).suffix
        source = f"files/{record.digest}{ending}" if self.server is None else f"{run.info.artifact_uri}/model"
        name, note = self._name(record.model), note_of(record)
        client.create_model_version(name, source, run.info.run_id, tags, description=note, await_creation_for=0)

    def _finish(self, client: MlflowClient, run: Any, now_us: int) -> None:
        client.set_terminated(run.info.run_id, end_time=max(now_us // 1000, run.info.start_time))

    def fetch(self, version: Version, name: str) -> bytes | None:
        """Return a file of a version from its run in MLflow, at home or on the server; None where it is not there."""
        if self.server is None:
            path = self._root / "artifacts" / version.run / "artifacts" / name
            return path.read_bytes() if path.is_file() else None
        client = self._open()

        def fetched() -> bytes | None:
            folder, _, wanted = name.rpartition("/")
            there = [entry.path for entry in client.list_artifacts(version.run, folder or None)]
            if name not in there:
                return None
            with tempfile.TemporaryDirectory(prefix="headrace-") as place:
                client.download_artifacts(version.run, name, place)
                return next(path for path in Path(place).rglob(wanted)).read_bytes()

        return self._told(fetched)

    def remove(self, version: Version) -> None:
        """Remove a version with its run and the files of that; numbers are not given again."""
        client = self._open()
        self._told(lambda: self._remove(client, version))

    def _remove(self, client: MlflowClient, version: Version) -> None:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        if self.server is None:
            shutil.rmtree(self._root / "artifacts" / version.run, ignore_errors=True)
        else:
            run = client.get_run(version.run)
            place = get_artifact_repository(run.info.artifact_uri, tracking_uri=self.server.url)
            place.delete_artifacts()  # type: ignore[no-untyped-call]  # MLflow gives it no types
        client.delete_run(version.run)
        # last: as long as the version is there, whoever comes next knows that it was to go
        client.delete_model_version(self._name(version.name), str(version.number))

    def set_tag(self, version: Version, key: str, value: str) -> None:
        """Set one of our tags on a version."""
        client = self._open()
        name = self._name(version.name)
        self._told(lambda: client.set_model_version_tag(name, str(version.number), TAG + key, value))

    def set_alias(self, model: str, alias: str, number: int) -> None:
        """Point an alias at a version; it leaves the one that had it."""
        client = self._open()
        self._told(lambda: client.set_registered_model_alias(self._name(model), alias, str(number)))

    def drop_alias(self, model: str, alias: str) -> None:
        """Take an alias away."""
        client = self._open()
        self._told(lambda: client.delete_registered_model_alias(self._name(model), alias))


def _open_client(root: Path, server: Server | None) -> MlflowClient:
    switch_off_telemetry()
    if server is not None:
        be_patient()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what MLflow's own dependencies miss is no concern of the user
        from mlflow import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    root.mkdir(parents=True, exist_ok=True)
    _stop_telemetry()
    if server is not None:
        return MlflowClient(server.url, server.url)
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
