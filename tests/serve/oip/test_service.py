"""The protocol beside the services of a project: the bare model gives the very score that a decision was made by."""

from __future__ import annotations

import json
import struct
from typing import Any

import httpx
import pytest

from headrace.serve.app import start
from tests.shop import DECIDE, payment


@pytest.fixture
def decided(shop: Any) -> Any:
    """Answers of a service, and a client of the same server."""
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        yield [client.post(f"{DECIDE}?features=1", json=payment(at)).json() for at in range(40)], client


def test_scores_of_decisions_are_those_of_the_model_to_the_bit(decided: Any) -> None:
    answers, client = decided
    about = client.get("/v2/models/score/config").json()
    names = json.loads(about["parameters"]["features"]["string_value"])
    assert about["parameters"]["digest"]["string_value"] == answers[0]["model"]["digest"]
    inputs = []
    for name in names:
        values = [one["features"][name] for one in answers]
        truths = any(isinstance(one, bool) for one in values)
        inputs.append({"name": name, "datatype": "BOOL" if truths else "FP64", "shape": [len(values)], "data": values})
    told = client.post("/v2/models/score/infer", json={"inputs": inputs}).json()
    assert told["model_version"] == str(answers[0]["model"]["version"])
    found = told["outputs"][0]["data"]
    assert [struct.pack("<d", one) for one in found] == [struct.pack("<d", one["score"]) for one in answers]
    assert len(set(found)) > 1
