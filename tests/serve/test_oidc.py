"""Tokens of an identity provider that runs here: what opens, what does not, and keys that change."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from headrace.errors import HeadraceError
from headrace.run.settings import read_settings
from headrace.serve.access import Guard, Oidc, Provider, Tokens
from headrace.serve.app import start
from headrace.serve.wire.listen import Entry
from tests.serve.wires import until
from tests.shop import DECIDE, payment


class Identities:
    """A provider: its keys, and the tokens that it gives."""

    def __init__(self) -> None:
        self.keys = {"one": rsa.generate_private_key(65537, 2048), "two": ec.generate_private_key(ec.SECP256R1())}
        self.published = ["one"]
        self.answers, self.asked, self.issuer_told = True, 0, None
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                provider.asked += 1
                if not provider.answers:
                    self.send_error(503)
                    return
                told = provider.about() if self.path.endswith("configuration") else provider.jwks()
                body = json.dumps(told).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def about(self):
        return {"issuer": self.issuer_told or self.issuer, "jwks_uri": f"{self.issuer}/keys"}

    def jwks(self):
        found = []
        for name in self.published:
            public = self.keys[name].public_key()
            kind = jwt.algorithms.RSAAlgorithm if name == "one" else jwt.algorithms.ECAlgorithm
            found.append({**json.loads(kind.to_jwk(public)), "kid": name, "use": "sig"})
        return {"keys": found}

    def token(self, key="one", **claims):
        now = int(time.time())
        usual = {"iss": self.issuer, "aud": "desk", "sub": "till", "exp": now + 600, "scope": "openid decide"}
        given = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        return jwt.encode(given, self.keys[key], "RS256" if key == "one" else "ES256", {"kid": key})


@pytest.fixture
def provider():
    one = Identities()
    yield one
    one.server.shutdown()


def part(value) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_tokens_of_a_provider(provider, tmp_path):
    oidc = Oidc(Provider(provider.issuer, "desk"))
    guard = Guard(Tokens(tmp_path), oidc)

    def opens(token, scope="decide"):
        return guard.client(f"Bearer {token}".encode(), scope)

    good = provider.token()
    assert [opens(good), opens(good)] == ["till", "till"]
    assert opens(provider.token(scope=["decide", "events"]), "events") == "till"
    assert opens(provider.token(aud=["other", "desk"])) == "till"
    with pytest.raises(HeadraceError, match="HR-ACCESS-002"):
        opens(good, "events")
    for claims in ({"scope": None}, {"scope": 7}, {"scope": "decided"}):
        with pytest.raises(HeadraceError, match="HR-ACCESS-002"):
            opens(provider.token(**claims))
    now = int(time.time())
    for claims in (
        {"exp": now - 60},
        {"exp": None},
        {"exp": "soon"},
        {"exp": 10**400},
        {"nbf": now + 600},
        {"iss": "http://127.0.0.1:1"},
        {"iss": None},
        {"aud": "other"},
        {"aud": None},
        {"sub": None},
    ):
        with pytest.raises(HeadraceError, match="HR-ACCESS-001"):
            opens(provider.token(**claims))
    head, body, sign = good.split(".")
    public = provider.keys["one"].public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    shared = f"{part({'alg': 'HS256', 'kid': 'one'})}.{body}"
    mixed = base64.urlsafe_b64encode(hmac.digest(pem, shared.encode(), hashlib.sha256)).rstrip(b"=").decode()
    forged = [
        f"{head}.{body}.{sign[:-6]}AAAAAA",
        f"{head}.{part({'iss': provider.issuer, 'aud': 'desk', 'sub': 'a', 'exp': now + 9, 'scope': 'decide'})}.{sign}",
        f"{part({'alg': 'none', 'kid': 'one'})}.{body}.",
        f"{shared}.{mixed}",
        f"{part({'alg': 'RS256', 'kid': ['one']})}.{body}.{sign}",
        "..",
        f"{base64.urlsafe_b64encode(b'[' * 20_000).decode()}.{body}.{sign}",
        "a.b.c",
        f"é.{body}.{sign}",
        "x" * 5000 + ".y.z",
    ]
    for token in forged:
        with pytest.raises(HeadraceError, match="HR-ACCESS-001"):
            opens(token)
    assert provider.asked == 2  # its configuration and its keys, once


def test_a_token_ends_although_it_was_seen_before(provider):
    now = [int(time.time() * 1e6)]
    oidc = Oidc(Provider(provider.issuer, "desk"), lambda: now[0])
    token = provider.token().encode()
    assert oidc.identify(token)[0] == "till"
    now[0] += 700 * 10**6
    with pytest.raises(HeadraceError, match=r"HR-ACCESS-001.*expired"):
        oidc.identify(token)


def test_keys_that_change(provider, monkeypatch):
    monkeypatch.setattr("headrace.serve.access.oidc._AGAIN_S", 0.1)
    oidc = Oidc(Provider(provider.issuer, "desk"))
    old, new = provider.token().encode(), provider.token("two").encode()
    assert oidc.identify(old)[0] == "till"
    provider.published = ["two"]

    def opens(token) -> bool:
        oidc.look()
        try:
            return oidc.identify(token)[0] == "till"
        except HeadraceError:
            return False

    assert not opens(new)
    assert until(lambda: opens(new))
    assert not opens(old)
    provider.answers = False
    monkeypatch.setattr("headrace.serve.access.oidc._REFRESH_S", 0.1)
    asked = provider.asked
    assert until(lambda: opens(new) and provider.asked > asked)
    assert opens(new)


def test_a_provider_that_is_not_there_or_is_another(provider):
    provider.answers = False
    oidc = Oidc(Provider(provider.issuer, "desk"))
    with pytest.raises(HeadraceError, match="HR-ACCESS-001"):
        oidc.identify(provider.token().encode())
    provider.answers, provider.issuer_told = True, "https://other.example"
    with pytest.raises(HeadraceError, match=r"HR-ACCESS-008.*calls itself otherwise"):
        Oidc(Provider(provider.issuer, "desk"))
    with pytest.raises(HeadraceError, match=r"HR-ACCESS-008.*without TLS"):
        Oidc(Provider("http://login.example", "desk"))


def test_a_service_takes_both_kinds(provider, shop):
    token, _ = Tokens(shop.state_dir).new("own", ["decide"], None)
    trusted = Provider(provider.issuer, "desk")
    with start(shop, entry=Entry(port=0, require_token=True), provider=trusted) as running:
        for number, (given, status) in enumerate([(provider.token(), 200), (token, 200), ("a.b.c", 401)]):
            headers = {"authorization": f"Bearer {given}"}
            assert httpx.post(running.url + DECIDE, json=payment(number), headers=headers).status_code == status


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[serve.oidc]\nissuer = "https://a"', "HR-PROJECT-004"),
        ('[serve.oidc]\nissuer = "https://a"\naudience = 7', "HR-PROJECT-004"),
        ('[serve.oidc]\nissuer = "https://a"\naudience = "b"\nsecret = "c"', "HR-PROJECT-003"),
        ('[serve.odic]\nissuer = "https://a"', "HR-PROJECT-003"),
        ("serve = 3", "HR-PROJECT-004"),
        ("[serve]\noidc = 3", "HR-PROJECT-004"),
    ],
)
def test_settings_that_are_wrong(tmp_path, text, code):
    (tmp_path / "headrace.toml").write_text(text)
    with pytest.raises(HeadraceError, match=code):
        read_settings(tmp_path)


def test_settings(tmp_path):
    (tmp_path / "headrace.toml").write_text('[serve.oidc]\nissuer = "https://a"\naudience = "b"\n')
    assert Provider(**read_settings(tmp_path).oidc) == Provider("https://a", "b", "scope")
