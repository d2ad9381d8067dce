"""Whatever is wrong with a request is told as the protocol asks: a 4xx and one text, without any of its values."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest

from headrace.serve.oip.inputs import MOST_ROWS
from tests.serve.oip.test_specification import INFER, X, columns, whole
from tests.serve.oip.world import CLASSES, FEATURES, TEXTS

TENSOR = whole()["inputs"][0]
SECRET = 48151623.42


def body(**more: Any) -> bytes:
    """A request with another tensor."""
    return json.dumps({"inputs": [{key: value for key, value in (TENSOR | more).items() if value is not ...}]}).encode()


def by_feature(**more: Any) -> bytes:
    """A request of which the first feature is otherwise."""
    asked = columns()
    asked["inputs"][0] |= more
    return json.dumps(asked).encode()


def text(written: str) -> bytes:
    """A request whose data stands as written."""
    return body(data="DATA", shape=[1, 4]).replace(b'"DATA"', written.encode())


PLAIN = json.dumps(whole()).encode()
BAD: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "HR-INFER-001"),
    "no JSON": (b"hello", "HR-INFER-001"),
    "half of it": (PLAIN[:-20], "HR-INFER-001"),
    "more behind it": (PLAIN + b"{}", "HR-INFER-001"),
    "no UTF-8": (b'{"id": "\xff", "inputs": []}', "HR-INFER-001"),
    "a list": (b"[" + PLAIN + b"]", "HR-INFER-001"),
    "a text": (b'"inputs"', "HR-INFER-001"),
    "an unknown field": (PLAIN.replace(b'{"inputs"', b'{"input": 1, "inputs"'), "HR-INFER-001"),
    "an unknown field of a tensor": (body(dtype="FP32"), "HR-INFER-001"),
    "an unknown field of an output": (PLAIN[:-1] + b', "outputs": [{"name": "score", "x": 1}]}', "HR-INFER-001"),
    "no inputs": (b'{"id": "1"}', "HR-INFER-001"),
    "inputs twice": (PLAIN[:-1] + b"," + PLAIN[1:], "HR-INFER-001"),
    "data twice": (PLAIN.replace(b'"data"', b'"data": [1], "data"'), "HR-INFER-001"),
    "a name twice": (PLAIN.replace(b'"shape"', b'"name": "other", "shape"'), "HR-INFER-001"),
    "a parameter twice": (PLAIN[:-1] + b', "parameters": {"a": 1, "a": 2}}', "HR-INFER-001"),
    "a number as id": (PLAIN[:-1] + b', "id": 42}', "HR-INFER-001"),
    "another model": (PLAIN[:-1] + b', "model_name": "other"}', "HR-INFER-001"),
    "nested without end": (text("[" * 100_000), "HR-INFER-001"),
    "nested beyond measure": (text("[" * 100_000 + "]" * 100_000), "HR-INFER-001"),
    "NaN": (text("[NaN, 1, 1, 1]"), "HR-INFER-001"),
    "infinity": (text("[Infinity, 1, 1, 1]"), "HR-INFER-001"),
    "an extension that is not here": (PLAIN[:-1] + b', "parameters": {"sequence_id": 3}}', "HR-INFER-001"),
    "classes that are wanted": (
        PLAIN[:-1] + b', "outputs": [{"name": "score", "parameters": {"classification": 2}}]}',
        "HR-INFER-001",
    ),
    "shared memory": (body(data=..., parameters={"shared_memory_region": "x"}), "HR-INFER-001"),
    "no name": (body(name=...), "HR-INFER-001"),
    "no datatype": (body(datatype=...), "HR-INFER-001"),
    "no shape": (body(shape=...), "HR-INFER-001"),
    "no data": (body(data=...), "HR-INFER-007"),
    "a size and no data behind": (body(data=..., parameters={"binary_data_size": 48}), "HR-INFER-007"),
    "a size and data": (body(parameters={"binary_data_size": 48}), "HR-INFER-007"),
    "a negative dimension": (body(shape=[-1, 4]), "HR-INFER-001"),
    "a dimension with a fraction": (body(shape=[3.5, 4]), "HR-INFER-001"),
    "a dimension as text": (body(shape=["3", 4]), "HR-INFER-001"),
    "a dimension beyond 64 bits": (body(shape=[2**70, 4]), "HR-INFER-001"),
    "a shape of millions of millions": (body(shape=[2**62, 4]), "HR-INFER-005"),
    "no dimension": (body(shape=[], data=[1]), "HR-INFER-005"),
    "one dimension": (body(shape=[12]), "HR-INFER-005"),
    "three dimensions": (body(shape=[1, 3, 4]), "HR-INFER-005"),
    "another width": (body(shape=[4, 3]), "HR-INFER-005"),
    "too few elements": (body(data=X.ravel().tolist()[:-1]), "HR-INFER-005"),
    "too many elements": (body(data=X.ravel().tolist() * 1000), "HR-INFER-005"),
    "nested in another shape": (body(data=X.reshape(4, 3).tolist()), "HR-INFER-005"),
    "nested with a short row": (body(data=[[1, 2, 3, 4], [1, 2, 3, 4, 5], [1, 2, 3]]), "HR-INFER-005"),
    "nested and flat": (body(data=[[1, 2, 3, 4], 1, 2, 3, 4, 5, 6, 7, 8]), "HR-INFER-006"),
    "an unknown datatype": (body(datatype="FLOAT"), "HR-INFER-004"),
    "another datatype": (body(datatype="FP64"), "HR-INFER-004"),
    "halves in JSON": (by_feature(datatype="FP16"), "HR-INFER-004"),
    "numbers as text": (body(datatype="BYTES", data=["1"] * 12), "HR-INFER-004"),
    "texts as numbers": (body(data=["1"] * 12), "HR-INFER-006"),
    "truths as numbers": (body(data=[True] * 12), "HR-INFER-006"),
    "an object as data": (body(data={"a": 1}), "HR-INFER-006"),
    "null as data": (body(data=None), "HR-INFER-006"),
    "beyond float32": (body(data=[1e39] * 12), "HR-INFER-006"),
    "beyond float64": (text("[1e999, 1, 1, 1]"), "HR-INFER-006"),
    "beyond float32 by feature": (by_feature(datatype="FP64", data=[1e39] * 3), "HR-INFER-006"),
    "a fraction as a whole number": (by_feature(datatype="INT32", data=[1.5, 2, 3]), "HR-INFER-006"),
    "a number beyond INT8": (by_feature(datatype="INT8", data=[1, 2, 128]), "HR-INFER-006"),
    "a number below UINT64": (by_feature(datatype="UINT64", data=[1, 2, -1]), "HR-INFER-006"),
    "a number beyond UINT64": (by_feature(datatype="UINT64", data=[1, 2, 2**64]), "HR-INFER-006"),
    "a null as a whole number": (by_feature(datatype="INT32", data=[1, 2, None]), "HR-INFER-006"),
    "numbers as truths": (by_feature(datatype="BOOL", data=[1, 0, 1]), "HR-INFER-006"),
    "a feature of another height": (by_feature(shape=[2], data=[1, 2]), "HR-INFER-005"),
    "a feature that is wide": (by_feature(shape=[1, 3]), "HR-INFER-005"),
    "a feature of text": (by_feature(datatype="BYTES", data=["a", "b", "c"]), "HR-INFER-004"),
    "an unknown feature": (by_feature(name="now.amuont"), "HR-INFER-003"),
    "a feature twice": (by_feature(name=FEATURES[1]), "HR-INFER-003"),
    "no tensors": (b'{"inputs": []}', "HR-INFER-003"),
    "a feature too few": (json.dumps({"inputs": columns()["inputs"][1:]}).encode(), "HR-INFER-003"),
    "both ways at once": (json.dumps({"inputs": [TENSOR, *columns()["inputs"]]}).encode(), "HR-INFER-003"),
    "an unknown output": (PLAIN[:-1] + b', "outputs": [{"name": "scor"}]}', "HR-INFER-003"),
    "an output twice": (PLAIN[:-1] + b', "outputs": [{"name": "score"}, {"name": "score"}]}', "HR-INFER-003"),
    "a flag of an output": (
        PLAIN[:-1] + b', "outputs": [{"name": "score", "parameters": {"binary_data": 1}}]}',
        "HR-INFER-001",
    ),
    "a flag of the request": (PLAIN[:-1] + b', "parameters": {"binary_data_output": "yes"}}', "HR-INFER-001"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_is_told(client: Any, name: str) -> None:
    content, code = BAD[name]
    answer = client.post(INFER, content=content)
    assert answer.status_code == 400, answer.text
    told = answer.json()
    assert set(told) == {"error"}
    assert told["error"].startswith(code)
    assert len(told["error"]) < 1500
    assert client.post(INFER, content=PLAIN).status_code == 200, "and the next one is answered"


def test_all_that_is_wrong_with_the_tensors_is_told_at_once(client: Any) -> None:
    asked = columns()
    asked["inputs"][0] |= {"datatype": "BYTES", "data": ["a", "b", "c"]}
    asked["inputs"][1] |= {"shape": [2], "data": [1, 0]}
    told = client.post(INFER, json=asked).json()["error"]
    assert "HR-INFER-004" in told
    assert "HR-INFER-005" in told


def test_no_value_is_told(client: Any) -> None:
    for content in (
        body(data=[SECRET] * 11),
        body(datatype="INT64", data=[SECRET] * 12),
        body(data=[SECRET] * 11 + ["x"]),
        by_feature(datatype="INT8", data=[1, 2, 48151623]),
        by_feature(datatype="BYTES", data=["48151623"] * 3),
        text("[48151623.42 x]"),
    ):
        told = client.post(INFER, content=content)
        assert told.status_code == 400
        assert "48151623" not in told.text


def test_too_many_rows_are_told(client: Any) -> None:
    count = MOST_ROWS + 1
    columns_ = [
        {"name": name, "shape": [count], "datatype": "UINT8", "parameters": {"binary_data_size": count}}
        for name in FEATURES
    ]
    answer = sent(client, {"inputs": columns_}, b"\x01" * count * len(FEATURES))
    assert answer.status_code == 413
    assert "HR-INFER-008" in answer.json()["error"]


def test_too_much_json_is_told_before_it_is_read(client: Any) -> None:
    count = 600_000
    asked = json.dumps({"inputs": [TENSOR | {"shape": [count, 4], "data": [0] * count * 4}]}).encode()
    answer = client.post(INFER, content=asked)
    assert answer.status_code == 413
    assert "binary data" in answer.json()["error"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"])
def test_what_a_page_of_another_site_can_send_is_not_taken(client: Any, kind: str) -> None:
    answer = client.post(INFER, content=PLAIN, headers={"content-type": kind})
    assert answer.status_code == 415
    assert "HR-REQUEST-010" in answer.json()["error"]


@pytest.mark.parametrize("path", ["/v2/models/none/infer", INFER.replace("/infer", "/versions/7/infer")])
def test_what_is_not_there_cannot_be_asked(client: Any, path: str) -> None:
    answer = client.post(path, content=PLAIN)
    assert answer.status_code == 404
    assert "HR-INFER-002" in answer.json()["error"]


# -- bytes -------------------------------------------------------------------------------------------------------------


def sent(client: Any, document: dict[str, Any], data: bytes, path: str = INFER, size: Any = None) -> Any:
    """Post JSON with data behind it."""
    said = json.dumps(document).encode()
    headers = {"content-type": "application/octet-stream"}
    headers["inference-header-content-length"] = str(len(said) if size is None else size)
    return client.post(path, content=said + data, headers=headers)


def binary(x: Any = X, **more: Any) -> dict[str, Any]:
    tensor = {"name": "input", "shape": list(x.shape), "datatype": "FP32"}
    return {"inputs": [tensor | {"parameters": {"binary_data_size": x.nbytes}} | more]}


def texts(*held: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(one)) + one for one in held)


def test_bytes_of_another_length_are_told(client: Any) -> None:
    raw = X.tobytes()
    for document, data in (
        (binary(), raw[:-1]),
        (binary(), raw + b"\0"),
        (binary(), b""),
        (binary(parameters={"binary_data_size": 44}), raw[:44]),
        (binary(shape=[2, 4]), raw),
        (binary(parameters={"binary_data_size": -48}), raw),
        (binary(parameters={"binary_data_size": 47.5}), raw),
        (binary(parameters={"binary_data_size": "48"}), raw),
        (binary(parameters={"binary_data_size": True}), raw),
        (whole(), raw),
    ):
        answer = sent(client, document, data)
        assert answer.status_code == 400
        assert answer.json()["error"][:12] in ("HR-INFER-005", "HR-INFER-007")


@pytest.mark.parametrize("size", ["-1", "x", "1e3", "999999", "99999999999999999999", "", "0x10"])
def test_a_length_of_the_json_that_is_none_is_told(client: Any, size: str) -> None:
    answer = sent(client, binary(), X.tobytes(), size=size)
    assert answer.status_code == 400
    assert "HR-INFER-00" in answer.json()["error"]


def test_a_length_that_ends_within_the_json_is_told(client: Any) -> None:
    assert sent(client, binary(), X.tobytes(), size=20).status_code == 400
    assert sent(client, binary(), X.tobytes(), size=0).status_code == 400


def test_infinite_numbers_are_told_and_nan_is_a_null(client: Any) -> None:
    x = X.copy()
    x[1, 2] = np.inf
    answer = sent(client, binary(), x.tobytes())
    assert answer.status_code == 400
    assert "an infinite spending.mean_7d" in answer.json()["error"]
    x[1, 2] = np.nan
    assert sent(client, binary(), x.tobytes()).status_code == 200


def test_texts_that_are_none_are_told(client: Any) -> None:
    amount = {"name": "now.amount", "shape": [2], "datatype": "FP32", "data": [1, 2]}
    right = texts(b"fuel", b"")
    for data in (
        right[:-1], right + b"\0", texts(b"fuel"), texts(b"a", b"b", b"c"), b"\xff\xff\xff\xff" + right, b"\1\0",
        texts(b"\xff\xfe", b"b"), struct.pack("<I", 2**31) + b"a",
    ):  # fmt: skip
        shop = {"name": "now.shop", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(data)}}
        answer = sent(client, {"inputs": [amount, shop]}, data, f"/v2/models/{TEXTS}/infer")
        assert answer.status_code == 400, data
    shop = {"name": "now.shop", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(right)}}
    assert sent(client, {"inputs": [amount, shop]}, right, f"/v2/models/{TEXTS}/infer").status_code == 200


def test_a_truth_of_another_byte_is_told(client: Any) -> None:
    asked = columns()
    asked["inputs"][1] = {"name": FEATURES[1], "shape": [3], "datatype": "BOOL", "parameters": {"binary_data_size": 3}}
    assert sent(client, asked, b"\0\1\2").status_code == 400
    assert sent(client, asked, b"\0\1\1").status_code == 200


def test_anything_at_all_is_answered(client: Any) -> None:
    """Requests with bytes put out of place: each is answered, and none ends the server or finds it at fault."""
    luck = np.random.default_rng(7)
    seeds = [PLAIN, json.dumps(columns()).encode(), json.dumps(whole() | {"outputs": [{"name": "score_low"}]}).encode()]
    found = set()
    for at in range(400):
        content = bytearray(seeds[at % len(seeds)])
        for _ in range(luck.integers(1, 6)):
            place = int(luck.integers(0, len(content)))
            how = luck.integers(0, 3)
            if how == 0:
                content[place] = int(luck.integers(0, 256))
            elif how == 1:
                del content[place : place + int(luck.integers(1, 12))]
            else:
                content[place:place] = luck.choice(
                    [b"[", b"]", b"{", b"}", b'"', b",", b"null", b"1e400", b"-", b"\xff"]
                )
        path = INFER if at % 2 else f"/v2/models/{CLASSES}/infer"
        found.add(client.post(path, content=bytes(content)).status_code)
    assert found <= {200, 400}
    assert 400 in found
