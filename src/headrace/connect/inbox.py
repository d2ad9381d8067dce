"""What an origin delivers is written down before it is loaded: then it can be read again, whatever is killed and when.

A delivery is a folder of parts, each a file like those of a source, and a list of them that is written anew, in one
step, after each part. A reading that was cut off goes on behind the last part where the origin's order allows it, and
is begun anew otherwise. How far the origin was read is kept with each part, and in the ledger once it is loaded.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc

from headrace.clock import backoff_s
from headrace.connect.boundary import Boundary, digests
from headrace.connect.naming import read_as
from headrace.connect.origins import Away, Place, Reader, reader_of
from headrace.connect.places import File
from headrace.contracts import check_columns
from headrace.declare.origins import Origin
from headrace.errors import Fault, HeadraceError

TRIES = 6
"""How often an origin that is away is tried without a row in between: about half a minute."""
_FIRST_S, _LONGEST_S = 1.25, 30.0
_LIST, _KEYS = "delivery.json", "keys.arrow"
Received: TypeAlias = pa.Table | pa.StringArray
_REFUSED, _TOLD = ".refused", ".told"
_ENDINGS = {True: ".arrow", False: ".jsonl"}


@dataclass(frozen=True)
class Piece:
    """One part of a delivery: its file, its rows, and how far the origin was read with it."""

    file: str
    rows: int
    position: str


@dataclass
class Delivery:
    """What an origin delivered at one time.

    Args:
        number: of its first part, from 1, over all that this stream or table ever received.
        at: microseconds UTC, when the reading began.
        restores: how often the stream or table had been restored by then.
        columns: that were read.
        cursor: by which it is read; None where these are all rows that there are, and not only the new ones.
        read: rows that there were, also those that are known; where the keys of all are read, keys.
        done: whether the reading reached its end.
        pieces: its parts, in order.
        keys: whether there is a file with the keys of all rows that there are.
        same: whether all of it is what it was the last time.
        warnings: what is worth knowing of the reading.
    """

    number: int
    at: int
    restores: int
    columns: list[str]
    cursor: str | None
    read: int = 0
    done: bool = False
    pieces: list[Piece] = field(default_factory=list)
    keys: bool = False
    same: bool = False
    warnings: list[dict[str, str]] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        return self.cursor is None

    @property
    def faults(self) -> list[Fault]:
        return [Fault(**one) for one in self.warnings]


class Inbox:
    """The delivery of a stream or table that is being read or loaded.

    Args:
        folder: of the inbox, of which each stream or table has a folder of its own.
        origin: that is read.
        place: for whom.
        wait: called with seconds between two tries.
    """

    def __init__(
        self, folder: Path, origin: Origin, place: Place, wait: Callable[[float], object] = time.sleep
    ) -> None:
        self.folder, self._origin, self._place, self._wait = folder / place.name, origin, place, wait

    @property
    def address(self) -> str:
        """Of the origin, without what signs in there."""
        return self._origin.address

    def held(self) -> Delivery | None:
        """Return the delivery that there is, or None."""
        path = self.folder / _LIST
        if not path.exists():
            return None
        said = json.loads(path.read_text())
        return Delivery(**{**said, "pieces": [Piece(**one) for one in said["pieces"]]})

    def files(self, delivery: Delivery) -> list[File]:
        """Return the parts of a delivery as files, under the name of the origin and their number."""
        import pyarrow.fs as pafs

        found = []
        for number, piece in enumerate(delivery.pieces, delivery.number):
            path = self.folder / piece.file
            name = f"{self._origin.address}#{number}{path.suffix}"
            found.append(File(name, str(path), path.stat().st_size, "", pafs.LocalFileSystem()))
        return found

    def keys(self) -> Iterable[pa.Table]:
        """Yield the keys of all rows that there are, as the origin has them."""
        with pa.memory_map(str(self.folder / _KEYS)) as raw, ipc.open_file(raw) as parts:
            for number in range(parts.num_record_batches):
                yield pa.Table.from_batches([parts.get_batch(number)])

    def clear(self) -> None:
        """Remove what is there: it is loaded, or of no use."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def forget(folder: Path, name: str) -> None:
        """Remove all that is kept of a stream or table, also which rows were refused, once it is dropped."""
        shutil.rmtree(folder / name, ignore_errors=True)
        for ending in (_REFUSED, _TOLD):
            (folder / name).with_suffix(ending).unlink(missing_ok=True)

    def refused(self, restores: int) -> set[str]:
        """Return the digests of rows that went to quarantine since the last restore."""
        path = self.folder.with_suffix(_REFUSED)
        lines = path.read_text().splitlines() if path.exists() else []
        return {digest for number, _, digest in (line.partition(" ") for line in lines) if number == str(restores)}

    def refuse(self, delivery: Delivery, name: str, rows: Sequence[int]) -> None:
        """Remember rows of a file that went to quarantine: where all are read each time, they come again.

        Args:
            delivery: that has the file.
            name: of the file, as ``files`` gave it.
            rows: places from 0.
        """
        number = int(name.rpartition("#")[2].partition(".")[0]) - delivery.number
        if rows:
            whole, places = self._rows(delivery.pieces[number].file), np.asarray(rows, np.int64)
            found = digests(whole, places, self._place.contract)
            lines = "".join(f"{delivery.restores} {digest}\n" for digest in found)
            path = self.folder.with_suffix(_REFUSED)
            before = path.read_text() if path.exists() else ""
            _written(path, lambda beside: beside.write_text(before + lines))

    def told(self) -> set[str]:
        """Return what was told of the columns at the end of the last loading, so that it is told once."""
        path = self.folder.with_suffix(_TOLD)
        return set(json.loads(path.read_text())) if path.exists() else set()

    def tell(self, told: Iterable[str]) -> None:
        """Remember what was told of the columns."""
        text = json.dumps(list(told))
        _written(self.folder.with_suffix(_TOLD), lambda beside: beside.write_text(text))

    def receive(
        self,
        delivery: Delivery,
        position: str,
        batch_rows: int,
        progress: Callable[[int, str], None],
        *,
        keys: bool,
        unknown: Callable[[Received], Received],
    ) -> Delivery:
        """Read the origin to its end, and from where it was left when it goes away and comes back.

        Args:
            delivery: that was begun, or an empty one.
            position: how far the origin had been read before the delivery.
            batch_rows: rows of a part at most.
            progress: told the rows that were read.
            keys: whether to read the keys of all rows as well.
            unknown: leaves out, where all rows are read each time or once more, those that are known.

        Raises:
            HeadraceError: HR-SOURCE-020 away after the last try, 025 and 026 a cursor or overlap that does not do, and
                what the reader says.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        reading = _Reading(self, delivery, self._origin, self._place, position, progress, unknown)
        fruitless = 0
        while True:
            before = len(delivery.pieces)
            try:
                with closing(reader_of(self._origin, self._place)) as reader:
                    reading.take_all(reader, batch_rows, keys=keys)
                return delivery
            except Away:
                fruitless = 1 if len(delivery.pieces) > before else fruitless + 1
                if fruitless == TRIES:
                    raise
            self._wait(backoff_s(fruitless - 1, _FIRST_S, _LONGEST_S))

    def _rows(self, name: str) -> Received:
        path = self.folder / name
        if path.suffix == _ENDINGS[False]:
            return pa.array(path.read_text(encoding="utf-8").splitlines(), pa.string())
        with pa.OSFile(str(path), "rb") as raw, ipc.open_file(raw) as parts:
            return parts.read_all()

    def write(self, delivery: Delivery, rows: Received, position: str) -> None:
        """Add a part to a delivery."""
        typed = isinstance(rows, pa.Table)
        name = f"{len(delivery.pieces):06}{_ENDINGS[typed]}"
        _written(self.folder / name, lambda path: _as_arrow(rows, path) if typed else _as_lines(rows, path))
        delivery.pieces.append(Piece(name, len(rows), position))
        self.note(delivery)

    def write_keys(self, batches: Iterable[pa.Table], schema: pa.Schema) -> None:
        def write(path: Path) -> None:
            with pa.OSFile(str(path), "wb") as raw, ipc.new_file(raw, schema) as file:
                for batch in batches:
                    file.write_table(batch.cast(schema))

        _written(self.folder / _KEYS, write)

    def note(self, delivery: Delivery) -> None:
        """Write down what there is of a delivery, in one step."""
        _written(self.folder / _LIST, lambda path: path.write_text(json.dumps(asdict(delivery))))


class _Reading:
    """One reading of an origin, over as many connections as it takes."""

    def __init__(
        self,
        inbox: Inbox,
        delivery: Delivery,
        origin: Origin,
        place: Place,
        position: str,
        progress: Callable[[int, str], None],
        unknown: Callable[[Received], Received],
    ) -> None:
        self._unknown = unknown
        self._inbox, self._delivery, self._origin, self._place = inbox, delivery, origin, place
        self._position, self._progress = position, progress
        self._done = sum(piece.rows for piece in delivery.pieces)

    def take_all(self, reader: Reader, batch_rows: int, *, keys: bool) -> None:
        """Read to the end, behind what there is, or all of it again where the order does not tell what is behind."""
        delivery = self._delivery
        resumable = self._origin.cursor is not None and reader.ordered
        if not resumable:
            delivery.pieces.clear()
            self._done = 0
        schema = reader.columns()
        warnings = [] if schema is None else check_columns(self._place.contract, schema, self._origin.address)
        delivery.warnings = [warning.as_dict() for warning in warnings]
        if self._origin.cursor is None:
            self._take_whole(reader, batch_rows)
        else:
            self._take_news(reader, batch_rows, resumable=resumable)
        if keys:
            self._take_keys(reader, batch_rows)
        delivery.done = True
        self._inbox.note(delivery)

    def _take_news(self, reader: Reader, batch_rows: int, *, resumable: bool) -> None:
        delivery = self._delivery
        reached = delivery.pieces[-1].position if delivery.pieces else self._position
        boundary = Boundary.read(self._place.contract, reached, self._origin)
        start = boundary.start
        boundary.begin()
        for batch in reader.batches(start, batch_rows):
            assert batch.cursor is not None
            if len(news := self._unknown(boundary.news(batch.rows, batch.cursor))):
                self._write(news, boundary.text() if resumable else "")
        boundary.end()
        if delivery.pieces:
            delivery.pieces[-1] = replace(delivery.pieces[-1], position=boundary.text())
        if boundary.strays:
            delivery.warnings.append(self._astray(boundary.strays).as_dict())
        if boundary.vanished:
            delivery.warnings.append(self._vanished(boundary.vanished).as_dict())

    def _take_whole(self, reader: Reader, batch_rows: int) -> None:
        digest, delivery = hashlib.sha256(), self._delivery
        delivery.read = 0
        for batch in reader.batches(None, batch_rows):
            _feed(digest, batch.rows)
            delivery.read += len(batch.rows)
            if len(news := self._unknown(batch.rows)):
                self._write(news, "")
        content = read_as(digest.hexdigest(), self._place.contract)
        position = json.dumps({"digest": content, "restores": delivery.restores})
        if position == self._position:
            delivery.pieces.clear()
            delivery.same = True
        elif delivery.pieces:
            delivery.pieces[-1] = replace(delivery.pieces[-1], position=position)

    def _take_keys(self, reader: Reader, batch_rows: int) -> None:
        """Read the keys of all rows that there are: none is an answer as well."""
        delivery = self._delivery
        delivery.read = 0

        def counted(batches: Iterable[pa.Table]) -> Iterable[pa.Table]:
            for batch in batches:
                delivery.read += batch.num_rows
                yield batch

        batches = reader.keys(batch_rows)
        fields = self._place.contract.fields()
        nothing = pa.schema([(name, fields[name].type.arrow()) for name in self._place.contract.key_fields()])
        first = next(iter(batches), nothing.empty_table())
        self._inbox.write_keys(counted(_behind(first, batches)), first.schema)
        delivery.keys = True

    def _write(self, rows: Received, position: str) -> None:
        self._inbox.write(self._delivery, rows, position)
        self._done += len(rows)
        self._progress(self._done, f"reading {self._origin.address}")

    def _astray(self, rows: int) -> Fault:
        found = f"{rows:,} rows whose cursor {self._origin.cursor} is not there, or of another kind than the others"
        cure = "nothing, where they are few: each is judged by the contract once; else a cursor that every row has"
        return Fault("HR-SOURCE-024", self._origin.address, found, "a value in each row", cure, "warning")

    def _vanished(self, rows: int) -> Fault:
        found = f"none of the {rows:,} rows at the last {self._origin.cursor} that was read"
        cure = "nothing, if they were deleted; else see whether the source was truncated or restored from a backup"
        return Fault("HR-SOURCE-022", self._origin.address, found, "that what was read stays", cure, "warning")


def _behind(first: pa.Table, rest: Iterable[pa.Table]) -> Iterable[pa.Table]:
    yield first
    yield from rest


def _feed(digest: Any, rows: Received) -> None:
    """Take rows into a digest, in the form in which they are kept."""
    table = rows if isinstance(rows, pa.Table) else pa.table({"text": rows})
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table.combine_chunks())
    digest.update(sink.getvalue())


def _as_arrow(rows: pa.Table, path: Path) -> None:
    how = ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(str(path), "wb") as raw, ipc.new_file(raw, rows.schema, options=how) as file:
        file.write_table(rows)


def _as_lines(rows: pa.StringArray, path: Path) -> None:
    path.write_text("".join(f"{line}\n" for line in rows.to_pylist()), encoding="utf-8")


def _written(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file so that it is there as a whole or not at all, also after a power cut."""
    from headrace.lake.disk import FULL, sync

    beside = path.with_name(f".{path.name}")
    try:
        write(beside)
        sync(beside)
        beside.replace(path)
        sync(path.parent)
    except OSError as error:
        beside.unlink(missing_ok=True)
        if error.errno not in FULL:
            raise
        cure = "free some space and run again: it goes on where it stopped"
        found = "no space left while writing down what was read; nothing of it was loaded yet"
        raise HeadraceError(Fault("HR-SOURCE-027", path.parent.name, found, "space", cure)) from error
