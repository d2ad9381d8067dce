"""The registry on MLflow's server: the same as in a folder, seen from another machine; a server that fails is told."""

import http.server
import os
import re
import socket
import threading
import time
from contextlib import contextmanager

import pytest

import headrace as hr
from headrace.learn.registry import Registry
from headrace.learn.scorer import digest_of
from headrace.learn.server import Server
from tests.learn.mlflow_server import mlflow_server
from tests.learn.test_registry import FAILED, content, record


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with mlflow_server(folder) as (url, _):
        yield url, folder


@pytest.fixture
def at(running, tmp_path, request):
    """Makes registries of a space of its own, each with a folder of its own, as if on another machine."""
    space = re.sub(r"\W", "_", request.node.name)

    def made(name, space=space):
        return Registry(tmp_path / name, server=Server(running[0], space))

    return made


def test_a_version_comes_back_on_another_machine(at, capfd):
    here, file = at("here"), content()
    version, new = here.register(record(file), file, {"code.diff": b"+x", "figures/roc.svg": b"<svg/>"}, "champion")
    assert (new, version.number, version.aliases, version.standing) == (True, 1, ("champion",), "champion")
    assert here.register(record(file), file) == (version, False)
    there = at("there")
    assert there.versions() == [version] == there.versions("fraud_score")
    assert not there.intact(version)
    assert there.champion("fraud_score").record == version.record
    assert there.load(version).digest == version.digest
    assert there.intact(version)
    assert there.file(version, "figures/roc.svg") == b"<svg/>"
    assert set(there.states(version).values()) == {"intact"}
    assert at("third").scorer(version.digest).digest == version.digest
    assert not (there.root / "mlflow.db").exists()
    assert capfd.readouterr().out == "", "MLflow prints nothing among our results"


def test_aliases_promotions_and_removal(at):
    here, files = at("here"), [content(seed) for seed in range(3)]
    here.register(record(files[0]), files[0], standing="champion")
    second, _ = here.register(record(files[1], parent=1), files[1], standing="challenger")
    assert second.aliases == ("challenger",)
    here.register(record(files[2], FAILED), files[2], standing="held")
    with pytest.raises(hr.CheckFailed, match="HR-LEARN-015"):
        here.promote("fraud_score", 3)
    promoted = at("there").promote("fraud_score", 2, "seen in shadow", "anna")
    assert [(one["reason"], one["by"], one["replaced"]) for one in promoted.promotions] == [
        ("seen in shadow", "anna", 1)
    ]
    assert here.champion("fraud_score").number == 2
    assert here.challenger("fraud_score") is None
    here.remove([here.version("fraud_score", 1)])
    assert [one.number for one in at("there").versions()] == [2, 3]
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-014.*versions: 2, 3"):
        here.version("fraud_score", 1)
    assert here.register(record(files[0]), files[0])[0].number == 4


@pytest.mark.parametrize("step", ["delete_run", "delete_model_version"])
def test_a_removal_that_was_cut_off_is_finished_by_the_next(at, monkeypatch, step):
    here, file = at("here"), content()
    version, _ = here.register(record(file), file)

    def cut_off(*_arguments):
        raise ConnectionError("Connection refused")

    with monkeypatch.context() as patched:
        patched.setattr(here._tracking._open(), step, cut_off)
        with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-030.*nothing listens there"):
            here.remove([version])
    assert here.versions() == [version]
    here.remove([version])
    assert here.versions() == []
    assert not here.intact(version)


def test_models_of_another_project_are_others(at):
    here, file = at("here"), content()
    here.register(record(file), file, standing="champion")
    assert at("shop", "shop").versions() == []
    assert at("shop", "shop").champion("fraud_score") is None
    other, _ = at("shop", "shop").register(record(file), file)
    assert other.number == 1


def test_many_versions_are_all_read(at, monkeypatch):
    monkeypatch.setattr("headrace.learn.server._PAGE", 2)
    here, file = at("here"), content()
    for i in range(5):
        here.register(record(file, training_set=f"{i}" * 64), file)
    assert [one.number for one in here.versions()] == [1, 2, 3, 4, 5]


def test_a_file_that_was_altered_on_the_server_is_refused(at, running):
    here, file = at("here"), content()
    version, _ = here.register(record(file), file)
    (kept,) = [one for one in (running[1] / "files").rglob("model.onnx") if version.run in one.parts]
    kept.write_bytes(b"another model")
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-011.*another content in its run"):
        at("there").load(version)
    kept.unlink()
    with pytest.raises(hr.HeadraceError, match="HR-LEARN-011"):
        at("fourth").load(version)
    assert here.load(version).digest == version.digest, "what was verified here is used here"


@contextmanager
def answering(status):
    """A server that answers everything with one status."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"You are not authenticated. secret-text-of-the-server")

        do_GET = do_POST = do_PUT = do_PATCH = answer  # noqa: N815 - names of http.server

        def log_message(self, *_words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_refuses_is_told_with_the_variables_that_let_us_in(tmp_path, status):
    file = content()
    with answering(status) as url:
        registry = Registry(tmp_path, server=Server(url, "bank"))
        with pytest.raises(
            hr.HeadraceError, match=rf"HR-LEARN-030.*refuses \({status}\).*MLFLOW_TRACKING_TOKEN"
        ) as told:
            registry.register(record(file), file, standing="held")
        assert "secret-text" not in str(told.value)
    assert [one.record.digest for one in registry.pending()] == [digest_of(file)]


def test_a_server_with_a_fault_of_its_own_is_told(tmp_path):
    with answering(500) as url, pytest.raises(hr.HeadraceError, match=r"HR-LEARN-030.*cannot be used"):
        Registry(tmp_path, server=Server(url, "bank")).versions()


def test_a_server_that_never_answers_is_given_up_in_time(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url, begun = f"http://127.0.0.1:{silent.getsockname()[1]}", time.monotonic()
        registry = Registry(tmp_path, server=Server(url, "bank"))
        registry._tracking._open()
        begun = time.monotonic()
        with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-030.*no answer in time.*MLFLOW_HTTP_REQUEST_TIMEOUT"):
            registry.versions()
        assert time.monotonic() - begun < 10
        monkeypatch.setattr(registry._tracking, "_open", lambda: pytest.fail("it was asked once more"))
        registry._tracking._client = None
        with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-030.*no answer in time"):
            registry._tracking._told(registry._tracking._open)


def test_patience_is_ten_seconds_where_nobody_says_otherwise(tmp_path, monkeypatch):
    for name in [one for one in os.environ if one.startswith("MLFLOW_HTTP")]:
        monkeypatch.delenv(name)
    Registry(tmp_path, server=Server("http://127.0.0.1:9", "bank"))._tracking._open()
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "10"
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"


def test_no_such_host(tmp_path):
    registry = Registry(tmp_path, server=Server("http://nowhere.invalid:5000", "bank"))
    with pytest.raises(hr.HeadraceError, match="HR-LEARN-030"):
        registry.versions()
