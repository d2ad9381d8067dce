"""Clients that others wrote talk to it: Triton's, over HTTP and gRPC, and KServe's."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.serve.oip import Models
from tests.serve.oip.test_specification import X, alone
from tests.serve.oip.world import CLASSES, FEATURES, SHOPS, TEXTS, TREES, Server, rows

KSERVE = next(
    (
        one
        for one in (os.environ.get("HEADRACE_KSERVE_PYTHON", ""), "/opt/kserve-venv/bin/python")
        if Path(one).is_file()
    ),
    None,
)
"""A Python that has kserve, whose pins (pandas<3, psutil<6) are not those of this environment."""


@pytest.fixture
def triton(server: Server) -> Any:
    http = pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed")
    with http.InferenceServerClient(server.address) as client:
        yield client


def tensors(http: Any, binary: bool, x: Any = X) -> list[Any]:
    one = http.InferInput("input", list(x.shape), "FP32")
    one.set_data_from_numpy(x, binary_data=binary)
    return [one]


def test_triton_asks_for_health_and_metadata(triton: Any) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready(TREES)
    assert triton.is_model_ready(TREES, "1")
    assert not triton.is_model_ready(TREES, "9")
    assert triton.get_server_metadata()["name"] == "headrace"
    assert triton.get_model_metadata(TREES)["inputs"][0]["shape"] == [-1, 4]
    assert json.loads(triton.get_model_config(TREES)["parameters"]["features"]["string_value"]) == list(FEATURES)
    assert {one["name"] for one in triton.get_model_repository_index()} == {TREES, CLASSES, TEXTS}


@pytest.mark.parametrize("ask_in_bytes", [True, False])
@pytest.mark.parametrize("answer_in_bytes", [True, False, None])
def test_triton_infers(triton: Any, models: Models, ask_in_bytes: bool, answer_in_bytes: bool | None) -> None:
    import tritonclient.http as http

    wanted = None if answer_in_bytes is None else [http.InferRequestedOutput("score", binary_data=answer_in_bytes)]
    result = triton.infer(TREES, tensors(http, ask_in_bytes), outputs=wanted, request_id="7")
    told = result.get_response()
    assert (told["id"], told["model_name"], told["model_version"]) == ("7", TREES, "2")
    assert result.as_numpy("score").tobytes() == alone(models, X).tobytes()


def test_triton_sends_texts(triton: Any, models: Models) -> None:
    import tritonclient.http as http

    amount, shop = http.InferInput("now.amount", [3, 1], "FP32"), http.InferInput("now.shop", [3, 1], "BYTES")
    amount.set_data_from_numpy(np.array([[1], [2], [3]], np.float32))
    expected = alone(models, np.array([[1, 0], [2, 1], [3, 2]]), TEXTS)
    for binary in (True, False):
        shop.set_data_from_numpy(np.array([[one] for one in SHOPS], np.object_), binary_data=binary)
        assert triton.infer(TEXTS, [amount, shop]).as_numpy("score").tolist() == expected.tolist()


def test_triton_asks_in_many_threads_for_many_rows_at_once(server: Server, models: Models) -> None:
    http = pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed")
    x = rows(700)
    with http.InferenceServerClient(server.address, concurrency=4) as client:
        waiting = [client.async_infer(name, tensors(http, True, x)) for name in (TREES, CLASSES) * 6]
        found = [one.get_result() for one in waiting]
    expected = alone(models, x, CLASSES)
    for trees, classes in zip(found[::2], found[1::2], strict=True):
        assert trees.as_numpy("score").tobytes() == alone(models, x).tobytes()
        assert classes.as_numpy("score_mid").tobytes() == np.ascontiguousarray(expected[:, 1]).tobytes()


def test_triton_is_told_what_is_wrong(triton: Any) -> None:
    import tritonclient.http as http
    from tritonclient.utils import InferenceServerException

    with pytest.raises(InferenceServerException, match="HR-INFER-002.*did you mean"):
        triton.infer("fraud_scor", tensors(http, True))
    with pytest.raises(InferenceServerException, match=r"HR-INFER-005.*\[rows, 4\]"):
        triton.infer(TREES, tensors(http, True, X[:, :3]))


ASKED_BY_KSERVE = """
import asyncio, json, sys
import numpy as np
from kserve import InferInput, InferRequest, InferenceRESTClient, RESTConfig

url, model, rows = sys.argv[1], sys.argv[2], np.array(json.loads(sys.argv[3]), np.float32)

async def ask():
    client, told = InferenceRESTClient(RESTConfig(protocol="v2", retries=1)), {}
    told["live"] = await client.is_server_live(url)
    told["ready"] = await client.is_server_ready(url)
    told["model"] = await client.is_model_ready(url, model)
    for binary in (False, True):
        one = InferInput("input", list(rows.shape), "FP32")
        one.set_data_from_numpy(rows, binary_data=binary)
        request = InferRequest(model, [one], request_id="9", parameters={"binary_data_output": binary})
        answer = await client.infer(url, request, model_name=model)
        scores = answer.get_output_by_name("score").as_numpy()
        told["bytes" if binary else "json"] = [answer.id, answer.model_name, scores.tolist()]
    try:
        await client.infer(url, {"inputs": []}, model_name=model)
    except Exception as error:
        told["refused"] = str(error)
    print(json.dumps(told))

asyncio.run(ask())
"""


@pytest.mark.skipif(KSERVE is None, reason="no kserve: name a Python that has it in HEADRACE_KSERVE_PYTHON")
def test_kserve_asks_and_infers(server: Server, models: Models) -> None:
    command = [str(KSERVE), "-c", ASKED_BY_KSERVE, server.url, TREES, json.dumps(X.tolist())]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=clean)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["live"], told["ready"], told["model"]) == (True, True, True)
    answer = ["9", TREES, alone(models, X).tolist()]
    assert told["json"] == answer
    assert told["bytes"] == answer
    assert "HR-INFER-003" in told["refused"]
