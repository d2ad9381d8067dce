"""A real tracking server for tests: MLflow's own, on a free port of this machine, over SQLite and a folder."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATIENCE_S = 120


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def mlflow_server(folder: Path, port: int | None = None) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a server for the length of a ``with`` block; give its address and its process."""
    port = port or free_port()
    settings = {
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{folder / 'server.db'}",
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "files"),
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    words = ["-m", "flask", "--app", "mlflow.server:app", "run", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, *words], env={**os.environ, **settings}, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        _answers(url, process, folder)
        yield url, process
    finally:
        process.kill()
        process.wait()


def _answers(url: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until and process.poll() is None:
        try:
            # the second makes the tables of the database
            for path in ("/health", "/api/2.0/mlflow/registered-models/search?max_results=1"):
                with urllib.request.urlopen(f"{url}{path}", timeout=60) as answer:
                    answer.read()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise AssertionError((folder / "server.log").read_text()[-2000:])
