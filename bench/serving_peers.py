"""Servers of models and of features as peers: each in an environment of its own, set up as its documentation says."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench import apart
from bench.apart import Absent
from bench.serving_load import server

MLSERVER, BENTOML, FEAST = "1.7.1", "1.4.39", "0.67.0"
RUNTIME = (f"onnxruntime=={version('onnxruntime')}", "uvloop", "httptools")
"""What peers run the model with, as we do, and what uvicorn is fastest with."""
_OWNER = {"spending": "customer_id", "who": "customer_id", "busy": "terminal_id", "risk": "terminal_id"}
"""Whose features Feast keeps; the others come from the row of a request."""
_HERE = Path(__file__).resolve().parent / "peers"
_CALM = {"BENTOML_DO_NOT_TRACK": "True", "DO_NOT_TRACK": "1", "FEAST_USAGE": "False", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Asked:
    """A model, and what it is asked.

    Args:
        file: of ONNX.
        about: names and places of what it gives: ``output``, ``column``, ``sign``.
        rows: float32 [rows, features], 0 in the place of null.
        features: their values with ``customer_id`` and ``terminal_id`` beside, for a store of features.
    """

    file: Path
    about: dict[str, Any]
    rows: np.ndarray[Any, Any]
    scores: np.ndarray[Any, Any]
    features: pd.DataFrame


def free_port() -> int:
    """Return a port of the loopback that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def as_v2(row: np.ndarray[Any, Any]) -> str:
    """Return a row as a request of the Open Inference Protocol."""
    tensor = {"name": "input", "shape": [1, len(row)], "datatype": "FP32", "data": [float(one) for one in row]}
    return json.dumps({"inputs": [tensor]})


@dataclass(frozen=True)
class Peer:
    """A server that runs.

    Args:
        url: where it is asked.
        bodies: what it is asked.
        pid: of its process.
        read: makes numbers of an answer.
        expected: what they are, a row for each body.
    """

    url: str
    bodies: list[str]
    pid: int
    read: Callable[[Any], list[float]]
    expected: np.ndarray[Any, Any]


@contextmanager
def mlserver(asked: Asked, folder: Path) -> Iterator[Peer]:
    """MLServer with the model in the process that answers, without access logs."""
    python, port = apart.environment(f"mlserver-{MLSERVER}-uvloop", [f"mlserver=={MLSERVER}", *RUNTIME]), free_port()
    _laid(asked, folder, "mlserver_model.py")
    model = {"name": "fraud", "implementation": "mlserver_model.Onnx"}
    (folder / "model-settings.json").write_text(json.dumps(model))
    quiet = {
        "debug": False,
        "parallel_workers": 0,
        "metrics_endpoint": None,
        "gzip_enabled": False,
        "host": "127.0.0.1",
    }
    ports = {"http_port": port, "grpc_port": free_port()}
    (folder / "settings.json").write_text(json.dumps(quiet | ports | {"logging_settings": _logging(folder)}))
    command = [str(python.parent / "mlserver"), "start", str(folder)]
    url = f"http://127.0.0.1:{port}/v2/models/fraud"
    with server(command, f"{url}/ready", folder, os.environ | _CALM | {"PYTHONPATH": str(folder)}) as pid:
        yield Peer(f"{url}/infer", [as_v2(row) for row in asked.rows], pid, _outputs, asked.scores)


def _logging(folder: Path) -> str:
    path = folder / "logging.json"
    path.write_text(json.dumps({"version": 1, "disable_existing_loggers": True, "root": {"level": "ERROR"}}))
    return str(path)


@contextmanager
def bentoml(asked: Asked, folder: Path) -> Iterator[Peer]:
    """BentoML with one worker."""
    python, port = apart.environment(f"bentoml-{BENTOML}-uvloop", [f"bentoml=={BENTOML}", *RUNTIME]), free_port()
    _laid(asked, folder, "bento_service.py")
    command = [str(python.parent / "bentoml"), "serve", "bento_service:Fraud", "--host", "127.0.0.1"]
    url = f"http://127.0.0.1:{port}"
    env = os.environ | _CALM | {"BENTOML_HOME": str(folder / "home")}
    with server([*command, "--port", str(port), "--quiet"], f"{url}/readyz", folder, env) as pid:
        bodies = [json.dumps({"rows": [[float(one) for one in row]]}) for row in asked.rows]
        yield Peer(f"{url}/predict", bodies, pid, list, asked.scores)


@contextmanager
def feast(asked: Asked, folder: Path) -> Iterator[Peer]:
    """Feast's server of features with one worker over its store of SQLite; it has no model."""
    python, port = apart.environment(f"feast-{FEAST}", [f"feast=={FEAST}"]), free_port()
    shutil.copy(_HERE / "feast_repo.py", folder)
    keys = ("customer_id", "terminal_id")
    owner = {name: _OWNER.get(name.partition(".")[0]) for name in asked.features.columns}
    named = {name: f"{key}__{name.replace('.', '_')}" for name, key in owner.items() if key}
    renamed = asked.features[[*keys, *named]].rename(columns=named)
    renamed.to_parquet(folder / "features.parquet")
    done = subprocess.run(
        [str(python), "-P", "feast_repo.py"], cwd=folder, env=os.environ | _CALM, capture_output=True, text=True
    )
    if done.returncode:
        raise Absent(f"could not run here: {(done.stderr.strip().splitlines() or ['no reason told'])[-1][:200]}")
    command = [str(python.parent / "feast"), "serve", "-h", "127.0.0.1", "-p", str(port), "--workers", "1"]
    command += ["--max-requests", "0", "--registry_ttl_sec", "3600"]  # it begins anew after 1,000 requests otherwise
    url = f"http://127.0.0.1:{port}"
    with server([*command, "--no-access-log"], f"{url}/health", folder, os.environ | _CALM) as pid:
        wanted = [f"by_{name.partition('__')[0]}:{name}" for name in renamed.columns if "__" in name]
        entities = asked.features[list(keys)].to_dict("records")
        bodies = [
            json.dumps({"features": wanted, "entities": {name: [int(row[name])] for name in keys}}) for row in entities
        ]

        def read(said: Any) -> list[float]:
            held = dict(
                zip(said["metadata"]["feature_names"], (one["values"][0] for one in said["results"]), strict=True)
            )
            return [float(held[name]) for name in named.values()]

        yield Peer(f"{url}/get-online-features", bodies, pid, read, asked.features[list(named)].to_numpy())


def _outputs(said: Any) -> list[float]:
    return list(said["outputs"][0]["data"])


def _laid(asked: Asked, folder: Path, script: str) -> None:
    shutil.copy(asked.file, folder / "model.onnx")
    shutil.copy(_HERE / script, folder)
    (folder / "about.json").write_text(json.dumps(asked.about))
