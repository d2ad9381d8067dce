"""The protocol over gRPC: what HTTP answers, by messages; with Triton's client, and with calls made by hand."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.errors import HeadraceError
from headrace.serve.access import Guard, Tokens
from headrace.serve.oip import Models
from headrace.serve.oip.rpc import serving
from tests.serve.oip.test_specification import X, alone
from tests.serve.oip.world import CLASSES, FEATURES, SHOPS, TEXTS, TREES, rows

grpc = pytest.importorskip("grpc", reason="the extra grpc is not installed")


@pytest.fixture(scope="module")
def address(models: Models) -> Iterator[str]:
    with serving(models) as one:
        yield one


@pytest.fixture(scope="module")
def messages() -> dict[str, Any]:
    from headrace.serve.oip.messages import made

    return made()


@pytest.fixture(scope="module")
def call(address: str, messages: dict[str, Any]) -> Iterator[Any]:
    """Calls of methods by name, with a message or with bytes."""
    with grpc.insecure_channel(address) as channel:

        def called(name: str, content: bytes | None = None, token: str = "", **fields: Any) -> Any:
            method = channel.unary_unary(f"/inference.GRPCInferenceService/{name}")
            said = messages[f"{name}Request"](**fields).SerializeToString() if content is None else content
            metadata = [("authorization", token)] if token else []
            return messages[f"{name}Response"].FromString(method(said, timeout=20, metadata=metadata))

        yield called


@pytest.fixture
def triton(address: str) -> Iterator[Any]:
    client = pytest.importorskip("tritonclient.grpc", reason="tritonclient[grpc] is not installed")
    with client.InferenceServerClient(address) as one:
        yield one


def whole(**more: Any) -> dict[str, Any]:
    contents = {"fp32_contents": X.ravel().tolist()}
    return {"name": "input", "datatype": "FP32", "shape": list(X.shape), "contents": contents} | more


def refused(call: Any, code: str, told: str, name: str = "ModelInfer", **fields: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(name, **fields)
    assert (caught.value.code().name, caught.value.details()[: len(told)]) == (code, told)


def test_the_messages_are_those_of_the_protocol(messages: dict[str, Any]) -> None:
    """Each against the same message in the classes of Triton's client: fields by name, number, type and label."""
    theirs = pytest.importorskip("tritonclient.grpc.service_pb2", reason="tritonclient[grpc] is not installed")
    for name, one in messages.items():
        other: Any = theirs
        for part in name.split("."):
            other = getattr(other, part)
        known = {field.name: field for field in other.DESCRIPTOR.fields}
        for field in one.DESCRIPTOR.fields:
            same = known[field.name]
            mine = (field.number, field.type, field.is_repeated, field.message_type and field.message_type.full_name)
            assert mine == (same.number, same.type, same.is_repeated, same.message_type and same.message_type.full_name)
        content = other(**_some(other.DESCRIPTOR)).SerializeToString(deterministic=True)
        assert one.FromString(content).SerializeToString(deterministic=True) == content


def _some(descriptor: Any) -> dict[str, Any]:
    """Some value of each plain field that is not repeated."""
    values = {9: "x", 3: 5, 4: 6, 8: True, 1: 0.5, 5: 3}
    plain = [one for one in descriptor.fields if not one.is_repeated and one.type in values]
    return {one.name: values[one.type] for one in plain if one.containing_oneof is None}


def test_triton_asks_for_health_and_metadata(triton: Any) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready(TREES)
    assert triton.is_model_ready(TREES, "3")
    assert not triton.is_model_ready(TREES, "9")
    assert not triton.is_model_ready("none")
    assert triton.get_server_metadata().name == "headrace"
    told = triton.get_model_metadata(TREES, as_json=True)
    assert told["versions"] == ["1", "2", "3"]
    assert told["inputs"] == [{"name": "input", "datatype": "FP32", "shape": ["-1", "4"]}]
    assert told["outputs"] == [{"name": "score", "datatype": "FP64", "shape": ["-1"]}]
    assert {one.name for one in triton.get_model_repository_index().models} == {TREES, CLASSES, TEXTS}


@pytest.mark.parametrize("name", [TREES, CLASSES])
@pytest.mark.parametrize("count", [0, 1, 300])
def test_triton_infers(triton: Any, models: Models, name: str, count: int) -> None:
    import tritonclient.grpc as client

    x = rows(count, seed=count)
    one = client.InferInput("input", list(x.shape), "FP32")
    one.set_data_from_numpy(x)
    result = triton.infer(name, [one], request_id="5")
    assert (result.get_response().id, result.get_response().model_name) == ("5", name)
    outputs = models.champion(name).scorer.names
    found = np.stack([result.as_numpy(one) for one in outputs], axis=1)
    expected = alone(models, x, name).reshape(count, -1) if count else np.empty((0, len(outputs)))
    assert found.tobytes() == expected.tobytes()


def test_triton_sends_texts(triton: Any, models: Models) -> None:
    import tritonclient.grpc as client

    amount, shop = client.InferInput("now.amount", [3], "FP64"), client.InferInput("now.shop", [3], "BYTES")
    amount.set_data_from_numpy(np.array([1.0, 2, 3]))
    shop.set_data_from_numpy(np.array(SHOPS, np.object_))
    expected = alone(models, np.array([[1, 0], [2, 1], [3, 2]]), TEXTS)
    assert triton.infer(TEXTS, [amount, shop]).as_numpy("score").tolist() == expected.tolist()


def test_contents_of_each_datatype_give_the_same(call: Any, models: Models) -> None:
    x = np.floor(X).astype(np.int64)
    expected = alone(models, x.astype(np.float64)).tolist()
    for datatype, field in (
        ("INT8", "int_contents"), ("INT16", "int_contents"), ("INT32", "int_contents"), ("INT64", "int64_contents"),
        ("UINT8", "uint_contents"), ("UINT16", "uint_contents"), ("UINT32", "uint_contents"),
        ("UINT64", "uint64_contents"), ("FP32", "fp32_contents"), ("FP64", "fp64_contents"),
    ):  # fmt: skip
        inputs = [
            {"name": name, "datatype": datatype, "shape": [3], "contents": {field: column.tolist()}}
            for name, column in zip(FEATURES, x.T, strict=True)
        ]
        inputs[1] |= {"datatype": "BOOL", "contents": {"bool_contents": x[:, 1].astype(bool).tolist()}}
        told = call("ModelInfer", model_name=TREES, inputs=inputs)
        assert list(told.outputs[0].contents.fp64_contents) == expected, datatype
        assert not told.raw_output_contents


def test_outputs_id_and_version(call: Any, models: Models) -> None:
    asked = {"model_name": CLASSES, "id": "a", "inputs": [whole()], "outputs": [{"name": "score_mid"}]}
    told = call("ModelInfer", **asked)
    assert (told.id, told.model_version, [one.name for one in told.outputs]) == ("a", "1", ["score_mid"])
    assert list(told.outputs[0].shape) == [3]
    assert list(told.outputs[0].contents.fp64_contents) == alone(models, X, CLASSES)[:, 1].tolist()
    for number in ("1", "2", "3"):
        assert call("ModelInfer", model_name=TREES, model_version=number, inputs=[whole()]).model_version == number


def test_what_is_wrong_is_told(call: Any) -> None:
    raw, contents = X.tobytes(), {"fp32_contents": X.ravel().tolist()}
    bare = {key: value for key, value in whole().items() if key != "contents"}
    refused(call, "NOT_FOUND", "HR-INFER-002", model_name="none", inputs=[whole()])
    refused(call, "NOT_FOUND", "HR-INFER-002", model_name=TREES, model_version="9", inputs=[whole()])
    refused(call, "NOT_FOUND", "HR-INFER-002", name="ModelMetadata")
    for told, inputs, more in (
        ("HR-INFER-003", [], {}),
        ("HR-INFER-003", [whole(name="inputs")], {}),
        ("HR-INFER-003", [whole()], {"outputs": [{"name": "scores"}]}),
        ("HR-INFER-003", [whole()], {"outputs": [{"name": "score"}, {"name": "score"}]}),
        ("HR-INFER-004", [whole(datatype="fp32")], {}),
        ("HR-INFER-004", [whole(datatype="FP16")], {}),
        ("HR-INFER-004", [whole(datatype="FP64")], {}),
        ("HR-INFER-004", [whole(contents={"fp64_contents": [1.0] * 12})], {}),
        ("HR-INFER-004", [whole(contents=contents | {"int_contents": [1]})], {}),
        ("HR-INFER-005", [whole(shape=[4, 3])], {}),
        ("HR-INFER-005", [whole(shape=[-3, -4])], {}),
        ("HR-INFER-005", [whole(shape=[2**62, 4])], {}),
        ("HR-INFER-005", [whole(contents={})], {}),
        ("HR-INFER-005", [bare], {"raw_input_contents": [raw[:-1]]}),
        ("HR-INFER-006", [whole(contents={"fp32_contents": [float("inf")] * 12})], {}),
        ("HR-INFER-007", [whole()], {"raw_input_contents": [raw]}),
        ("HR-INFER-007", [bare], {"raw_input_contents": [raw, raw]}),
        ("HR-INFER-001", [whole()], {"parameters": {"sequence_id": {"int64_param": 1}}}),
    ):
        refused(call, "INVALID_ARGUMENT", told, model_name=TREES, inputs=inputs, **more)
    refused(call, "INVALID_ARGUMENT", "HR-INFER-001", content=b"\xff\xff\xff")
    assert call("ModelInfer", model_name=TREES, inputs=[whole()]).model_name == TREES


def test_a_number_beyond_its_datatype_is_told(call: Any) -> None:
    inputs = [
        {"name": name, "datatype": "INT8", "shape": [1], "contents": {"int_contents": [300]}} for name in FEATURES
    ]
    refused(call, "INVALID_ARGUMENT", "HR-INFER-006", model_name=TREES, inputs=inputs)


def test_a_message_that_is_too_large_is_refused(call: Any) -> None:
    inputs = [{"name": "input", "datatype": "FP32", "shape": [1, 4]}]
    refused(call, "RESOURCE_EXHAUSTED", "", model_name=TREES, inputs=inputs, raw_input_contents=[b"\0" * (17 << 20)])


def test_a_token_is_asked_for_where_one_is_needed(models: Models, messages: dict[str, Any], tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    right, other = (tokens.new(name, [name], None)[0] for name in ("infer", "decide"))
    with serving(models, permits=Guard(tokens).client) as address, grpc.insecure_channel(address) as channel:
        method = channel.unary_unary("/inference.GRPCInferenceService/ServerMetadata")
        live = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
        assert messages["ServerLiveResponse"].FromString(live(b"", timeout=10)).live
        for said, code in ((None, "UNAUTHENTICATED"), ("hr_wrong", "UNAUTHENTICATED"), (other, "PERMISSION_DENIED")):
            with pytest.raises(grpc.RpcError) as caught:
                method(b"", timeout=10, metadata=[] if said is None else [("authorization", f"Bearer {said}")])
            assert caught.value.code().name == code
        told = method(b"", timeout=10, metadata=[("authorization", f"Bearer {right}")])
        assert messages["ServerMetadataResponse"].FromString(told).name == "headrace"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.org", "192.168.0.1", ""])
def test_others_cannot_reach_it(models: Models, host: str) -> None:
    with pytest.raises(HeadraceError, match="HR-SERVE-006"), serving(models, host):
        pass


def test_a_port_that_is_taken_is_told(models: Models) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(HeadraceError, match="HR-SERVE-004"), serving(models, port=taken.getsockname()[1]):
            pass
