"""Where rows come from: streams of events, tables of state, and the entities that both are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace.declare.base import Declared, name_faults, type_fault
from headrace.declare.called import called, columns_faults
from headrace.declare.contract import Contract, ContractType, without
from headrace.declare.durations import duration_faults
from headrace.declare.fields import HEADS
from headrace.declare.nested import without_fields
from headrace.declare.origins import Origin, origin_of
from headrace.declare.sheet import Sheet, call_of
from headrace.errors import Fault, nearest

LOADS = ("append", "merge", "replace")


class Sourced(Declared):
    """What streams and tables have in common: where their rows come from."""

    name: str
    contract: Any
    source: Any
    columns: Mapping[str, str]

    @property
    def files(self) -> str | None:
        """The file, folder or glob that rows are read from, None where they come from elsewhere."""
        return self.source if isinstance(self.source, str) else None

    @property
    def origin(self) -> Origin | None:
        """The database, collection, API or function that rows are read from, None where they come from files."""
        return self.source if isinstance(self.source, Origin) else None

    def _source_faults(self, name: str) -> list[Fault]:
        self._set("source", origin_of(self.source))
        if self.source is None or isinstance(self.source, str):
            return []
        if isinstance(self.source, Origin):
            return list(self.source.faults)
        expected = "a path or a glob as text, such as 'data/events*.csv', a data frame, or hr.Database(…) and the like"
        return [type_fault(self.place, f"source of {name}", self.source, expected)]

    @property
    def mode(self) -> str:
        """What a delivery is: ``append``, ``merge`` or ``replace``."""
        return "append"

    def _news_faults(self, kind: str) -> list[Fault]:
        """Return a fault where all rows come each time, are added, and could not be told from those that are there."""
        if self.origin is None or self.origin.cursor is not None or not isinstance(self.contract, ContractType):
            return []
        if self.mode != "append" or self.contract.key_fields():
            return []
        found = f"{kind} {self.name} of {self.origin.address}, with neither a cursor nor a key"
        cure = "name the cursor=, or mark the key in the contract: hr.key()"
        return [Fault("HR-ORIGIN-007", self.place, found, "a way to tell which rows are new", cure)]

    @property
    def received(self) -> type[Contract] | None:
        """The contract of rows as they arrive; its ``outside`` has the names that the columns have in the source."""
        arriving = self._arriving()
        return arriving if arriving is None else called(arriving, self.columns)

    def _arriving(self) -> type[Contract] | None:
        """The contract without what is filled here."""
        contract: type[Contract] | None = self.contract
        return contract

    def _columns_faults(self, kind: str) -> list[Fault]:
        what = f"{kind} {self.name}"
        if self.columns and self.source is None and isinstance(self.columns, Mapping):
            found, cure = f"columns= of {what}, which has no source", "take columns= away, or add source="
            return [Fault("HR-ORIGIN-016", self.place, found, "a source whose columns they are", cure)]
        sound = isinstance(self.contract, ContractType) and not self.contract.faults
        return columns_faults(self.columns, self._arriving() if sound else None, what, self.place)


@dataclass(frozen=True, repr=False)
class Stream(Sourced):
    """Events that happen at a moment and are never changed, under a contract.

    Args:
        name: of the stream, its lake table, and its path in a URL.
        contract: class of the contract; it must have an event time.
        source: file, folder or glob, relative to the project's folder or in a bucket; the address of a database, a
            collection or an API; a data frame, or a function that makes rows; ``hr.Database(…)`` and the like, to say
            more; see the page on sources.
        columns: what columns are called in the source, where that is not what the field is called, such as
            ``{"customer_id": "Customer ID"}``; behind the reading all goes by the field.
        owner: team that answers for it.
        lateness: how late an event may arrive, e.g. ``"2h"``.
        refresh: how often the source is to be read again, e.g. ``"1h"``; by default each run looks for what is new.

    Example:
        >>> from headrace.types import Timestamp
        >>> from headrace.declare.fields import event_time
        >>> class Click(Contract):
        ...     at: Timestamp = event_time()
        >>> Stream("clicks", Click, owner="web").name
        'clicks'
    """

    name: str
    contract: type[Contract]
    source: Any = field(default=None, kw_only=True)
    columns: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    owner: str = field(default="", kw_only=True)
    lateness: str | None = field(default=None, kw_only=True)
    refresh: str | None = field(default=None, kw_only=True)

    def _look(self) -> list[Fault]:
        faults = name_faults(self.name, self.place, "stream")
        faults += _contract_faults(self.contract, self.place, "a stream")
        if not faults and self.contract.role("event_time") is None:
            found = f"contract {self.contract.name} of stream {self.name} has no event time"
            times = [one.name for one in self.contract.fields().values() if one.type.name == "timestamp"]
            cure = f"write {times[0] if times else 'at'}: hr.Timestamp = hr.event_time() in the contract"
            faults.append(Fault("HR-STREAM-001", self.place, found, "one field = hr.event_time()", cure))
        faults += self._source_faults(self.name) + self._columns_faults("stream") + self._news_faults("stream")
        if self.lateness is not None:
            faults += duration_faults(self.lateness, self.place, f"lateness of {self.name}")
        if self.refresh is not None:
            faults += duration_faults(self.refresh, self.place, f"refresh of {self.name}")
        return faults

    @property
    def event_time(self) -> str:
        """Name of the field that says when the event happened."""
        return self.contract.role("event_time") or ""

    def _sheet(self) -> Sheet:
        return _sheet(f"Stream {self.name}", self.contract, _said(self.source), self.owner)

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.name))


@dataclass(frozen=True, repr=False)
class Table(Sourced):
    """State that changes (a customer's segment, an item's price), or the result of a query over other tables.

    Args:
        name: of the table in the lake.
        contract: class of the contract; with ``valid_from`` its rows can be read as of a moment.
        source, columns: as of a stream.
        query: SQL over other streams and tables, instead of a source.
        load: what a delivery is: ``append``, rows that are not there yet; ``merge``, rows that are new or take the
            place of those with their key; ``replace``, all that there is now. By default append for files, merge for
            what has a cursor, replace for what is read whole.
        history: whether rows that change or go are kept with the time until which they held. ``True`` fills
            ``valid_from`` and ``valid_to`` of the contract; ``"source"`` the latter, as the source says the former.
        incremental: whether a run makes only those rows of a query anew that what changed can touch: where it can by
            default, True for a fault where it cannot, False for all rows each time.
        refresh: how often the source is to be read, or the query run again, e.g. ``"1h"``; by default each run does.
        owner: team that answers for it.
    """

    name: str
    contract: type[Contract] | None = None
    source: Any = field(default=None, kw_only=True)
    columns: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    query: str | None = field(default=None, kw_only=True)
    load: str | None = field(default=None, kw_only=True)
    history: bool | str = field(default=False, kw_only=True)
    incremental: bool | None = field(default=None, kw_only=True)
    refresh: str | None = field(default=None, kw_only=True)
    owner: str = field(default="", kw_only=True)

    def _look(self) -> list[Fault]:
        faults = name_faults(self.name, self.place, "table")
        if self.contract is not None:
            faults += _contract_faults(self.contract, self.place, "a table")
        if (self.source is None) == (self.query is None):
            both = self.source is not None
            found = f"table {self.name} with {'both source and query' if both else 'neither source nor query'}"
            cure = "take query= away" if both else f"add source='data/{self.name}*'"
            faults.append(Fault("HR-TABLE-001", self.place, found, "either source= or query=", cure))
        if self.source is not None and self.contract is None:
            found = f"table {self.name} has a source and no contract"
            cure = f"write hr.Table({self.name!r}, {_class_name(self.name)}, source=…), with a class of hr.Contract"
            faults.append(Fault("HR-TABLE-002", self.place, found, "a contract for what arrives", cure))
        faults += self._source_faults(self.name) + self._columns_faults("table") + self._load_faults()
        if self.query is not None and not isinstance(self.query, str):
            faults.append(type_fault(self.place, f"query of {self.name}", self.query, "SQL as text"))
        if self.incremental is not None and (self.query is None or not isinstance(self.incremental, bool)):
            found = f"table {self.name} with incremental={self.incremental!r}{'' if self.query else ' and no query'}"
            cure = "take it away" if self.query is None else "write incremental=True"
            faults.append(Fault("HR-TABLE-004", self.place, found, "True or False, for a table by query", cure))
        if self.refresh is not None:
            faults += duration_faults(self.refresh, self.place, f"refresh of {self.name}")
        return faults

    def _sheet(self) -> Sheet:
        if self.contract is None:
            return Sheet(f"Table {self.name}", self.query or "", (), ())
        return _sheet(f"Table {self.name}", self.contract, _said(self.source) or self.query, self.owner)

    def _arriving(self) -> type[Contract] | None:
        """The contract without what keeping the history of rows fills."""
        if self.contract is None or not self.history:
            return self.contract
        filled = ("valid_to",) if self.history == "source" else ("valid_from", "valid_to")
        return without(self.contract, [name for name, one in self.contract.fields().items() if one.role in filled])

    @property
    def mode(self) -> str:
        """What a delivery of the source is: ``append``, ``merge`` or ``replace``."""
        if self.load is not None:
            return self.load
        if self.history or self.origin is not None:
            return "merge" if self.origin is not None and self.origin.cursor is not None else "replace"
        return "append"

    def _load_faults(self) -> list[Fault]:
        faults = []
        if self.load is not None and self.load not in LOADS:
            cure = nearest(str(self.load), LOADS)
            faults.append(Fault("HR-TABLE-020", self.place, f"load={self.load!r}", ", ".join(LOADS), cure))
        if self.query is not None and (self.load is not None or self.history):
            cure = "take load= and history= away: a table by query is what the query says"
            faults.append(Fault("HR-TABLE-021", self.place, f"query= with load= of {self.name}", "a source", cure))
        if self.history not in (True, False, "source"):
            found, cure = f"history={self.history!r}", "write history=True"
            faults.append(Fault("HR-TABLE-024", self.place, found, "True, False or 'source'", cure))
        if faults or self.contract is None or self.source is None:
            return faults
        faults += self._news_faults("table")
        cursor = None if self.origin is None else self.origin.cursor
        if (self.mode == "merge" or self.history) and not self.contract.key_fields():
            found = f"table {self.name} is merged by its key, and {self.contract.name} has none"
            other = "'append' or 'replace'" if cursor is None else "'append'"
            cure = f"mark the key: hr.key(), or write load={other}"
            faults.append(Fault("HR-TABLE-022", self.place, found, "a contract with a key", cure))
        if self.mode == "replace" and cursor is not None:
            found = f"table {self.name} is replaced by what a source with cursor={cursor!r} delivers: new rows alone"
            cure = "take cursor= away, so that all rows are read, or write load='merge' or 'append'"
            faults.append(Fault("HR-TABLE-025", self.place, found, "a source that is read whole", cure))
        if self.history and not (self.contract.role("valid_from") and self.contract.role("valid_to")):
            found = f"table {self.name} keeps history, and {self.contract.name} has no field for it"
            cure = "add since: hr.Timestamp = hr.valid_from() and until: hr.Timestamp | None = hr.valid_to()"
            faults.append(Fault("HR-TABLE-023", self.place, found, "hr.valid_from() and hr.valid_to()", cure))
        return faults

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.name))


@dataclass(frozen=True, init=False)
class Entity(Declared):
    """What features are about: one or more columns that name it, in the events and in the spine alike.

    Example:
        >>> Entity("customer_id").keys
        ('customer_id',)
    """

    keys: tuple[str, ...]

    def __init__(self, *keys: str) -> None:
        self._set("keys", keys)
        self.__post_init__()

    def __repr__(self) -> str:
        return call_of("Entity", *self.keys)

    def _look(self) -> list[Fault]:
        if self.keys and all(isinstance(one, str) for one in self.keys) and len(set(self.keys)) == len(self.keys):
            return []
        given = [one for key in self.keys for one in (key if isinstance(key, list | tuple) else (key,))]
        names = dict.fromkeys(one for one in given if isinstance(one, str)) or {"customer_id": None}
        cure = f"write hr.Entity({', '.join(map(repr, names))})"
        return [Fault("HR-ENTITY-001", self.place, repr(self), "one or more distinct column names", cure)]


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.removesuffix("s").split("_"))


def _sheet(title: str, contract: type[Contract], source: str | None, owner: str) -> Sheet:
    said = [f"from {source}" if source else "", f"owned by {owner}" if owner else "", contract.doc.split("\n")[0]]
    return Sheet(title, ", ".join(one for one in said if one), HEADS, contract.rows())


def _said(source: object) -> str | None:
    return source.address if isinstance(source, Origin) else source if isinstance(source, str) else None


def _contract_faults(contract: object, place: str, what: str) -> list[Fault]:
    if isinstance(contract, type) and issubclass(contract, Contract):
        return list(contract.faults) or ([] if contract.fields() else [without_fields(contract, place)])
    return [type_fault(place, f"contract of {what}", contract, "a class that derives from hr.Contract")]
