"""Backfill: the part of a table by query that lies between two moments is made anew, piece by piece.

A piece is what the whole query gives in its span of event time, so the pieces together are the same as one pass. Each
is one commit, and the journal remembers the last: what was killed goes on behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from headrace import clock
from headrace.declare import Table
from headrace.errors import Fault, HeadraceError
from headrace.run.declared import Declared
from headrace.run.journal import Journal
from headrace.run.progress import FAULTS, Progress
from headrace.run.project import LoadedProject
from headrace.run.selecting import name_of, named
from headrace.run.steps import Step

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.lake import Lake


@dataclass(frozen=True)
class Period:
    """A span of event time, microseconds UTC: from ``begin`` to before ``end``, in pieces of ``step``.

    An ``open`` one ends with the piece that holds the newest row, of each table by itself, wherever ``end`` is.

    Example:
        >>> Period(0, 25, 10).pieces()
        [(0, 10), (10, 20), (20, 25)]
    """

    begin: int
    end: int
    step: int = clock.DAY_US
    open: bool = False

    def upto(self, newest: int | None) -> Period:
        """Return the span that ends with the piece that holds a moment; one without pieces if there is none.

        Example:
            >>> Period(0, 99, 10, open=True).upto(20).pieces()
            [(0, 10), (10, 20), (20, 30)]
        """
        pieces = 0 if newest is None else max(0, (newest - self.begin) // self.step + 1)
        return replace(self, end=self.begin + pieces * self.step, open=False)

    def pieces(self, begin: int | None = None) -> list[tuple[int, int]]:
        """Return the pieces, in order; those from a moment on, where one is given."""
        starts = range(self.begin, self.end, self.step)
        return [(one, min(one + self.step, self.end)) for one in starts if begin is None or one >= begin]

    def __str__(self) -> str:
        return f"{_told(self.begin)} to {'the newest row' if self.open else _told(self.end)}"


def backfilled(
    steps: Sequence[Step],
    loaded: LoadedProject,
    declared: Declared,
    journal: Journal,
    period: Period,
    names: Sequence[str],
) -> list[Step]:
    """Return steps of which those of tables by query make only a period anew, or all where no part can be told apart.

    Args:
        steps: that are asked for.
        loaded: the project.
        declared: its declarations.
        journal: of its runs.
        period: that is wanted.
        names: that were given: of a source by name it is told that it has no part to be read again.
    """
    given = named(names)

    def turned(step: Step) -> Step:
        kind, name = step.id.split(":")
        if kind == "query":
            return _turned(step, loaded, declared, journal, period)
        return _told_whole(step) if kind == "ingest" and name in given else step

    return [turned(step) for step in steps]


def _turned(step: Step, loaded: LoadedProject, declared: Declared, journal: Journal, period: Period) -> Step:
    from headrace.run.anew import rewritten

    table = loaded.project.tables[name_of(step)]
    if whole := _why_whole(table, loaded.lake(), declared, journal):
        return replace(rewritten(step, loaded), forced=(f"made as a whole: {whole}",))

    def work(progress: Progress) -> dict[str, Any]:
        return _Backfill(table, loaded.lake(), journal, period, step.inputs()).made(progress)

    return replace(step, work=work, forced=(f"backfill of {period}",), partial=True)


def _why_whole(table: Table, lake: Lake, declared: Declared, journal: Journal) -> str:
    """Return why a table has no part that can be made by itself; nothing if it has."""
    time = time_of(table)
    if table.contract is None or time is None:
        return "no contract says which column is its event time"
    if table.contract.key_fields() and time not in table.contract.key_fields():
        return f"its key is unique without {time}, which only the whole can tell"
    before = journal.step(f"query:{table.name}")
    if before is None or not lake.exists(table.name):
        return "it is not there yet"
    own = declared.own(f"table:{table.name}")
    return "" if own.items() <= before.inputs.items() else "its declaration changed"


def time_of(table: Table) -> str | None:
    """Return the column by which the rows of a table by query lie in time."""
    if table.contract is None:
        return None
    return table.contract.role("event_time") or table.contract.role("valid_from")


def _told_whole(step: Step) -> Step:
    """A source from files: each is loaded whole and once, so of a period there is nothing that is not there."""

    def work(progress: Progress) -> dict[str, Any]:
        name = name_of(step)
        found = f"a backfill of {name}, whose files are loaded whole and once: only new ones were looked for"
        cure = f"to load all of them again: headrace run {name} --full"
        warning = Fault("HR-SCHEDULE-009", "", found, "a table by query", cure, "warning")
        figures = step.work(progress)
        return {**figures, FAULTS: [*figures.get(FAULTS, ()), warning.as_dict()]}

    return replace(step, work=work, forced=("asked to",))


@dataclass(frozen=True)
class _Backfill:
    """One table on its way through a period; ``inputs`` are what its pieces are made from, all the same."""

    table: Table
    lake: Lake
    journal: Journal
    period: Period
    inputs: Mapping[str, str]

    def made(self, progress: Progress) -> dict[str, Any]:
        id = f"backfill:{self.table.name}"
        versions = {key.split()[1]: int(to.split()[1]) for key, to in self.inputs.items() if to.startswith("version ")}
        period = self.period.upto(self._newest(versions)) if self.period.open else self.period
        wanted = {**self.inputs, "period": f"{period.begin} {period.end} {period.step}"}
        before = self.journal.step(id)
        reached = before.figures if before is not None and before.inputs == wanted else {}
        changed = int(reached.get("changed", 0))
        total, pieces = len(period.pieces()), period.pieces(reached.get("next"))
        for number, (begin, end) in enumerate(pieces, total - len(pieces) + 1):
            changed += self._piece(begin, end, versions)
            self.journal.complete(id, wanted, {"next": end, "changed": changed})
            progress.moves(f"up to {_told(end)}", number, total)
        self.journal.forget(id)
        rows, version = self.lake.rows(self.table.name), self.lake.version(self.table.name)
        return {"rows": rows, "version": version, "pieces": total, "pieces_changed": changed}

    def _piece(self, begin: int, end: int, versions: Mapping[str, int]) -> bool:
        """Put what the query gives in a span in the place of what the table has there; return whether that differs."""
        import pyarrow as pa

        from headrace.run.refresh import MIXED, made_from

        name, time = self.table.name, time_of(self.table) or ""
        new = self._rows(begin, end, versions)
        old = self._held(time, begin, end)
        if _same(old, new):
            return False
        times = pa.chunked_array([*old[time].chunks, *new[time].chunks], new[time].type).unique()
        before = made_from(self.lake, name)
        message = {key: one for key, one in before.items() if key in ("inputs", "tables", MIXED)}
        # Who takes these versions for those of all rows would add the rows of this piece once more.
        message |= {} if self._from_the_same(before.get("inputs", {})) else {MIXED: True}
        self.lake.replace(name, new, pa.table({time: times}), message={**message, "backfill": [begin, end]})
        return True

    def _from_the_same(self, inputs: Mapping[str, str]) -> bool:
        return all(self.inputs.get(key) == one for key, one in inputs.items() if key.startswith("rows "))

    def _newest(self, versions: Mapping[str, int]) -> int | None:
        """Return the event time of the newest row that the query gives, or the table has; None where there is none."""
        newest = f'select epoch_us(max("{time_of(self.table)}")) as newest from '
        with self._placed():
            given = self.lake.sql(f"{newest}{self._made()}", versions)
        found = (given["newest"][0].as_py(), self.lake.sql(f'{newest}"{self.table.name}"')["newest"][0].as_py())
        return max((one for one in found if one is not None), default=None)

    def _rows(self, begin: int, end: int, versions: Mapping[str, int]) -> pa.Table:
        """Return the rows that the query gives in a span; they keep the table's contract."""
        from headrace.run.answers import kept

        time = time_of(self.table)
        span = f'"{time}" >= make_timestamptz({begin}) and "{time}" < make_timestamptz({end})'
        with self._placed(), self.lake.answered(f"select * from {self._made()} where {span}", versions) as answer:
            found: pa.Table = kept(answer, self.table).read_all()
        return found.select(self.lake.schema(self.table.name).names).cast(self.lake.schema(self.table.name))

    def _made(self) -> str:
        return f"(\n{(self.table.query or '').rstrip().rstrip(';')}\n) as made"

    @contextmanager
    def _placed(self) -> Iterator[None]:
        """Tell faults of the query where it is declared."""
        from headrace.plan.queries import placed
        from headrace.run.answers import DECLARED

        try:
            yield
        except HeadraceError as error:
            raise HeadraceError(
                placed(one, self.table) if one.code in DECLARED else one for one in error.faults
            ) from None

    def _held(self, time: str, begin: int, end: int) -> pa.Table:
        import pyarrow as pa

        from headrace.lake import Within

        schema = self.lake.schema(self.table.name)
        batches = self.lake.batches(self.table.name, within=Within(time, begin, end - 1))
        return pa.Table.from_batches(batches, schema)


def _same(old: pa.Table, new: pa.Table) -> bool:
    """Whether two tables have the same rows, in whatever order."""
    import pyarrow as pa

    if old.num_rows != new.num_rows:
        return False
    by = [(name, "ascending") for name in old.column_names]
    try:
        return bool(old.sort_by(by).equals(new.sort_by(by)))
    except (pa.ArrowNotImplementedError, pa.ArrowTypeError):  # lists have no order: then they are written again
        return False


def _told(us: int) -> str:
    text = clock.from_us(us).strftime("%Y-%m-%d %H:%M")
    return text.removesuffix(" 00:00")
