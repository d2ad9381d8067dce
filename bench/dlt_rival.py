"""dlt as a rival: in an environment of its own, made on first use, and a process of its own for each load."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from bench.apart import Answer, answer, environment

ROOT = Path(__file__).resolve().parent.parent
VERSION = "1.31.0"
PACKAGES = (
    f"dlt[duckdb]=={VERSION}", "duckdb==2.0.0", "pyarrow==26.0.1", "pandas==3.1.1", "pydantic>=2", "sqlalchemy<2.1",
    "connectorx==0.4.6", "psycopg2-binary",
)  # fmt: skip


def load(way: str, folder: Path, env: Mapping[str, str] | None = None) -> Answer:
    """Run one way of ``dlt_inside.py`` over a folder.

    Raises:
        Absent: dlt cannot be installed here, fails, or takes too long.
    """
    python = environment(f"dlt-{VERSION}", PACKAGES)
    calm = {**os.environ, **(env or {}), "RUNTIME__DLTHUB_TELEMETRY": "false"}
    return answer([str(python), "-I", str(ROOT / "bench" / "dlt_inside.py"), way, str(folder)], folder, calm)
