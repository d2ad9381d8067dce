"""Where rows come from: streams of events, tables of state, and the entities that both are about."""

from __future__ import annotations

from dataclasses import dataclass, field

from headrace.declare.base import Declared, name_faults, type_fault
from headrace.declare.contract import Contract
from headrace.declare.fields import HEADS
from headrace.declare.sheet import Sheet, call_of
from headrace.errors import Fault
from headrace.types import duration_us


@dataclass(frozen=True, repr=False)
class Stream(Declared):
    """Events that happen at a moment and are never changed, under a contract.

    Args:
        name: of the stream, its lake table, and its path in a URL.
        contract: class of the contract; it must have an event time.
        source: file, folder or glob, relative to the project's folder or in a bucket; see the page on sources.
        owner: team that answers for it.
        lateness: how late an event may arrive, e.g. ``"2h"``.

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
    source: str | None = field(default=None, kw_only=True)
    owner: str = field(default="", kw_only=True)
    lateness: str | None = field(default=None, kw_only=True)

    def _look(self) -> list[Fault]:
        faults = name_faults(self.name, self.place, "stream")
        faults += _contract_faults(self.contract, self.place, "a stream")
        if not faults and self.contract.role("event_time") is None:
            found = f"contract {self.contract.name} of stream {self.name} has no event time"
            times = [one.name for one in self.contract.fields().values() if one.type.name == "timestamp"]
            cure = f"write {times[0] if times else 'at'}: hr.Timestamp = hr.event_time() in the contract"
            faults.append(Fault("HR-STREAM-001", self.place, found, "one field = hr.event_time()", cure))
        faults += _source_faults(self.source, self.place, self.name)
        if self.lateness is not None:
            faults += duration_faults(self.lateness, self.place, f"lateness of {self.name}")
        return faults

    @property
    def event_time(self) -> str:
        """Name of the field that says when the event happened."""
        return self.contract.role("event_time") or ""

    def _sheet(self) -> Sheet:
        return _sheet(f"Stream {self.name}", self.contract, self.source, self.owner)

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.name))


@dataclass(frozen=True, repr=False)
class Table(Declared):
    """State that changes (a customer's segment, an item's price), or the result of a query over other tables.

    Args:
        name: of the table in the lake.
        contract: class of the contract; with ``valid_from`` its rows can be read as of a moment.
        source: file, folder or glob, relative to the project's folder or in a bucket; see the page on sources.
        query: SQL over other streams and tables, instead of a source.
        incremental: whether a run makes only those rows of a query anew that what changed can touch: where it can by
            default, True for a fault where it cannot, False for all rows each time.
        refresh: how often the source is to be read again, e.g. ``"1h"``.
        owner: team that answers for it.
    """

    name: str
    contract: type[Contract] | None = None
    source: str | None = field(default=None, kw_only=True)
    query: str | None = field(default=None, kw_only=True)
    incremental: bool | None = field(default=None, kw_only=True)
    refresh: str | None = field(default=None, kw_only=True)
    owner: str = field(default="", kw_only=True)

    def _look(self) -> list[Fault]:
        faults = name_faults(self.name, self.place, "table")
        if self.contract is not None:
            faults += _contract_faults(self.contract, self.place, "a table")
        if (self.source is None) == (self.query is None):
            found = f"table {self.name} with {'both source and query' if self.source else 'neither source nor query'}"
            cure = "take query= away" if self.source else f"add source='data/{self.name}*'"
            faults.append(Fault("HR-TABLE-001", self.place, found, "either source= or query=", cure))
        if self.source is not None and self.contract is None:
            found = f"table {self.name} has a source and no contract"
            cure = f"write hr.Table({self.name!r}, {_class_name(self.name)}, source=…), with a class of hr.Contract"
            faults.append(Fault("HR-TABLE-002", self.place, found, "a contract for what arrives", cure))
        faults += _source_faults(self.source, self.place, self.name)
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
        return _sheet(f"Table {self.name}", self.contract, self.source or self.query, self.owner)

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


def duration_faults(text: str, place: str, what: str) -> list[Fault]:
    """Return a fault unless ``text`` is a positive duration."""
    try:
        duration_us(text)
    except ValueError as error:
        expected = "a positive whole number and a unit, such as '7d'"
        return [
            Fault("HR-TIME-001", place, f"{what}: {error}", expected, "write a duration such as '7d', '24h', '30m'")
        ]
    return []


def _source_faults(source: object, place: str, name: str) -> list[Fault]:
    if source is None or isinstance(source, str):
        return []
    return [type_fault(place, f"source of {name}", source, "a path or a glob as text, such as 'data/events*.csv'")]


def _contract_faults(contract: object, place: str, what: str) -> list[Fault]:
    if isinstance(contract, type) and issubclass(contract, Contract):
        return list(contract.faults)
    return [type_fault(place, f"contract of {what}", contract, "a class that derives from hr.Contract")]
