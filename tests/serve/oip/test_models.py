"""Which models can be asked: champions as they serve at that moment, and a bounded number of other versions."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from headrace.learn import Registry
from headrace.serve.oip import Models, routes
from headrace.serve.oip import models as room
from tests.serve.oip.test_specification import INFER, X, whole
from tests.serve.oip.world import CLASSES, TEXTS, TREES, Server, Serving, champions


class Own:
    """A copy of the registry, with models and a server of its own."""

    def __init__(self, registry: Registry, folder: Path) -> None:
        shutil.copytree(registry.root, folder / "models")
        self.registry = Registry(folder / "models")
        self.serving = champions(self.registry)
        self.models = Models(self.registry, lambda: self.serving)
        self.server = Server(routes(self.models))
        self.client = httpx.Client(base_url=self.server.url, timeout=30)

    def ask(self, number: int | None = None) -> Any:
        version = "" if number is None else f"/versions/{number}"
        return self.client.post(f"/v2/models/{TREES}{version}/infer", json=whole())

    def ready(self) -> set[tuple[str, str]]:
        told = self.client.post("/v2/repository/index", json={"ready": True}).json()
        return {(one["name"], one["version"]) for one in told}

    def file(self, number: int) -> Path:
        return self.registry.path(self.registry.version(TREES, number))


@pytest.fixture
def own(registry: Registry, tmp_path: Path) -> Iterator[Own]:
    one = Own(registry, tmp_path)
    yield one
    one.client.close()
    one.server.close()
    one.models.close()


CHAMPIONS = {(TREES, "2"), (CLASSES, "1"), (TEXTS, "1")}


def test_other_versions_are_loaded_when_they_are_asked_for_and_a_few_are_kept(
    own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "KEPT", 1)
    assert own.ready() == CHAMPIONS
    assert own.ask(1).status_code == 200
    assert own.ready() == CHAMPIONS | {(TREES, "1")}
    assert own.ask(3).status_code == 200
    assert own.ready() == CHAMPIONS | {(TREES, "3")}
    assert own.ask(1).json()["model_version"] == "1"


def test_the_champion_is_the_one_that_serves_at_that_moment(own: Own) -> None:
    assert own.ask().json()["model_version"] == "2"
    version = own.registry.version(TREES, 3)
    own.serving = [Serving(version, own.registry.load(version)), *own.serving[1:]]
    told = own.ask().json()
    assert told["model_version"] == "3"
    assert told["outputs"][0]["data"] == own.registry.load(version).score(X).tolist()
    assert own.ask(2).json()["model_version"] == "2"


def test_a_file_that_was_altered_is_not_used_and_the_champion_answers_on(own: Own) -> None:
    own.file(1).write_bytes(own.file(1).read_bytes()[:-1] + b"x")
    own.file(2).unlink()
    answer = own.ask(1)
    assert answer.status_code == 503
    assert "HR-LEARN-011" in answer.json()["error"]
    assert answer.headers["retry-after"] == "1"
    assert own.client.get(f"/v2/models/{TREES}/versions/1/ready").status_code == 503
    assert own.ask().status_code == 200
    assert own.ask(2).status_code == 200


def test_a_registry_that_cannot_be_read_ends_nothing_that_is_loaded(own: Own) -> None:
    (own.registry.root / "mlflow.db").write_bytes(b"no database" * 1000)
    assert own.ask(1).status_code == 503
    assert own.client.get(f"/v2/models/{TREES}").status_code == 503
    assert own.ask().status_code == 200
    assert own.client.get("/v2/health/ready").status_code == 200


def test_many_threads_may_ask_for_versions_at_once(own: Own) -> None:
    expected = {
        number: own.registry.load(own.registry.version(TREES, number)).score(X).tolist() for number in (1, 2, 3)
    }

    def ask(at: int) -> bool:
        number = at % 3 + 1
        with httpx.Client(base_url=own.server.url, timeout=60) as client:
            told = client.post(f"/v2/models/{TREES}/versions/{number}/infer", json=whole()).json()
        return bool(told["outputs"][0]["data"] == expected[number])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(60)))


def test_models_without_a_service_are_not_there(own: Own) -> None:
    own.serving = [one for one in own.serving if one.version.name != TEXTS]
    assert own.client.get(f"/v2/models/{TEXTS}").status_code == 404
    assert own.client.post(INFER, json=whole()).status_code == 200
    assert TEXTS not in {name for name, _ in own.ready()}
