"""Tokens of a project: given out once, kept as digests, with what they allow and until when."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace import clock
from headrace.errors import Fault, HeadraceError, nearest
from headrace.lake.lock import exclusive

SCOPES = ("decide", "events", "infer", "read")
"""What a token can allow: to decide, to post events, to ask bare models, to read what the service says of itself."""
_PREFIX = "hr_"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Token:
    """What is known of a token; not the token itself.

    Args:
        name: for people, for limits and for revoking.
        sha256: of the token, in hex. It is 256 bits of chance, so that nobody finds it by trying.
        scopes: some of ``SCOPES``.
        created_us, expires_us: microseconds UTC; expires_us is None where it never does.
    """

    name: str
    sha256: str
    scopes: tuple[str, ...]
    created_us: int
    expires_us: int | None

    def valid(self, now_us: int) -> bool:
        """Whether it still opens anything."""
        return self.expires_us is None or now_us < self.expires_us


class Tokens:
    """The tokens of a project, in a file that is its owner's alone.

    Args:
        state_dir: folder of the project's state.
        now_us: the clock.

    Example:
        >>> import tempfile
        >>> tokens = Tokens(Path(tempfile.mkdtemp()))
        >>> token, kept = tokens.new("till", ["decide"], expires_in_us=None)
        >>> token.startswith("hr_"), kept.scopes, [one.name for one in tokens.all()]
        (True, ('decide',), ['till'])
    """

    def __init__(self, state_dir: Path, now_us: clock.Clock = clock.now_us) -> None:
        self.path, self._now = state_dir / "tokens.json", now_us

    def all(self) -> tuple[Token, ...]:
        """Return all tokens, also those that expired, in the order in which they were made.

        Raises:
            HeadraceError: HR-ACCESS-003 when the file cannot be read.
        """
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
            return tuple(_token(one) for one in kept["tokens"])
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError):
            found, cure = f"{self.path.name}, which cannot be read", "restore it, or delete it and make new tokens"
            raise HeadraceError(Fault("HR-ACCESS-003", "", found, "a file that Headrace wrote", cure)) from None

    def usable(self) -> tuple[Token, ...]:
        """Return the tokens that still open something."""
        now = self._now()
        return tuple(one for one in self.all() if one.valid(now))

    def new(self, name: str, scopes: Sequence[str], expires_in_us: int | None) -> tuple[str, Token]:
        """Make a token; this is the only time at which it can be seen.

        Args:
            name: letters, digits, ``_``, ``.`` and ``-``; of a token that there is not yet.
            scopes: some of ``SCOPES``.
            expires_in_us: microseconds from now; None for never.

        Raises:
            HeadraceError: HR-ACCESS-004 for a wrong name or one that is taken, 005 for unknown scopes.
        """
        faults = list(_faults(name, scopes))
        if faults:
            raise HeadraceError(faults)
        token, now = _PREFIX + secrets.token_urlsafe(32), self._now()
        expires = None if expires_in_us is None else now + expires_in_us
        made = Token(name, digest(token.encode()).hex(), tuple(dict.fromkeys(scopes)), now, expires)
        with self._alone():
            there = self.all()
            if any(one.name == name for one in there):
                found, cure = (
                    f"a token {name!r} that there is already",
                    f"headrace token revoke {name}, or another name",
                )
                raise HeadraceError(Fault("HR-ACCESS-004", "", found, "a name of its own", cure))
            self._write((*there, made))
        return token, made

    def revoke(self, name: str) -> Token:
        """Take a token back; a service that runs refuses it within two seconds.

        Raises:
            HeadraceError: HR-ACCESS-006 when there is none of this name.
        """
        with self._alone():
            there = self.all()
            found = next((one for one in there if one.name == name), None)
            if found is None:
                cure = nearest(name[:64], [one.name for one in there]) or "'headrace token list' shows them"
                raise HeadraceError(Fault("HR-ACCESS-006", "", f"no token {name[:64]!r}", "one that there is", cure))
            self._write(tuple(one for one in there if one is not found))
        return found

    def _alone(self) -> Any:
        return exclusive(self.path.with_suffix(".lock"), wait_s=10)

    def _write(self, tokens: Iterable[Token]) -> None:
        """Write the file whole or not at all; it is never readable by others, not even for a moment."""
        text = json.dumps({"tokens": [vars(one) for one in tokens]}, indent=1)
        half = self.path.with_suffix(".part")
        half.unlink(missing_ok=True)
        try:
            handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            half.replace(self.path)
        except OSError as error:
            half.unlink(missing_ok=True)
            found = f"{self.path.name}, which cannot be written ({error.strerror})"
            raise HeadraceError(
                Fault("HR-ACCESS-003", "", found, "room, and the right to write", "make room")
            ) from None


def digest(token: bytes) -> bytes:
    """Return what is kept of a token."""
    return hashlib.sha256(token).digest()


def _token(kept: Mapping[str, Any]) -> Token:
    expires = kept["expires_us"]
    bytes.fromhex(kept["sha256"])
    return Token(
        str(kept["name"]),
        str(kept["sha256"]),
        tuple(map(str, kept["scopes"])),
        int(kept["created_us"]),
        None if expires is None else int(expires),
    )


def _faults(name: str, scopes: Sequence[str]) -> Iterable[Fault]:
    if not _NAME.fullmatch(name):
        expected = "up to 64 letters, digits, '_', '.' and '-', a letter or digit first"
        yield Fault("HR-ACCESS-004", "", f"the name {name[:64]!r}", expected, "name it after who uses it")
    for scope in scopes or ("",):
        if scope not in SCOPES:
            yield Fault(
                "HR-ACCESS-005", "", f"the scope {scope[:64]!r}", ", ".join(SCOPES), nearest(scope[:64], SCOPES)
            )
