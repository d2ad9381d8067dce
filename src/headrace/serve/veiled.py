"""Pseudonyms of a project's records: what its services write in their place, and records as they were before that."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from headrace.declare import Service
from headrace.errors import Fault
from headrace.serve import record as serve_record
from headrace.serve.desk import Desk
from headrace.serve.loaded import Loaded
from headrace.serve.pseudonyms import MARK, Cipher, Hidden, Lost, Writing, hidden_in, keys_of, made_keys
from headrace.serve.record import Record

_MARKED = f'{{"{MARK}":'
"""What no text of a user's can be in JSON: its quotes would have a stroke before them."""
_TEXTS = ("request", "features", "reasons")
_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode


class Veiled:
    """The pseudonyms of a project.

    Args:
        loaded: the project, with its keys; they are looked for when the first is needed.
        writes: whether records are written, too: then a key is made where there is none.

    Example:
        ``Veiled(loaded).opened(record)["request"]``
    """

    def __init__(self, loaded: Loaded, writes: bool = False) -> None:
        self._loaded, self._writes = loaded, writes
        self._hidden: dict[str, Hidden] = {}

    @cached_property
    def _keys(self) -> Any:
        find = made_keys if self._writes else keys_of
        return find(self._loaded.state_dir, self._loaded.key_file)

    @cached_property
    def _cipher(self) -> Cipher:
        return Cipher(self._keys)

    def hidden(self, service: Service) -> Hidden:
        """Return what of a service's rows is written as pseudonyms."""
        if service.name not in self._hidden:
            self._hidden[service.name] = hidden_in(self._loaded.project, service)
        return self._hidden[service.name]

    def writing(self, desk: serve_record.Decider) -> Writing | None:
        """Return what puts pseudonyms into the records of a desk, None where it has nothing personal.

        Raises:
            HeadraceError: HR-PRIVACY-001 for keys that cannot be read, 003 without the library that encrypts.
        """
        hidden = self.hidden(desk.service)
        features = [one.name for one in desk.plan.outputs]
        if not hidden.fields and not hidden.features.intersection(features):
            return None
        fields = desk.service.model.cases.spine.contract.fields()
        return Writing(hidden, {name: one.type for name, one in fields.items()}, features, self._cipher)

    def secret(self, desk: Desk) -> bytes:
        """Return what the names of a service's cases are keyed with; nothing where their keys are not personal."""
        personal = self.hidden(desk.service).fields.intersection(desk.keys)
        return self._keys.secret("cases") if personal else b""

    @property
    def warnings(self) -> tuple[Fault, ...]:
        """What is to be known of the keys, once one was needed."""
        return tuple(self._keys.warnings) if "_keys" in vars(self) else ()

    def opened(self, record: Record) -> Record:
        """Return a record with its personal values; one without pseudonyms as it is.

        An altered pseudonym stays, and so does then the checksum, which tells it.

        Raises:
            HeadraceError: HR-PRIVACY-002 where a key is not at hand.
        """
        if not any(_MARKED in record[name] for name in _TEXTS):
            return record
        whole = serve_record.checksum(record) == record["checksum"]
        found = record | {name: self._opened(name, record[name]) for name in _TEXTS}
        return found | {"checksum": serve_record.checksum(found)} if whole else found

    def _opened(self, name: str, text: str) -> str:
        try:
            said = _decode(text)
            if name == "reasons":
                plain: Any = [{**one, "value": self._plain(one["feature"], one["value"])} for one in said]
            else:
                plain = {one: self._plain(one, value) for one, value in said.items()}
        except (msgspec.DecodeError, TypeError, KeyError, AttributeError):  # altered, in whatever way
            return text
        return _encode(plain).decode()

    def _plain(self, name: str, value: Any) -> Any:
        try:
            return self._cipher.plain(name, value)
        except ValueError:
            return value

    @staticmethod
    def any_in(rows: pa.Table) -> bool:
        """Return whether rows of the lake have a pseudonym."""
        return any(pc.any(pc.match_substring(rows[name], _MARKED)).as_py() for name in _TEXTS)

    def opened_all(self, records: Iterable[Record]) -> tuple[list[Record], dict[str, int]]:
        """Return the records that can be read, and how many cannot, by reason."""
        found, lost = list[Record](), dict[str, int]()
        for one in records:
            try:
                found.append(self.opened(one))
            except Lost as error:
                reason = f"written with the key {error.key} of pseudonyms, which is not at hand"
                lost[reason] = lost.get(reason, 0) + 1
        return found, lost
