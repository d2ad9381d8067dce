"""Tokens of an identity provider (OpenID Connect): signed by its keys, for this service, with its scopes."""

from __future__ import annotations

import json
import logging
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace import clock
from headrace.errors import Fault, HeadraceError
from headrace.serve.access.tokens import digest
from headrace.serve.wire.refusal import Declined

if TYPE_CHECKING:
    import jwt

_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures only: where a shared secret were taken too, the public key could be used as one."""
_REFRESH_S, _AGAIN_S = 300.0, 10.0
_TIMEOUT_S = 5.0
_LARGEST = 1 << 20
_LEEWAY_S = 30
_KNOWN = 4_096
_LOCAL = ("http://127.0.0.1", "http://[::1]", "http://localhost")
_log = logging.getLogger("headrace.serve")


@dataclass(frozen=True)
class Provider:
    """An identity provider that a service trusts.

    Args:
        issuer: its address, as its tokens name it, e.g. ``"https://login.bank.example"``.
        audience: what its tokens call this service.
        claim: of a token, that has its scopes: text with blanks between, or a list.
    """

    issuer: str
    audience: str
    claim: str = "scope"


class Oidc:
    """Reads tokens of a provider; keys are fetched beside the service, which never waits for them.

    Args:
        provider: who it is.
        now_us: the clock.

    Raises:
        HeadraceError: HR-ACCESS-007 without the library, 008 for a provider that is not what it is said to be. One that
            does not answer is asked again every ten seconds; until it does, its tokens open nothing.
    """

    def __init__(self, provider: Provider, now_us: clock.Clock = clock.now_us) -> None:
        try:
            import jwt  # noqa: F401 - told before anything begins
        except ImportError:
            cure = "pip install 'headrace[oidc]'"
            raise HeadraceError(Fault("HR-ACCESS-007", "", "no PyJWT", "the extra oidc", cure)) from None
        if not provider.issuer.startswith(("https://", *_LOCAL)):
            raise _wrong("an issuer without TLS", 'issuer = "https://…"', "its keys could be anybody's; use https")
        self._provider, self._now = provider, now_us
        self._keys: Mapping[str | None, jwt.PyJWK] = {}
        self._published = list[dict[str, Any]]()
        self._known: dict[bytes, tuple[str, tuple[str, ...], int]] = {}
        self._fetched_s = -_REFRESH_S
        self._wanted = False
        self._fetching: threading.Thread | None = None
        self._fetch()

    def identify(self, token: bytes) -> tuple[str, tuple[str, ...]]:
        """Return who a token is of, and its scopes.

        Raises:
            HeadraceError: HR-ACCESS-001 for a token that is not valid, or not meant for this service.
        """
        mark = digest(token)
        if (known := self._known.get(mark)) is not None:
            if self._now() < known[2]:
                return known[:2]
            raise _refused("a token that has expired")
        claims = self._claims(token)
        try:
            until = int((float(claims["exp"]) + _LEEWAY_S) * 1e6)
        except (ValueError, ArithmeticError):
            raise _refused("a token that the provider has not given for this service") from None
        found = str(claims["sub"])[:256], _scopes(claims.get(self._provider.claim))
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known[mark] = (*found, until)
        return found

    def look(self) -> None:
        """Fetch keys again when they are old, or when a token named one that is not there; called each second."""
        age = clock.monotonic_s() - self._fetched_s
        busy = self._fetching is not None and self._fetching.is_alive()
        if busy or not (age > _REFRESH_S or (age > _AGAIN_S and (self._wanted or not self._keys))):
            return
        self._fetching = threading.Thread(target=self._fetched, name="headrace-oidc", daemon=True)
        self._fetching.start()

    def _claims(self, token: bytes) -> Mapping[str, Any]:
        import jwt

        try:
            named = jwt.get_unverified_header(token).get("kid")
            key = self._keys.get(named)
            if key is None:
                self._wanted = True
                raise _refused("a token that none of the provider's keys has signed")
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(_ALGORITHMS),
                audience=self._provider.audience,
                issuer=self._provider.issuer,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise _refused("a token that has expired") from None
        except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError):
            raise _refused("a token that the provider has not given for this service") from None
        return claims

    def _fetched(self) -> None:
        try:
            self._fetch()
        except HeadraceError as error:
            _log.error("%s", error)

    def _fetch(self) -> None:
        import jwt

        self._fetched_s, self._wanted = clock.monotonic_s(), False
        issuer = self._provider.issuer
        try:
            about = _get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            if about.get("issuer") != issuer:
                raise _wrong("a provider that calls itself otherwise", issuer, "write issuer = as the provider has it")
            address = str(about["jwks_uri"])
            if not address.startswith(("https://", *_LOCAL)):
                raise _wrong("keys without TLS", "a jwks_uri with https", "ask who runs the provider")
            there = [one for one in _get(address)["keys"] if one.get("use", "sig") == "sig" and one.get("kty") != "oct"]
            keys = {one.key_id: one for one in jwt.PyJWKSet.from_dict({"keys": there}).keys}
        except OSError:
            _log.warning("the identity provider does not answer; its tokens open nothing that is not known yet")
            return
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, AttributeError):
            cure = "look at its /.well-known/openid-configuration"
            raise _wrong(
                "a provider whose configuration cannot be read", "OpenID Connect Discovery 1.0", cure
            ) from None
        if there != self._published:
            self._known.clear()  # what a key signed that was taken back opens nothing any more
        self._keys, self._published = keys, there


def _get(address: str) -> dict[str, Any]:
    with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - https, or of this machine
        found = json.loads(answer.read(_LARGEST))
    if not isinstance(found, dict):
        raise TypeError
    return found


def _scopes(claim: object) -> tuple[str, ...]:
    if isinstance(claim, str):
        return tuple(claim.split())
    return tuple(str(one) for one in claim) if isinstance(claim, Sequence) else ()


def _refused(found: str) -> Declined:
    return Declined(Fault("HR-ACCESS-001", "", found, "one that is valid", "get a new one from the provider"))


def _wrong(found: str, expected: str, cure: str) -> HeadraceError:
    return HeadraceError(Fault("HR-ACCESS-008", "headrace.toml", found, expected, cure))
