"""What there is to load: the files of a source, or the parts of what an origin delivered, and what they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from headrace.clock import now_us
from headrace.connect.boundary import Boundary, is_of
from headrace.connect.files import find_files
from headrace.connect.inbox import Delivery, Inbox
from headrace.connect.loading.seen import Known
from headrace.connect.loading.work import Progress
from headrace.connect.loads import Ledger
from headrace.connect.naming import named
from headrace.connect.origins import Place
from headrace.connect.places import File
from headrace.contracts import UNKNOWN
from headrace.declare import Contract, Stream, Table
from headrace.declare.origins import Origin
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake


@dataclass(frozen=True)
class Given:
    """Files to be loaded.

    Args:
        mode: ``append``, ``merge`` or ``replace``.
        files: all that there are, of which some may be loaded already.
        learned_us: microseconds UTC, when the rows were read.
        positions: how far an origin was read with each file, by its name.
        others: yields the keys of all rows that there are, where only some of the rows are in the files.
        delivery: of an origin, and
        inbox: where it is.
        before: whether it was read by a run that was cut off, so that there may be more by now.
        columns: warnings about the columns of a delivery, which are told when they are not those of the last one.
    """

    mode: str
    files: Sequence[File]
    learned_us: int
    positions: dict[str, str] = field(default_factory=dict)
    others: Callable[[], Iterable[pa.Table]] | None = None
    delivery: Delivery | None = None
    inbox: Inbox | None = None
    before: bool = False
    columns: list[Fault] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether the files are all that there is."""
        return self.mode == "replace"

    @property
    def ends(self) -> bool:
        """Whether rows may have to go although none comes."""
        return self.others is not None or (self.whole and self.delivery is not None and not self.delivery.same)

    @property
    def faults(self) -> list[Fault]:
        """Warnings of the reading."""
        return [] if self.delivery is None else self.delivery.faults

    def told_once(self, faults: Iterable[Fault]) -> list[Fault]:
        """Return faults; what the parts of a delivery say of its columns once, and what was told before not again."""
        if self.inbox is None:
            return list(faults)
        address, found = self.inbox.address, list[Fault]()
        for one in faults:
            if one.code != UNKNOWN:
                found.append(one)
            elif (whole := replace(one, place=address)) not in self.columns:
                self.columns.append(whole)
        told = self.inbox.told()
        return [*found, *(one for one in self.columns if str(one) not in told)]

    def require(self, ledger: Ledger) -> None:
        """Refuse a delivery that was read on from where nothing is any more."""
        if self.delivery is not None and self.inbox is not None and self.delivery.restores != ledger.restores:
            self.inbox.clear()
            cure = "run again: what is missing by now is read"
            raise HeadraceError(Fault("HR-SOURCE-028", "", "a restore while the source was read", "one of them", cure))

    def remember(self, lake: Lake, name: str) -> None:
        """Remember rows that were refused, where all are read each time, and would come again."""
        if self.inbox is not None and self.delivery is not None and self.mode == "append":
            _remember(self.inbox, self.delivery, lake, name, Ledger(lake, name))


def _remember(box: Inbox, delivery: Delivery, lake: Lake, name: str, ledger: Ledger) -> None:
    """Remember rows of all parts that were refused, also of those that a run has loaded which was killed."""
    if not delivery.whole:
        return
    held = lake.read(f"quarantine_{name}", columns=["_load", "_row"])
    for file in box.files(delivery):
        past = ledger.by_name.get(file.name)
        if past is not None:
            mine = held.filter(pc.equal(held["_load"], past.id))
            box.refuse(delivery, file.name, (mine["_row"].to_numpy() - 1).tolist())


@contextmanager
def given(
    source: Stream | Table,
    contract: type[Contract],
    folder: Path,
    lake: Lake,
    inbox: Path,
    batch_rows: int,
    progress: Progress,
) -> Iterator[Given]:
    """Yield what there is to load; of an origin, after it was read. What was loaded is removed at the end.

    Raises:
        HeadraceError: HR-SOURCE-001 no file, 020 an origin that is away, 023 no rows where there were some, and what
            the reader of the origin says.
    """
    mode = source.mode
    if source.origin is None:
        yield Given(mode, find_files(folder, source.files or ""), now_us())
        return
    place = Place(source.name, contract.outside, folder)
    with lake.lock(f"inbox_{source.name}"):
        box = Inbox(inbox, source.origin, place)
        delivery, before = _delivery(source, source.origin, contract, lake, box, batch_rows, progress)
        _refuse_nothing(source, source.origin, delivery, lake, box)
        files = box.files(delivery)
        positions = {file.name: piece.position for file, piece in zip(files, delivery.pieces, strict=True)}
        others = (lambda: (named(one, contract) for one in box.keys())) if delivery.keys else None  # noqa: SIM118
        there = Given(mode, files, delivery.at, positions, others, delivery, box, before)
        yield there
        if (delivery.pieces or there.columns) and {str(one) for one in there.columns} != box.told():
            box.tell(map(str, there.columns))
        box.clear()


def _delivery(
    source: Stream | Table,
    origin: Origin,
    contract: type[Contract],
    lake: Lake,
    box: Inbox,
    batch_rows: int,
    progress: Progress,
) -> tuple[Delivery, bool]:
    """Return what there is to load, what was read before and not loaded or what is read now; and whether it was."""
    ledger = Ledger(lake, source.name)
    columns = list(contract.outside.fields())
    held = box.held()
    if held is not None and source.mode == "append" and _is_loaded(held, ledger):
        _remember(box, held, lake, source.name, ledger)
    if held is not None and (held.restores != ledger.restores or held.columns != columns or _is_loaded(held, ledger)
                             or (held.cursor != origin.cursor and not held.done)):  # fmt: skip
        box.clear()
        held = None
    if held is not None and held.done:
        return held, True
    delivery = held or Delivery(ledger.pieces + 1, now_us(), ledger.restores, columns, origin.cursor)
    deletes = isinstance(source, Table) and bool(getattr(origin, "deletes", False)) and not delivery.whole
    unknown = _same
    if _comes_again(source, origin, ledger, lake):
        unknown = Known(lake, source.name, contract, box.refused(ledger.restores)).news
    return box.receive(delivery, ledger.reached, batch_rows, progress, keys=deletes, unknown=unknown), False


def _comes_again(source: Stream | Table, origin: Origin, ledger: Ledger, lake: Lake) -> bool:
    """Whether rows are read that were appended before: all each time, or once more for another cursor or overlap.

    Raises:
        HeadraceError: HR-SOURCE-054 these could not be told from new ones.
    """
    if source.mode != "append":
        return False
    assert source.contract is not None
    keyed = bool(source.contract.key_fields())
    if is_of(ledger.reached, origin.cursor) and origin.cursor is not None:
        return keyed and Boundary.read(source.contract, ledger.reached, origin).reaches_back
    if keyed or not (lake.exists(source.name) and lake.rows(source.name)):
        return keyed
    found = f"cursor={origin.cursor!r}, by which {source.name} was not read until now, and no key"
    cure = f"write the cursor of before, give {source.contract.__name__} a key, or load into another name"
    raise HeadraceError(Fault("HR-SOURCE-054", origin.place, found, "rows that are known when they come again", cure))


def _is_loaded(delivery: Delivery, ledger: Ledger) -> bool:
    last = delivery.number + len(delivery.pieces) - 1
    return delivery.done and bool(delivery.pieces) and ledger.pieces >= last and not ledger.unfinished


def _refuse_nothing(source: Stream | Table, origin: Origin, delivery: Delivery, lake: Lake, box: Inbox) -> None:
    """Tell a source that had rows and has none; a table is not emptied without being told that it may be."""
    had = lake.exists(source.name) and lake.rows(source.name)
    if not (delivery.whole or delivery.keys) or delivery.read or origin.may_be_empty or not had:
        return
    found = f"no rows, where {source.name} had some"
    if source.mode == "append":
        cure = "see whether the source was truncated; what was loaded stays"
        fault = Fault("HR-SOURCE-022", origin.address, found, "that what was read stays", cure, "warning")
        delivery.warnings.append(fault.as_dict())
        return
    box.clear()
    cure = "see whether the source was truncated; if it may be empty, write may_be_empty=True"
    raise HeadraceError(Fault("HR-SOURCE-023", origin.address, found, "rows", cure))


def _same(rows: pa.Table | pa.StringArray) -> pa.Table | pa.StringArray:
    return rows
