"""The protocol, statement by statement: what the specification of the Open Inference Protocol, version 2, asks for."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
import pytest

from headrace.learn import Registry
from headrace.serve.oip import Models
from tests.serve.oip.world import CLASSES, FEATURES, SHOPS, TEXTS, TREES, rows

INFER = f"/v2/models/{TREES}/infer"
X = rows(3, nulls=0)


def whole(x: Any = X, **more: Any) -> dict[str, Any]:
    """One tensor of all features, as a request's only input."""
    tensor = {"name": "input", "shape": list(x.shape), "datatype": "FP32", "data": x.ravel().tolist()}
    return {"inputs": [tensor | more]}


def columns(x: Any = X, datatype: str = "FP32") -> dict[str, Any]:
    """A tensor for each feature."""
    each = zip(FEATURES, x.T, strict=True)
    return {
        "inputs": [
            {"name": name, "shape": [len(x)], "datatype": datatype, "data": column.tolist()} for name, column in each
        ]
    }


def alone(models: Models, x: Any, name: str = TREES) -> Any:
    """The scores of rows, each by itself, as a service would give them."""
    scorer = models.champion(name).scorer
    return np.concatenate([scorer.score(one[None, :]) for one in x.astype(np.float32)])


# -- health ------------------------------------------------------------------------------------------------------------


def test_live_says_that_the_server_can_be_asked(client: Any) -> None:
    answer = client.get("/v2/health/live")
    assert (answer.status_code, answer.json()) == (200, {"live": True})


def test_ready_says_that_all_models_can_be_asked(client: Any) -> None:
    answer = client.get("/v2/health/ready")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)


def test_a_model_is_ready(client: Any) -> None:
    answer = client.get(f"/v2/models/{TREES}/ready")
    assert (answer.status_code, answer.json()) == (200, {"name": TREES, "ready": True})


def test_a_version_of_a_model_is_ready(client: Any) -> None:
    assert client.get(f"/v2/models/{TREES}/versions/1/ready").json() == {"name": TREES, "ready": True}


@pytest.mark.parametrize("path", ["/v2/models/none/ready", f"/v2/models/{TREES}/versions/9/ready"])
def test_what_is_not_there_is_not_ready(client: Any, path: str) -> None:
    assert client.get(path).status_code == 404


# -- metadata ----------------------------------------------------------------------------------------------------------


def test_the_server_tells_its_name_version_and_extensions(client: Any) -> None:
    answer = client.get("/v2")
    assert answer.status_code == 200
    told = answer.json()
    assert set(told) == {"name", "version", "extensions"}
    assert (told["name"], told["version"]) == ("headrace", version("headrace"))
    assert "binary_tensor_data" in told["extensions"]


def test_a_model_tells_name_versions_platform_inputs_and_outputs(client: Any) -> None:
    answer = client.get(f"/v2/models/{TREES}")
    assert answer.status_code == 200
    assert answer.json() == {
        "name": TREES,
        "versions": ["1", "2", "3"],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": "input", "datatype": "FP32", "shape": [-1, len(FEATURES)]}],
        "outputs": [{"name": "score", "datatype": "FP64", "shape": [-1]}],
    }


def test_dimensions_of_variable_size_are_minus_one(client: Any) -> None:
    told = client.get(f"/v2/models/{CLASSES}").json()
    assert [one["shape"] for one in told["inputs"] + told["outputs"]] == [[-1, 4], [-1], [-1], [-1]]


def test_a_model_of_several_scores_has_an_output_for_each(client: Any) -> None:
    told = client.get(f"/v2/models/{CLASSES}").json()["outputs"]
    assert [one["name"] for one in told] == ["score_low", "score_mid", "score_high"]


def test_a_model_with_texts_takes_a_tensor_for_each_feature(client: Any) -> None:
    told = client.get(f"/v2/models/{TEXTS}").json()["inputs"]
    assert [(one["name"], one["datatype"]) for one in told] == [("now.amount", "FP32"), ("now.shop", "BYTES")]


def test_metadata_of_a_version(client: Any) -> None:
    assert client.get(f"/v2/models/{TREES}/versions/3").json()["versions"] == ["1", "2", "3"]


@pytest.mark.parametrize("path", ["", "/ready", "/config"])
@pytest.mark.parametrize("version", ["0", "9", "x", "-1", "01", "1.0", "9" * 40])
def test_an_unknown_version_is_told(client: Any, path: str, version: str) -> None:
    answer = client.get(f"/v2/models/{TREES}/versions/{version}{path}")
    assert answer.status_code == 404
    assert "HR-INFER-002" in answer.json()["error"]


def test_an_unknown_model_is_told_with_the_nearest_name(client: Any) -> None:
    answer = client.get("/v2/models/fraud_scor")
    assert answer.status_code == 404
    assert f"did you mean '{TREES}'?" in answer.json()["error"]


def test_strings_are_case_sensitive(client: Any) -> None:
    assert client.get(f"/v2/models/{TREES.upper()}").status_code == 404
    asked = whole() | {"inputs": [whole()["inputs"][0] | {"datatype": "fp32"}]}
    assert client.post(INFER, json=asked).status_code == 400


# -- inference ---------------------------------------------------------------------------------------------------------


def test_an_answer_has_model_version_and_outputs(client: Any, models: Models) -> None:
    answer = client.post(INFER, json=whole())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    scores = alone(models, X).tolist()
    output = {"name": "score", "datatype": "FP64", "shape": [3], "data": scores}
    assert answer.json() == {"model_name": TREES, "model_version": "2", "outputs": [output]}


def test_the_id_of_a_request_is_that_of_its_answer(client: Any) -> None:
    assert client.post(INFER, json=whole() | {"id": "42"}).json()["id"] == "42"
    assert client.post(INFER, json=whole() | {"id": ""}).json()["id"] == ""
    assert "id" not in client.post(INFER, json=whole()).json()


def test_data_may_be_nested_or_flat(client: Any) -> None:
    nested = client.post(INFER, json=whole(data=X.tolist()))
    assert nested.status_code == 200
    assert nested.json() == client.post(INFER, json=whole()).json()


def test_a_tensor_for_each_feature_gives_the_same(client: Any) -> None:
    asked = columns()
    assert client.post(INFER, json=asked).json() == client.post(INFER, json=whole()).json()
    asked["inputs"].reverse()
    assert client.post(INFER, json=asked).json() == client.post(INFER, json=whole()).json()


def test_a_feature_may_be_a_column(client: Any) -> None:
    asked = columns()
    for one in asked["inputs"]:
        one["shape"], one["data"] = [3, 1], [[value] for value in one["data"]]
    assert client.post(INFER, json=asked).json() == client.post(INFER, json=whole()).json()


@pytest.mark.parametrize("datatype", ["FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"])
def test_features_may_be_numbers_of_any_datatype(client: Any, models: Models, datatype: str) -> None:
    x = np.floor(X) if "INT" in datatype else X.astype(np.float64)
    asked = columns(x.astype(int) if "INT" in datatype else x, datatype)
    assert client.post(INFER, json=asked).json()["outputs"][0]["data"] == alone(models, x).tolist()


def test_a_truth_is_zero_or_one(client: Any, models: Models) -> None:
    asked = columns()
    asked["inputs"][1] |= {"datatype": "BOOL", "data": [bool(one) for one in X[:, 1]]}
    assert client.post(INFER, json=asked).json()["outputs"][0]["data"] == alone(models, X).tolist()


def test_texts_are_bytes(client: Any, models: Models) -> None:
    texts = [*SHOPS, "a new one", None]
    amount = {"name": "now.amount", "shape": [5], "datatype": "FP32", "data": [1.5, 2, 3, 4, 5]}
    shop = {"name": "now.shop", "shape": [5], "datatype": "BYTES", "data": texts}
    scores = client.post(f"/v2/models/{TEXTS}/infer", json={"inputs": [amount, shop]}).json()["outputs"][0]["data"]
    x = np.array([[1.5, 0], [2, 1], [3, 2], [4, np.nan], [5, np.nan]])
    assert scores == alone(models, x, TEXTS).tolist()


def test_null_is_a_null(client: Any, models: Models) -> None:
    x = rows(5, nulls=0.5)
    assert np.isnan(x).any()
    asked = whole(x, data=[None if np.isnan(one) else float(one) for one in x.ravel()])
    assert client.post(INFER, json=asked).json()["outputs"][0]["data"] == alone(models, x).tolist()


def test_a_version_of_a_model_can_be_asked(client: Any, registry: Registry) -> None:
    for number in (1, 2, 3):
        answer = client.post(f"/v2/models/{TREES}/versions/{number}/infer", json=whole()).json()
        assert answer["model_version"] == str(number)
        scorer = registry.load(registry.version(TREES, number))
        assert answer["outputs"][0]["data"] == scorer.score(X).tolist()


def test_outputs_are_those_that_are_asked_for_in_that_order(client: Any) -> None:
    path = f"/v2/models/{CLASSES}/infer"
    every = {one["name"]: one for one in client.post(path, json=whole()).json()["outputs"]}
    assert list(every) == ["score_low", "score_mid", "score_high"]
    some = [{"name": "score_high"}, {"name": "score_low"}]
    assert client.post(path, json=whole() | {"outputs": some}).json()["outputs"] == [
        every["score_high"],
        every["score_low"],
    ]
    assert [one["name"] for one in client.post(path, json=whole() | {"outputs": []}).json()["outputs"]] == list(every)


def test_parameters_are_texts_numbers_and_truths(client: Any) -> None:
    own = {"priority_of_mine": 1, "share": 0.5, "text": "x", "flag": True}
    asked = whole(parameters=own) | {"parameters": own, "outputs": [{"name": "score", "parameters": own}]}
    assert client.post(INFER, json=asked).status_code == 200
    for value in (None, [1], {"a": 1}):
        assert client.post(INFER, json=whole() | {"parameters": {"own": value}}).status_code == 400


def test_no_rows_have_no_scores(client: Any) -> None:
    for name, count in ((TREES, 1), (CLASSES, 3)):
        told = client.post(f"/v2/models/{name}/infer", json=whole(X[:0])).json()["outputs"]
        assert [(one["shape"], one["data"]) for one in told] == [([0], [])] * count


# -- scores ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [TREES, CLASSES])
@pytest.mark.parametrize("count", [1, 2, 7, 300, 2000])
def test_scores_of_many_rows_have_the_bits_of_each_row_alone(
    client: Any, models: Models, name: str, count: int
) -> None:
    x = rows(count, seed=count)
    data = [None if np.isnan(one) else float(one) for one in x.ravel()]
    told = client.post(f"/v2/models/{name}/infer", json=whole(x, data=data)).json()["outputs"]
    scores = np.stack([one["data"] for one in told], axis=1)
    expected = alone(models, x, name).reshape(count, -1)
    assert scores.tobytes() == expected.tobytes()


# -- extensions --------------------------------------------------------------------------------------------------------


def test_the_repository_is_listed(client: Any) -> None:
    told = client.post("/v2/repository/index", json={}).json()
    assert {(one["name"], one["version"]) for one in told} == {
        (TREES, "1"), (TREES, "2"), (TREES, "3"), (CLASSES, "1"), (TEXTS, "1"),
    }  # fmt: skip
    assert all(set(one) == {"name", "version", "state", "reason"} for one in told)
    assert client.post("/v2/repository/index").json() == told
    ready = client.post("/v2/repository/index", json={"ready": True}).json()
    assert {(TREES, "2"), (CLASSES, "1"), (TEXTS, "1")} <= {(one["name"], one["version"]) for one in ready}
    assert all(one["state"] == "READY" for one in ready)


@pytest.mark.parametrize("body", [b"[]", b'{"ready": 1}', b'{"other": 1}', b"{", b"\xff", b"[" * 10_000])
def test_another_question_to_the_repository_is_told(client: Any, body: bytes) -> None:
    answer = client.post("/v2/repository/index", content=body)
    assert answer.status_code == 400
    assert isinstance(answer.json()["error"], str)


def test_the_configuration_tells_the_features_in_their_order(client: Any, models: Models) -> None:
    told = client.get(f"/v2/models/{TREES}/config").json()
    assert (told["name"], told["platform"], told["max_batch_size"] > 0) == (TREES, "onnx_onnxv1", True)
    assert told["input"] == [{"name": "input", "data_type": "TYPE_FP32", "dims": [4]}]
    assert told["output"] == [{"name": "score", "data_type": "TYPE_FP64", "dims": [1]}]
    assert told["parameters"]["features"]["string_value"] == '["' + '","'.join(FEATURES) + '"]'
    assert told["parameters"]["digest"]["string_value"] == models.champion(TREES).scorer.digest
