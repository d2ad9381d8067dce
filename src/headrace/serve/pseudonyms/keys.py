"""Keys of pseudonyms: where a project has them, and that they are made once where it has none.

A key is 64 random bytes, written as 128 hexadecimal digits. Several may stand one below the other: the last one writes,
all of them read. So a key is changed by adding a line, and taken from all that was written by removing one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import Fault, HeadraceError
from headrace.online.room import no_room

VARIABLE = "HEADRACE_PSEUDONYM_KEY"
_FOLDER, _FILE, _USED = "pseudonyms", "key", "used"
_BYTES = 64
_KEY = re.compile(rf"[0-9a-fA-F]{{{2 * _BYTES}}}")
_HOW = "openssl rand -hex 64 >> FILE makes one"


@dataclass(frozen=True)
class Keys:
    """The keys of a project.

    Args:
        every: the oldest first; the last one writes.
        warnings: what is to be known of them.
    """

    every: tuple[bytes, ...]
    warnings: tuple[Fault, ...] = ()

    def secret(self, purpose: str) -> bytes:
        """Return 32 bytes for another purpose than pseudonyms, of the oldest key: they stay when one is added."""
        return hashlib.blake2b(purpose.encode(), key=self.every[0], digest_size=32).digest()


def keys_of(state_dir: Path, key_file: Path | None) -> Keys:
    """Return the keys of a project, none where none was ever made.

    They are in the variable ``HEADRACE_PSEUDONYM_KEY``, else in the file of the settings, else in the project's state.

    Args:
        state_dir: folder of the state.
        key_file: of the settings ``[privacy] key_file``, None where they name none.

    Raises:
        HeadraceError: HR-PRIVACY-001 for a file that is named and cannot be read, or for what is no key in it.
    """
    given = os.environ.get(VARIABLE, "").strip()
    if given:
        return Keys(_read(given, VARIABLE))
    path = key_file or state_dir / _FOLDER / _FILE
    try:
        return Keys(_read(path.read_text(encoding="ascii", errors="replace"), str(path)))
    except FileNotFoundError:
        if key_file is None:
            return Keys(())
        raise HeadraceError(_unreadable(path, "a file that is not there")) from None
    except OSError as error:
        raise HeadraceError(_unreadable(path, f"a file that cannot be read ({type(error).__name__})")) from None


def made_keys(state_dir: Path, key_file: Path | None) -> Keys:
    """Return the keys of a project that writes: one is made in its state where it has none and names no file.

    Raises:
        HeadraceError: as ``keys_of``; HR-ONLINE-002 when the disk is full.
    """
    found = keys_of(state_dir, key_file)
    if not found.every:
        _make(state_dir / _FOLDER / _FILE)
        found = keys_of(state_dir, key_file)
    return Keys(found.every, tuple(_lost(state_dir / _FOLDER / _USED, found.every)))


def id_of(key: bytes) -> bytes:
    """Return the four bytes that tell one key from another, and nothing of it."""
    return hashlib.blake2b(b"headrace pseudonyms", key=key, digest_size=4).digest()


def _make(path: Path) -> None:
    """Write a fresh key for this user alone; of two processes that do so at once the first one counts."""
    with no_room():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
        fresh.touch(0o600)
        try:
            _write(fresh, secrets.token_hex(_BYTES) + "\n")
            with contextlib.suppress(FileExistsError):
                os.link(fresh, path)
        finally:
            fresh.unlink()


def _lost(used: Path, keys: Iterable[bytes]) -> Iterable[Fault]:
    """Tell of keys that wrote before and are gone; from now on these here have been used, too."""
    before = used.read_text().split() if used.exists() else []
    now = [id_of(one).hex() for one in keys]
    for gone in [one for one in before if one not in now]:
        found = f"records whose personal values were written with the key {gone}, which is not at hand"
        cure = "add it again, as a line before the last; without it these records are neither explained nor compared"
        yield Fault("HR-PRIVACY-002", "", found, "every key that was ever used", cure, "warning")
    if fresh := [one for one in now if one not in before]:
        with no_room():
            used.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write(used, "".join(f"{one}\n" for one in (*before, *fresh)))


def _write(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _read(text: str, place: str) -> tuple[bytes, ...]:
    found = list[bytes]()
    for number, line in enumerate(text.replace(",", "\n").split(), 1):
        if not _KEY.fullmatch(line):
            told = f"no key at place {number} ({len(line)} characters)"
            raise HeadraceError(Fault("HR-PRIVACY-001", place, told, f"{2 * _BYTES} hexadecimal digits", _HOW))
        found.append(bytes.fromhex(line))
    if not found:
        raise HeadraceError(Fault("HR-PRIVACY-001", place, "no key", f"{2 * _BYTES} hexadecimal digits", _HOW))
    return tuple(dict.fromkeys(found))


def _unreadable(path: Path, found: str) -> Fault:
    return Fault("HR-PRIVACY-001", str(path), found, "the keys of pseudonyms", f"mend [privacy] key_file; {_HOW}")
