"""Where a server listens: bound before anything else is opened, so that what is wrong with it is told at once."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import ssl
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import Fault, HeadraceError
from headrace.serve.wire.hosts import LOOPBACK

_BACKLOG = 2_048


@dataclass(frozen=True)
class Entry:
    """How one gets in.

    Args:
        host: an address of this machine; beyond its loopback, tokens are asked for.
        port: 0 takes a free one.
        unix: path of a socket to listen on instead, for this user alone.
        tls_cert, tls_key: files in PEM, certificates up to a root of the clients' first; None for plain HTTP.
        insecure_http: whether others may come without TLS: their tokens can be read on the way.
        require_token: whether tokens are asked for on this machine, too.
        server_name: names by which it may be asked, beside those of this machine; any where others reach it and none
            is given.
    """

    host: str = "127.0.0.1"
    port: int = 8470
    unix: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    insecure_http: bool = False
    require_token: bool = False
    server_name: tuple[str, ...] = ()

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        return self.unix is not None or _address(self.host).is_loopback

    @property
    def guarded(self) -> bool:
        """Whether tokens are asked for."""
        return self.require_token or not self.local

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names by which it may be asked, none for any: a socket of the file system no browser can reach."""
        if self.unix is not None or not (self.local or self.server_name):
            return ()
        address = _address(self.host)
        own = f"[{address}]" if address.version == 6 else str(address)
        return (*LOOPBACK, own, *(one.lower() for one in self.server_name))

    def check(self, tokens: int) -> None:
        """Refuse to be reached by others without tokens, or in a way in which tokens could be read.

        Args:
            tokens: how many open something.

        Raises:
            HeadraceError: HR-SERVE-006.
        """
        if not self.guarded:
            return
        where = (
            "tokens that are asked for" if self.local else f"the address {self.host[:100]!r}, which others can reach"
        )
        if not tokens:
            cure = "headrace token new --name NAME --scope decide,events"
            raise _refused("HR-SERVE-006", f"{where}, and no token that is valid", "at least one", cure)
        if not self.local and self.tls_cert is None and not self.insecure_http:
            cure = "--tls-cert FILE --tls-key FILE; or --insecure-http, where something before it has TLS"
            raise _refused("HR-SERVE-006", f"{where}, without TLS", "TLS, so that nobody can read tokens", cure)

    def tls(self) -> ssl.SSLContext | None:
        """Return certificate and key as the server needs them.

        Raises:
            HeadraceError: HR-WIRE-008 for files that are no certificate and its key.
        """
        if self.tls_cert is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["h2", "http/1.1"])
        named = self.tls_cert.name if self.tls_key is None else f"{self.tls_cert.name} and {self.tls_key.name}"
        try:
            context.load_cert_chain(self.tls_cert, self.tls_key, password=lambda: "")
        except ssl.SSLError as error:
            why = "they are not of one another" if "MISMATCH" in str(error.reason) else "they cannot be read as PEM"
            expected = "a certificate and its key, without a password"
            cure = "openssl x509 -in FILE -noout; openssl pkey -in FILE -noout"
            raise _refused("HR-WIRE-008", f"{named}: {why}", expected, cure) from None
        except OSError as error:
            cure = "mend the path, or the right to read it"
            raise _refused("HR-WIRE-008", f"{named}: {error.strerror}", "files that can be read", cure) from None
        return context

    @contextlib.contextmanager
    def bound(self) -> Iterator[socket.socket]:
        """Give a bound socket for the length of a ``with`` block.

        Raises:
            HeadraceError: HR-SERVE-004 for what cannot be had, HR-SERVE-006 for what is no address of this machine.
        """
        if self.unix is not None:
            with _bound_unix(self.unix) as taken:
                yield taken
            return
        address = _address(self.host)
        with contextlib.closing(socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET)) as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                taken.bind((str(address), self.port))
            except OSError as error:
                found = f"port {self.port}, which cannot be had ({error.strerror})"
                raise _refused("HR-SERVE-004", found, "a free port", "name another one with --port") from None
            yield taken

    def url(self, taken: socket.socket) -> str:
        """Return the URL of the socket."""
        if self.unix is not None:
            return f"unix://{self.unix.absolute()}"
        host, port = taken.getsockname()[:2]
        scheme = "http" if self.tls_cert is None else "https"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


@contextlib.contextmanager
def _bound_unix(path: Path) -> Iterator[socket.socket]:
    """Bind a socket in the file system, in the place of one that nobody listens on any more."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as taken:
        try:
            _clear(path)
            taken.bind(os.fspath(path))
            path.chmod(0o600)
            taken.listen(_BACKLOG)  # at once: whoever comes next must see that it is in use
            mine = path.stat().st_ino
        except OSError as error:
            found = f"the socket {path.name!r}, which cannot be had ({error.strerror or error})"
            cure = "name a short path in a folder that is yours, with --unix"
            raise _refused("HR-SERVE-004", found, "a path of at most 107 bytes that is free", cure) from None
        try:
            yield taken
        finally:
            with contextlib.suppress(OSError):
                if path.stat().st_ino == mine:
                    path.unlink()


def _clear(path: Path) -> None:
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise _refused("HR-SERVE-004", f"{path.name!r}, which is no socket", "a path that is free", "name another one")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as asking:
        try:
            asking.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise _refused("HR-SERVE-004", f"the socket {path.name!r}, which is in use", "one that is free", "stop who uses it")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        found, cure = f"{host[:100]!r}, which is no address", "write it in numbers, e.g. 127.0.0.1 or 0.0.0.0"
        raise _refused("HR-SERVE-006", found, "an address of this machine", cure) from None


def _refused(code: str, found: str, expected: str, cure: str) -> HeadraceError:
    return HeadraceError(Fault(code, "", found, expected, cure))
