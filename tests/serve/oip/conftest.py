"""One server with three models for all tests of the protocol."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from headrace.learn import Registry
from headrace.serve.oip import Models, routes
from tests.serve.oip.world import Server, filled, models_of


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return filled(Registry(tmp_path_factory.mktemp("models") / "models"))


@pytest.fixture(scope="session")
def models(registry: Registry) -> Iterator[Models]:
    one = models_of(registry)
    yield one
    one.close()


@pytest.fixture(scope="session")
def server(models: Models) -> Iterator[Server]:
    one = Server(routes(models))
    yield one
    one.close()


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[Any]:
    with httpx.Client(base_url=server.url, timeout=30) as one:
        yield one


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path
