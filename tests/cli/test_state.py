"""``headrace state``: what it shows, and that it is made anew whether a service runs or not."""

import json

import httpx
from click.testing import CliRunner

from headrace.cli.app import main
from headrace.serve.app import start
from tests.serve.test_rebuilding import until


def test_a_state_is_shown_and_made_anew(shop):
    def told(*words):
        done = CliRunner().invoke(main, ["state", *words, "--project", str(shop.folder), "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    assert told("show")["state"] is None
    with start(shop):
        pass
    shown = told("show")["state"]
    assert shown["chunks"]["payments by customer_id"] > 100
    (data,) = (shop.state_dir / "online").glob("keys-*/data.mdb")
    data.write_bytes(data.read_bytes()[:20_000])
    cut = CliRunner().invoke(main, ["state", "show", "--project", str(shop.folder)])
    assert (cut.exit_code, "headrace state rebuild" in cut.stderr) == (2, True)
    made = told("rebuild")
    assert (made["asked"], made["state"]["applied"], made["state"]["chunks"]) == (
        False,
        shown["applied"],
        shown["chunks"],
    )
    with start(shop, settle_s=0.1) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        before = running.office.state
        assert told("rebuild")["asked"]
        until(lambda: running.office.state is not before)
        assert client.get("/health/ready").status_code == 200
        until(lambda: not before.folder.exists())
    assert told("show")["state"]["chunks"] == shown["chunks"]


def test_a_project_without_services_says_so(tmp_path):
    (tmp_path / "project.py").write_text("import headrace as hr\nproject = hr.Project('bank')\n")
    (tmp_path / "headrace.toml").write_text("")
    done = CliRunner().invoke(main, ["state", "rebuild", "--project", str(tmp_path)])
    assert (done.exit_code, "HR-SERVE-001" in done.stderr) == (2, True)
