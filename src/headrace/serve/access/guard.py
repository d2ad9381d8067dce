"""The guard: who asks, by the token that a request brings, and whether the token allows it."""

from __future__ import annotations

import logging
from typing import NoReturn

from headrace import clock
from headrace.errors import Fault, HeadraceError
from headrace.serve.access.oidc import Oidc
from headrace.serve.access.tokens import Token, Tokens, digest
from headrace.serve.wire.refusal import Declined

_log = logging.getLogger("headrace.serve")


class Guard:
    """Asks for a token where a route has a scope.

    Tokens are found by their digest: how long that takes says nothing of how much of a token was right.

    Args:
        tokens: of the project; read again when they change.
        oidc: reads tokens of an identity provider; None where none is trusted.
        now_us: the clock.
    """

    def __init__(self, tokens: Tokens, oidc: Oidc | None = None, now_us: clock.Clock = clock.now_us) -> None:
        self._tokens, self._oidc, self._now = tokens, oidc, now_us
        self._known: dict[bytes, Token] = {}
        self._seen: tuple[int, ...] | None = None
        self.look()

    def client(self, authorization: bytes | None, scope: str) -> str:
        """Return the name of who asks.

        Args:
            authorization: the header, e.g. ``b"Bearer hr_…"``.
            scope: which the route needs.

        Raises:
            HeadraceError: HR-ACCESS-001 without a token that is known and has not expired, 002 without the scope.
        """
        kind, _, given = (authorization or b"").partition(b" ")
        if kind.lower() != b"bearer":
            _unknown("no token")
        given = given.strip()
        token = self._known.get(digest(given))
        if token is not None:
            if not token.valid(self._now()):
                _unknown("a token that has expired")
            name, scopes = token.name, token.scopes
        elif self._oidc is not None and given.count(b".") == 2:
            name, scopes = self._oidc.identify(given)
        else:
            _unknown("an unknown token")
        if scope not in scopes:
            found, cure = f"a token without the scope {scope}", f"headrace token new --name NAME --scope {scope}"
            raise Declined(Fault("HR-ACCESS-002", "", found, "one that allows it", cure))
        return name

    def look(self) -> None:
        """Read the tokens again if their file has changed; what cannot be read opens nothing."""
        if self._oidc is not None:
            self._oidc.look()
        try:
            there = self._tokens.path.stat()
            seen: tuple[int, ...] = (there.st_ino, there.st_mtime_ns, there.st_size)
        except OSError:
            seen = ()
        if seen == self._seen:
            return
        try:
            self._known = {bytes.fromhex(one.sha256): one for one in self._tokens.all()}
            self._seen = seen
        except HeadraceError as error:
            self._known = {}
            if self._seen is not None:
                _log.error("%s", error)
            self._seen = seen


def _unknown(found: str) -> NoReturn:
    cure = "send the header authorization: Bearer TOKEN; 'headrace token new' makes one"
    raise Declined(Fault("HR-ACCESS-001", "", found, "a token of this service", cure))
