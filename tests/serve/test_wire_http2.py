"""HTTP/2, TLS and sockets in the file system."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import ssl
import stat
import subprocess
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from headrace.errors import HeadraceError
from headrace.serve.app import start
from headrace.serve.wire import Limits
from headrace.serve.wire.listen import Entry
from tests.serve.wires import BIG, Raw, post, until, wire
from tests.shop import DECIDE, payment


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A certificate that signs itself, its key, and another key."""
    folder = tmp_path_factory.mktemp("tls")
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    secret = serialization.BestAvailableEncryption(b"secret")
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, form, plain))
    (folder / "other.pem").write_bytes(other.private_bytes(pem, form, plain))
    (folder / "secret.pem").write_bytes(key.private_bytes(pem, form, secret))
    (folder / "nothing.pem").write_text("nothing")
    return folder


@pytest.fixture
def one():
    with wire() as one:
        yield one


@pytest.fixture
def client(one):
    with httpx.Client(base_url=one.url, http1=False, http2=True, timeout=15) as client:
        yield client


def test_http2_in_clear_text(one, client):
    answer = client.post("/echo?a=1", content=b"row", headers={"x-name": "n"})
    assert (answer.http_version, answer.status_code, answer.content) == ("HTTP/2", 200, b"row")
    assert dict(answer.headers) == {
        "content-type": "application/json",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "content-length": "3",
    }
    (asked,) = one.asked
    assert (asked.path, asked.query, asked.headers[b"x-name"], asked.client) == ("/echo", "a=1", b"n", "127.0.0.1")
    assert asked.headers[b"host"] == f"127.0.0.1:{one.port}".encode()
    assert client.get("/big").content == BIG
    assert client.head("/big").headers["content-length"] == str(len(BIG))
    assert client.post("/large", content=BIG).content == BIG
    assert client.post("/later/0.05", content=b"a").content == b"a"
    assert client.post("/future", content=b"a").status_code == 201


def test_http2_refuses_alike(client):
    assert client.get("/echo").headers["allow"] == "POST"
    cases = [
        (client.post("/nothing"), 404, "HR-SERVE-009"),
        (client.post("/broken", content=b"Ada"), 500, "HR-INTERNAL"),
        (client.post("/echo", content=b"x" * 100_000), 413, "HR-REQUEST-001"),
        (client.get("/live?" + "a" * 9_000), 414, "HR-WIRE-002"),
        (client.get("/live", headers={f"x-{i}": "1" for i in range(120)}), 431, "HR-WIRE-003"),
        (client.post("/echo", content=b"a", headers={"content-encoding": "br"}), 415, "HR-WIRE-004"),
        (client.post("/echo", content=b"a", headers={"x-deadline-ms": "0"}), 504, "HR-SERVE-016"),
    ]
    assert [(one.status_code, one.json()["error"]["code"]) for one, _, _ in cases] == [one[1:] for one in cases]


def test_many_streams_at_once(one):
    async def ask():
        async with httpx.AsyncClient(base_url=one.url, http1=False, http2=True, timeout=30) as client:
            first = await client.post("/echo", content=b"a")
            waits = [client.post("/later/0.2", content=b"%d" % i) for i in range(200)]
            bigs = [client.get("/big") for _ in range(20)]
            begun = time.perf_counter()
            answers = await asyncio.gather(*waits, *bigs)
            return first, answers, time.perf_counter() - begun

    first, answers, took = asyncio.run(ask())
    assert first.status_code == 200
    assert [one.content for one in answers[:200]] == [b"%d" % i for i in range(200)]
    assert all(one.content == BIG for one in answers[200:])
    assert took < 15


class H2:
    """A client of HTTP/2 that does what it should not."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        config = h2.config.H2Configuration(header_encoding="utf-8", validate_outbound_headers=False)
        self.http = h2.connection.H2Connection(config)
        self.http.initiate_connection()
        self.frames = b""
        self.flush()

    def flush(self) -> None:
        self.socket.sendall(self.http.data_to_send())

    def ask(self, number: int, method: str = "POST", path: str = "/echo", end: bool = True, **more: str) -> None:
        named = [(":method", method), (":path", path), (":scheme", "http"), (":authority", "a"), *more.items()]
        self.http.send_headers(number, named, end_stream=end)

    def events(self, wanted: type, within: float = 8) -> list:
        found, until_s = [], time.perf_counter() + within
        while time.perf_counter() < until_s and not found:
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionError:
                break
            if not data:
                break
            self.frames += data
            while len(self.frames) >= 9 and len(self.frames) >= 9 + int.from_bytes(self.frames[:3], "big"):
                end = 9 + int.from_bytes(self.frames[:3], "big")
                frame, self.frames = self.frames[:end], self.frames[end:]
                found += [event for event in self.http.receive_data(frame) if isinstance(event, wanted)]
            self.flush()
        return found


def test_rapid_resets_end_the_connection(one):
    rude = H2(one.port)

    def reset(number):
        rude.ask(number, path="/later/1")
        rude.http.reset_stream(number)
        rude.flush()
        time.sleep(0.0005)

    assert _ended_by(rude, reset, range(1, 20_001, 2))
    assert one.reception.under_way < 1_024
    assert httpx.get(f"{one.url}/live").status_code == 200


def test_floods_of_frames_that_ask_nothing_end_the_connection(one):
    rude = H2(one.port)

    def ping(_number):
        for _ in range(100):
            rude.http.ping(b"12345678")
        rude.flush()
        time.sleep(0.001)

    assert _ended_by(rude, ping, range(500))


def _ended_by(rude, rudeness, numbers) -> bool:
    """Whether the server ends the connection for it."""
    try:
        for number in numbers:
            rudeness(number)
    except ConnectionError:
        return True
    return bool(rude.events(h2.events.ConnectionTerminated))


def test_too_many_streams_and_too_large_a_head_end_the_connection(one):
    rude = H2(one.port)
    for number in range(1, 401, 2):
        rude.ask(number, end=False)
    rude.flush()
    assert rude.events(h2.events.ConnectionTerminated)
    rude = H2(one.port)
    rude.ask(1, **{f"x-{i}": "long " * 2_000 for i in range(9)})
    rude.flush()
    assert rude.events(h2.events.ConnectionTerminated)[0].error_code in (
        h2.errors.ErrorCodes.ENHANCE_YOUR_CALM,
        h2.errors.ErrorCodes.PROTOCOL_ERROR,
    )


def test_a_stream_that_stops_is_told_so_and_others_go_on():
    with wire(Limits(body_s=0.5, write_s=1, idle_s=60)) as one:
        slow = H2(one.port)
        slow.ask(1, end=False)
        slow.flush()
        (answer,) = slow.events(h2.events.ResponseReceived)
        assert dict(answer.headers)[":status"] == "408"
        slow.ask(3)
        slow.flush()
        (answer,) = slow.events(h2.events.ResponseReceived)
        assert dict(answer.headers)[":status"] == "200"


def test_who_leaves_most_answers_unread_is_cut_and_others_are_not():
    with wire(Limits(unread=5_000_000)) as one:
        modest, greedy = H2(one.port), H2(one.port)
        for client, streams in ((modest, 2), (greedy, 10)):
            client.http.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
            for number in range(streams):
                client.ask(2 * number + 1, "GET", "/big")
            client.flush()
        assert _until_closed(greedy.socket) < 65_536
        modest.http.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20})
        modest.flush()
        assert modest.events(h2.events.DataReceived)


def test_who_asks_much_by_http1_and_reads_nothing_is_cut():
    with wire(Limits(unread=500_000)) as one, socket.create_connection(("127.0.0.1", one.port)) as greedy:
        greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        greedy.sendall(b"GET /big HTTP/1.1\r\nhost: a\r\n\r\n" * 64)
        assert _until_closed(greedy) < 64 * len(BIG)


def _until_closed(taken: socket.socket) -> int:
    """Read what still comes of a connection that was left unread for a while; return how much."""
    time.sleep(3)
    taken.settimeout(8)
    count = 0
    with contextlib.suppress(ConnectionError):
        while data := taken.recv(1 << 16):
            count += len(data)
    return count


def test_garbage_behind_the_preface(one):
    for sent in (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 500_000,
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + b"a" * 100,
    ):
        with Raw(one.port) as raw:
            raw.send(sent)
            with contextlib.suppress(ConnectionError):
                while raw.socket.recv(1 << 16):
                    pass
    assert httpx.get(f"{one.url}/live").status_code == 200


def test_http2_is_drained_too():
    with wire() as one:
        client = H2(one.port)
        client.ask(1, path="/later/0.5")
        client.flush()
        assert until(lambda: one.reception.under_way == 1)
        one.server.stop()
        (answer,) = client.events(h2.events.ResponseReceived)
        assert dict(answer.headers)[":status"] == "200"


def test_curl_speaks_http2(one):
    said = subprocess.run(
        ["curl", "-s", "--http2-prior-knowledge", "-d", "a=1", f"{one.url}/echo", "-w", " %{http_version}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "a=1 2"


# -- TLS ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("http2", "version"), [(True, "HTTP/2"), (False, "HTTP/1.1")])
def test_tls(files, http2, version):
    tls = Entry(tls_cert=files / "cert.pem", tls_key=files / "key.pem").tls()
    trusted = ssl.create_default_context(cafile=str(files / "cert.pem"))
    with wire(tls=tls) as one:
        url = one.url.replace("127.0.0.1", "localhost")
        with httpx.Client(base_url=url, http2=http2, verify=trusted) as client:
            answer = client.post("/echo", content=b"row")
            assert (answer.http_version, answer.content) == (version, b"row")
            assert client.get("/big").content == BIG
            assert client.post("/large", content=b"x" * (1 << 20)).status_code == 200
            assert client.post("/echo", content=b"x" * (20 << 20)).status_code == 413
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/live", verify=old)
        with Raw(one.port) as plain:
            plain.send(b"GET /live HTTP/1.1\r\nhost: a\r\n\r\n")
            assert plain.closed()


@pytest.mark.parametrize(
    ("cert", "key", "told"),
    [
        ("cert.pem", "other.pem", "not of one another"),
        ("cert.pem", "secret.pem", "cannot be read as PEM"),
        ("nothing.pem", "key.pem", "cannot be read as PEM"),
        ("key.pem", "cert.pem", "cannot be read as PEM"),
        ("missing.pem", "key.pem", "No such file"),
    ],
)
def test_files_that_are_no_certificate(files, cert, key, told):
    with pytest.raises(HeadraceError, match=f"HR-WIRE-008.*{told}"):
        Entry(tls_cert=files / cert, tls_key=files / key).tls()


def test_a_service_over_tls(files, shop):
    entry = Entry(port=0, tls_cert=files / "cert.pem", tls_key=files / "key.pem")
    trusted = ssl.create_default_context(cafile=str(files / "cert.pem"))
    with start(shop, entry=entry) as running:
        assert running.url.startswith("https://127.0.0.1:")
        url = running.url.replace("127.0.0.1", "localhost")
        with httpx.Client(base_url=url, http2=True, verify=trusted) as client:
            assert client.post(DECIDE, json=payment(1)).json()["decision"]


# -- sockets in the file system ----------------------------------------------------------------------------------------


def test_a_socket_for_this_user_alone(shop, tmp_path):
    path = tmp_path / "desk.sock"
    with start(shop, entry=Entry(unix=path)) as running:
        assert running.url == f"unix://{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://desk") as client:
            assert client.post(DECIDE, json=payment(1)).json()["decision"]
            assert client.get("/health/ready").status_code == 200
        with pytest.raises(HeadraceError, match=r"HR-SERVE-004.*in use"), Entry(unix=path).bound():
            pass
    assert not path.exists()


def test_a_socket_that_nobody_listens_on_is_replaced_and_other_files_are_not(tmp_path):
    path = tmp_path / "desk.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    with Entry(unix=path).bound() as taken:
        assert taken.getsockname() == str(path)
    path.write_text("mine")
    with pytest.raises(HeadraceError, match=r"HR-SERVE-004.*no socket"), Entry(unix=path).bound():
        pass
    assert path.read_text() == "mine"
    for wrong in (tmp_path / "none" / "desk.sock", tmp_path / ("a" * 120)):
        with pytest.raises(HeadraceError, match="HR-SERVE-004"), Entry(unix=wrong).bound():
            pass


def test_post_is_what_it_says():
    assert post(b"ab", "/x") == b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab"
