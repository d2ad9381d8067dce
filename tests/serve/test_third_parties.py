"""What others make of the document of the interface: random requests by schemathesis, a client by a generator.

``HEADRACE_EXAMPLES`` says how many requests schemathesis makes for each operation.
"""

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from headrace.serve.app import start
from tests.shop import payment, rows_of

EXAMPLES = int(os.environ.get("HEADRACE_EXAMPLES", "30"))
LEFT_OUT = ["positive_data_acceptance"]
"""A row may keep its schema and be refused: a time that is older than the state, a key that was decided before."""


def test_schemathesis_finds_no_answer_that_the_document_does_not_tell(shop, tmp_path):
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    assert schemathesis
    with start(shop) as running:
        url = running.url
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--url", url]
        command += [
            "--exclude-checks",
            ",".join(LEFT_OUT),
            "--max-examples",
            str(EXAMPLES),
            "--seed",
            "7",
            "--no-color",
        ]
        command += ["--mode", "all", "--phases", "examples,coverage,fuzzing", "--request-timeout", "20"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        made = httpx.get(f"{url}/metrics").text
    assert 'outcome="refused"' in made
    from headrace.serve import drain

    drain(shop)
    assert rows_of(shop, "decisions_desk"), "some of the requests were decided"


def test_a_client_that_others_generate_asks_the_service(shop, tmp_path, monkeypatch):
    pytest.importorskip("openapi_python_client", reason="openapi-python-client is not installed")
    with start(shop) as running:
        url = running.url
        (tmp_path / "openapi.json").write_text(httpx.get(f"{url}/openapi.json").text)
        command = [shutil.which("openapi-python-client", path=Path(sys.executable).parent), "generate"]
        command += ["--path", "openapi.json", "--meta", "none", "--output-path", "desk_client"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "WARNING" not in done.stdout.upper().replace("WARNINGS", ""), done.stdout
        monkeypatch.syspath_prepend(tmp_path)
        made = importlib.import_module("desk_client")
        decide = importlib.import_module("desk_client.api.services.decide_desk")
        models = importlib.import_module("desk_client.models")
        row = models.Payment.from_dict(payment(7))
        with made.Client(base_url=url) as client:
            answer = decide.sync(client=client, body=row, explain=2)
            assert answer.decision in ("block", "review", "allow")
            assert len(answer.reasons) == 2
            wrong = decide.sync_detailed(client=client, body=models.Payment.from_dict(payment(8, amount="-1")))
            assert wrong.status_code == 400
            assert json.loads(wrong.content)["error"]["code"].startswith("HR-DATA")
            assert wrong.parsed.error.code == json.loads(wrong.content)["error"]["code"]
