"""Tensors as bytes behind the JSON, in both directions: little-endian, row by row, texts with their length before."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from headrace.serve.oip import Models
from tests.serve.oip.test_refusals import binary, sent, texts
from tests.serve.oip.test_specification import INFER, X, alone, columns, whole
from tests.serve.oip.world import CLASSES, FEATURES, SHOPS, TEXTS, TREES, rows


def split(answer: Any) -> tuple[dict[str, Any], bytes]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/octet-stream"
    size = int(answer.headers["inference-header-content-length"])
    return json.loads(answer.content[:size]), answer.content[size:]


def test_bytes_give_the_same_as_json(client: Any) -> None:
    assert sent(client, binary(), X.tobytes()).json() == client.post(INFER, json=whole()).json()


def test_some_tensors_may_be_json_and_some_bytes_in_the_order_of_the_json(client: Any) -> None:
    asked = columns()
    for at in (2, 0):
        del asked["inputs"][at]["data"]
        asked["inputs"][at]["parameters"] = {"binary_data_size": 12}
    data = X[:, 0].tobytes() + X[:, 2].tobytes()
    assert sent(client, asked, data).json() == client.post(INFER, json=whole()).json()


@pytest.mark.parametrize(
    ("datatype", "kind"),
    [("FP16", "<f2"), ("FP32", "<f4"), ("FP64", "<f8"), ("INT8", "i1"), ("INT16", "<i2"), ("INT32", "<i4"),
     ("INT64", "<i8"), ("UINT8", "u1"), ("UINT16", "<u2"), ("UINT32", "<u4"), ("UINT64", "<u8"), ("BOOL", "?")],
)  # fmt: skip
def test_every_datatype_lies_in_bytes_as_in_its_own_size(client: Any, models: Models, datatype: str, kind: str) -> None:
    x = X.astype(kind)
    size = len(x) * np.dtype(kind).itemsize
    tensors = [
        {"name": name, "shape": [len(x)], "datatype": datatype, "parameters": {"binary_data_size": size}}
        for name in FEATURES
    ]
    answer = sent(client, {"inputs": tensors}, np.ascontiguousarray(x.T).tobytes())
    assert answer.json()["outputs"][0]["data"] == alone(models, x.astype(np.float64)).tolist()


def test_halves_of_the_other_kind(client: Any, models: Models) -> None:
    """BF16 is the upper half of FP32."""
    upper = (X.view(np.uint32) >> 16).astype("<u2")
    tensors = [
        {"name": name, "shape": [3], "datatype": "BF16", "parameters": {"binary_data_size": 6}} for name in FEATURES
    ]
    answer = sent(client, {"inputs": tensors}, np.ascontiguousarray(upper.T).tobytes())
    x = (X.view(np.uint32) & 0xFFFF0000).view(np.float32)
    assert answer.json()["outputs"][0]["data"] == alone(models, x).tolist()


def test_whole_numbers_beyond_float32_are_rounded_as_a_service_rounds_them(client: Any, models: Models) -> None:
    held = np.array([2**53 + 1, -(2**62) - 12345, 16777217], np.int64)
    asked = columns()
    asked["inputs"][0] |= {"datatype": "INT64", "data": held.tolist()}
    x = X.astype(np.float64)
    x[:, 0] = held.astype(np.float64)
    assert client.post(INFER, json=asked).json()["outputs"][0]["data"] == alone(models, x).tolist()


def test_texts_have_their_length_before_them(client: Any, models: Models) -> None:
    data = texts(*(one.encode() for one in SHOPS), "Bäckerei".encode(), b"")
    amount = {"name": "now.amount", "shape": [5, 1], "datatype": "FP64", "data": [1, 2, 3, 4, 5]}
    shop = {"name": "now.shop", "shape": [5, 1], "datatype": "BYTES", "parameters": {"binary_data_size": len(data)}}
    answer = sent(client, {"inputs": [amount, shop]}, data, f"/v2/models/{TEXTS}/infer")
    x = np.array([[1, 0], [2, 1], [3, 2], [4, np.nan], [5, np.nan]])
    assert answer.json()["outputs"][0]["data"] == alone(models, x, TEXTS).tolist()


def test_outputs_as_bytes_have_the_bits_of_the_scores(client: Any, models: Models) -> None:
    x = rows(50)
    every = binary(x) | {"parameters": {"binary_data_output": True}}
    told, data = split(sent(client, every, x.tobytes()))
    assert told["outputs"] == [
        {"name": "score", "datatype": "FP64", "shape": [50], "parameters": {"binary_data_size": 400}}
    ]
    assert data == alone(models, x).astype("<f8").tobytes()


def test_an_output_may_be_asked_for_in_bytes_by_itself(client: Any, models: Models) -> None:
    wanted = [{"name": "score_mid"}, {"name": "score_low", "parameters": {"binary_data": True}}]
    told, data = split(client.post(f"/v2/models/{CLASSES}/infer", json=whole() | {"outputs": wanted}))
    scores = alone(models, X, CLASSES)
    assert [one["name"] for one in told["outputs"]] == ["score_mid", "score_low"]
    assert told["outputs"][0]["data"] == scores[:, 1].tolist()
    assert data == np.ascontiguousarray(scores[:, 0]).tobytes()


def test_what_is_said_of_an_output_goes_before_what_is_said_of_all(client: Any) -> None:
    wanted = [{"name": "score", "parameters": {"binary_data": False}}]
    asked = whole() | {"outputs": wanted, "parameters": {"binary_data_output": True}}
    answer = client.post(INFER, json=asked)
    assert "inference-header-content-length" not in answer.headers
    assert answer.json() == client.post(INFER, json=whole()).json()


def test_a_length_of_json_without_data_is_right_too(client: Any) -> None:
    answer = sent(client, whole(), b"")
    assert answer.json()["model_name"] == TREES
