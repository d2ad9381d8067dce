"""Tokens: seen once, kept as digests, asked for where others can come, gone when they are revoked or expired."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from headrace.cli.app import main
from headrace.errors import HeadraceError
from headrace.serve.access import Guard, Tokens
from headrace.serve.app import serve, start
from headrace.serve.wire.listen import Entry
from tests.serve.wires import until, wire
from tests.shop import DECIDE, payment

HOUR = 3_600_000_000


def run(folder, *words):
    return CliRunner().invoke(main, ["token", *words, "--project", str(folder)])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "headrace.toml").write_text('[project]\nname = "shop"\n')
    return tmp_path


def test_a_token_is_shown_once_and_kept_as_a_digest(folder):
    made = run(folder, "new", "--name", "till", "--scope", "decide,events", "--expires", "90d")
    assert made.exit_code == 0
    token = made.stdout.strip()
    assert re.fullmatch(r"hr_[A-Za-z0-9_-]{43}", token)
    assert "the only time" in made.stderr
    path = folder / ".headrace" / "tokens.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert all(token not in one.read_text() for one in path.parent.iterdir())
    listed = run(folder, "list")
    assert "till" in listed.stdout
    assert token not in listed.stdout
    (kept,) = json.loads(run(folder, "list", "--json").stdout)["tokens"]
    assert (kept["name"], kept["scopes"], kept["valid"]) == ("till", ["decide", "events"], True)
    assert run(folder, "revoke", "till").exit_code == 0
    assert "There are no tokens" in run(folder, "list").stdout


def test_tokens_for_programs(folder):
    made = json.loads(run(folder, "new", "--name", "a", "--expires", "never", "--json").stdout)
    assert (made["ok"], made["scopes"], made["expires"]) == (True, ["decide"], None)
    other = json.loads(run(folder, "new", "--name", "b", "--json").stdout)
    assert made["token"] != other["token"]
    assert json.loads(run(folder, "revoke", "a", "--json").stdout) == {"ok": True, "revoked": "a"}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["new", "--name", "till"], "HR-ACCESS-004"),
        (["new", "--name", "../till"], "HR-ACCESS-004"),
        (["new", "--name", ""], "HR-ACCESS-004"),
        (["new", "--name", "a" * 65], "HR-ACCESS-004"),
        (["new", "--name", "b", "--scope", "decide,evnts"], "HR-ACCESS-005"),
        (["new", "--name", "b", "--scope", ""], "HR-ACCESS-005"),
        (["new", "--name", "b", "--expires", "soon"], "HR-CLI-001"),
        (["new", "--name", "b", "--expires", "-1d"], "HR-CLI-001"),
        (["revoke", "tell"], "HR-ACCESS-006"),
    ],
)
def test_wrong_use_is_told(folder, words, code):
    run(folder, "new", "--name", "till")
    refused = run(folder, *words, "--json")
    assert refused.exit_code == 2
    assert json.loads(refused.stdout)["faults"][0]["code"] == code
    assert "Traceback" not in refused.stderr


KEPT = '{"tokens": [{"name": "a", "sha256": "", "scopes": [], "expires_us": null, "created_us": 1e999}]}'


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"tokens": [{}]}', '{"tokens": [{"name": 1, "sha256": "x"}]}', KEPT, "[" * 100_000],
    ids=range(7),
)
def test_a_broken_file_opens_nothing_and_is_told(folder, text):
    tokens = Tokens(folder / ".headrace")
    token, _ = tokens.new("till", ["decide"], None)
    guard = Guard(tokens)
    assert guard.client(f"Bearer {token}".encode(), "decide") == "till"
    tokens.path.write_text(text)
    guard.look()
    with pytest.raises(HeadraceError, match="HR-ACCESS-001"):
        guard.client(f"Bearer {token}".encode(), "decide")
    refused = run(folder, "list")
    assert (refused.exit_code, "HR-ACCESS-003" in refused.stderr) == (2, True)
    assert run(folder, "new", "--name", "b").exit_code == 2
    assert tokens.path.read_text() == text


def test_a_token_ends_when_it_expires(tmp_path):
    now = [10**15]
    tokens = Tokens(tmp_path, lambda: now[0])
    token, _ = tokens.new("till", ["decide"], HOUR)
    guard = Guard(tokens, now_us=lambda: now[0])
    given = f"bearer  {token} ".encode()
    now[0] += HOUR - 1
    assert guard.client(given, "decide") == "till"
    assert len(tokens.usable()) == 1
    now[0] += 1
    with pytest.raises(HeadraceError, match=r"HR-ACCESS-001.*expired"):
        guard.client(given, "decide")
    assert tokens.usable() == ()


def test_over_http(tmp_path):
    tokens = Tokens(tmp_path)
    token, _ = tokens.new("till", ["decide"], None)
    guard = Guard(tokens)
    with wire(access=guard) as one, httpx.Client(base_url=one.url) as client:
        one.server._looks = (*one.server._looks, guard.look)
        allowed = {"authorization": f"Bearer {token}"}
        for given in (
            {},
            {"authorization": token},
            {"authorization": "Bearer"},
            {"authorization": f"Bearer {token}x"},
            {"authorization": "Basic YTpi"},
        ):
            refused = client.post("/echo", content=b"a", headers=given)
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "HR-ACCESS-001")
            assert refused.headers["www-authenticate"] == "Bearer"
            assert token not in refused.text
        assert one.asked == []
        for _ in range(3):
            assert client.post("/echo", content=b"a", headers=allowed).status_code == 200
        assert one.asked[0].client == "till"
        other = client.post("/large", content=b"a", headers=allowed)
        assert (other.status_code, other.json()["error"]["code"]) == (403, "HR-ACCESS-002")
        assert client.get("/live").status_code == 200
        assert client.post("/nothing").status_code == 404
        tokens.revoke("till")
        begun = time.perf_counter()
        assert until(lambda: client.post("/echo", content=b"a", headers=allowed).status_code == 401, 3)
        assert time.perf_counter() - begun < 2.1


def test_nobody_else_comes_in_without_tokens_and_tls(shop):
    with pytest.raises(HeadraceError, match=r"HR-SERVE-006.*0\.0\.0\.0.*no token"):
        serve(shop, "0.0.0.0", 0)
    tokens = Tokens(shop.state_dir, lambda: 10**15)
    tokens.new("old", ["decide"], HOUR)
    with pytest.raises(HeadraceError, match=r"HR-SERVE-006.*no token"):
        serve(shop, "0.0.0.0", 0)
    Tokens(shop.state_dir).new("till", ["decide"], HOUR)
    with pytest.raises(HeadraceError, match=r"HR-SERVE-006.*without TLS"):
        serve(shop, "0.0.0.0", 0)
    with pytest.raises(HeadraceError, match="HR-SERVE-006"):
        serve(shop, "example.org", 0)


def test_a_service_that_others_can_reach(shop):
    token, _ = Tokens(shop.state_dir).new("till", ["decide"], HOUR)
    with start(shop, entry=Entry("0.0.0.0", 0, insecure_http=True)) as running:
        url = running.url.replace("0.0.0.0", "127.0.0.1")
        assert httpx.post(url + DECIDE, json=payment(1)).status_code == 401
        allowed = {"authorization": f"Bearer {token}"}
        assert httpx.post(url + DECIDE, json=payment(1), headers=allowed).status_code == 200
        assert httpx.post(f"{url}/events/payments", json=payment(1), headers=allowed).status_code == 403
        assert httpx.get(f"{url}/health/ready").status_code == 200
    with start(shop, entry=Entry(port=0, require_token=True)) as running:
        assert httpx.post(running.url + DECIDE, json=payment(2)).status_code == 401
    with start(shop) as running:
        assert httpx.post(running.url + DECIDE, json=payment(3)).status_code == 200


def test_tokens_made_at_once_are_all_kept(tmp_path: Path):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: Tokens(tmp_path).new(f"t{i}", ["decide"], None), range(24)))
    assert sorted(one.name for one in Tokens(tmp_path).all()) == sorted(f"t{i}" for i in range(24))
