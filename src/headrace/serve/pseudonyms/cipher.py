"""A value and its pseudonym: equal values of a name have equal pseudonyms, and who has the key gets the value back.

AES in the mode SIV (RFC 5297) is made for that: it needs no nonce, tells nothing but equality, and refuses what was
altered. The name of the field or feature is authenticated with it, so that a pseudonym says nothing under another name.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec

from headrace.errors import Fault, HeadraceError
from headrace.serve.pseudonyms.keys import Keys, id_of

MARK = "$pseudonym"
"""The one name within the object that stands for a value in JSON: no value of a field or feature has it."""
_CODE = 80
_ID = 4
_PAD = 16
"""Values are filled up to as many bytes, so that a length does not tell yes from no."""
_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode

Pseudonym = msgspec.msgpack.Ext
"""A pseudonym as the journal holds it: id of the key, then what is encrypted."""


class Lost(HeadraceError):
    """A pseudonym of a key that is not at hand."""

    def __init__(self, key: str) -> None:
        self.key = key
        found = f"a record whose personal values were written with the key {key}, which is not at hand"
        cure = "add that key to the project's again, as a line before the last (docs/personal.md)"
        super().__init__(Fault("HR-PRIVACY-002", "", found, "the key that it was written with", cure))


class Cipher:
    """Makes pseudonyms and undoes them.

    Args:
        keys: of the project; the last one makes them, each undoes its own.

    Raises:
        HeadraceError: HR-PRIVACY-003 without the library.

    Example:
        >>> from headrace.serve.pseudonyms.keys import Keys
        >>> cipher = Cipher(Keys((bytes(range(64)),)))
        >>> found = in_json(cipher.hidden("email", "ann@example.org"))
        >>> found == in_json(cipher.hidden("email", "ann@example.org")), found == in_json(cipher.hidden("note", "ann"))
        (True, False)
        >>> cipher.plain("email", found)
        'ann@example.org'
    """

    def __init__(self, keys: Keys) -> None:
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESSIV
        except ImportError:
            found, cure = "personal fields, and no library that encrypts", "pip install 'headrace[serve]'"
            raise HeadraceError(Fault("HR-PRIVACY-003", "", found, "cryptography", cure)) from None
        self._by_id = {id_of(one): AESSIV(one) for one in keys.every}
        self._id = id_of(keys.every[-1]) if keys.every else b""
        self._encrypt = self._by_id[self._id].encrypt if keys.every else None

    def hidden(self, name: str, value: Any) -> Pseudonym | None:
        """Return the pseudonym of a plain value of JSON under a name; null stays null."""
        if value is None:
            return None
        assert self._encrypt is not None, "who writes has a key"
        raw = _encode(value)
        filled = raw.ljust(-(-len(raw) // _PAD) * _PAD)
        return Pseudonym(_CODE, self._id + self._encrypt(filled, [name.encode()]))

    def plain(self, name: str, value: Any) -> Any:
        """Return the value of a pseudonym in JSON, and any other value as it is.

        Raises:
            HeadraceError: HR-PRIVACY-002 where its key is not at hand.
            ValueError: for one that was altered.
        """
        if not is_pseudonym(value):
            return value
        key, _, content = str(value[MARK]).partition(":")
        try:
            own, raw = bytes.fromhex(key), base64.b64decode(content, b"-_", validate=True)
        except (ValueError, binascii.Error):
            raise ValueError("no pseudonym") from None
        if own not in self._by_id:
            raise Lost(key)
        from cryptography.exceptions import InvalidTag

        try:
            return _decode(self._by_id[own].decrypt(raw, [name.encode()]))
        except InvalidTag:
            raise ValueError("an altered pseudonym") from None


def is_pseudonym(value: Any) -> bool:
    """Return whether a value of JSON stands for a personal one."""
    return isinstance(value, Mapping) and tuple(value) == (MARK,)


def in_json(value: Any) -> Any:
    """Return a pseudonym as JSON says it, such as ``{"$pseudonym": "9f0c2a41:AbC…"}``."""
    if isinstance(value, Pseudonym) and value.code == _CODE:
        raw = bytes(value.data)
        return {MARK: f"{raw[:_ID].hex()}:{base64.urlsafe_b64encode(raw[_ID:]).decode()}"}
    raise NotImplementedError(type(value).__name__)
