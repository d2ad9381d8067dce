"""Servers that several files of tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.connect.servers import Mariadb, Postgres, running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running(Postgres) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Mariadb]:
    with running(Mariadb) as server:
        yield server
