"""What the tests do not pay for twice: threads that wait for one another, and the kernel compiled by every worker."""

from __future__ import annotations

import os

import pytest

from tests.connect.servers import mariadb, postgres  # noqa: F401 - servers that are started once for all
from tests.serve.decided import another, grown, grown_once  # noqa: F401 - projects whose service has decided
from tests.serve.private import private, private_once  # noqa: F401 - one with personal fields
from tests.shop import shop, trained  # noqa: F401 - fixtures of several rooms; the shop is trained once for all

os.environ["OMP_NUM_THREADS"] = "1"  # on a busy machine threads that wait make tiny fits take seconds


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let workers of pytest-xdist compile the kernel together, each its share."""
    worker = getattr(session.config, "workerinput", None)
    if worker is None:
        return
    from headrace.kernel import compile, standing
    from headrace.kernel.aggregates import catalogue

    first = int(worker["workerid"].removeprefix("gw"))
    compile.warm(sorted(catalogue())[first :: worker["workercount"]])
    if not first:
        standing.warm(catalogue())  # one for all services, so that none of them compiles its own
