"""A world as files, as a data team would receive them: one for each week or month, the last ones as CSV with faults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

from headrace.simulate.columns import DAY_US, Ints, microseconds
from headrace.simulate.faults import draw, spoil
from headrace.simulate.world import World

FORMATS = ("mixed", "csv", "parquet")
PERIODS = ("week", "month")
CSV_PERIODS = 2
"""How many of the last weeks or months come as CSV in the mixed format."""
NEVER = 2**63 - 1


@dataclass(frozen=True)
class Planted:
    """What was written.

    Args:
        files: payments, chargebacks, customers, each in the order of time.
        faults: how many rows of each kind of fault were planted, e.g. ``{"no customer": 70, …}``.
    """

    files: tuple[Path, ...]
    faults: dict[str, int]


@dataclass(frozen=True)
class _Part:
    start: int
    first_row: int
    table: pa.Table

    def own(self, chosen: dict[str, Ints]) -> dict[str, Ints]:
        """Return which of the chosen rows of the whole table are here, as positions in this part."""
        inside = {fault: rows - self.first_row for fault, rows in chosen.items()}
        return {fault: rows[(rows >= 0) & (rows < self.table.num_rows)] for fault, rows in inside.items()}


def write(
    world: World,
    folder: Path,
    *,
    per: str = "week",
    faults: float = 0.0002,
    format: str = "mixed",
    seed: int = 11,
) -> Planted:
    """Write a world as ``payments-DAY`` and ``chargebacks-DAY`` files, DAY being their first, and ``customers.csv``.

    Args:
        world: what to write; its moments are whole seconds.
        folder: made if absent; files of the same names are replaced.
        per: ``week`` (from the first day on) or ``month`` (of the calendar).
        faults: share of all payments to plant as wrong rows; only CSV can hold them.
        format: ``parquet``, ``csv``, or ``mixed``: Parquet, with CSV for the last two weeks or months.
        seed: of the planting; the same seed gives the same bytes.

    Returns:
        Planted: the files, and the number of faults of each kind; all 0 where everything is Parquet.

    Raises:
        ValueError: for another period or format, or a share outside 0 to 1.

    Example:
        >>> import tempfile
        >>> from headrace.simulate import payments
        >>> world = payments(days=21, customers=50, terminals=100)
        >>> planted = write(world, Path(tempfile.mkdtemp()), faults=0.01)
        >>> [file.name for file in planted.files if file.name.startswith("payments")]
        ['payments-2026-01-01.parquet', 'payments-2026-01-08.csv', 'payments-2026-01-15.csv']
        >>> list(planted.faults)
        ['negative amount', 'amount with letters', 'no customer', 'impossible date', 'payment twice']
    """
    if per not in PERIODS or format not in FORMATS or not 0 <= faults <= 1:
        raise ValueError(
            f"per is {per!r}, one of {PERIODS}; format is {format!r}, one of {FORMATS}; faults is {faults}, from 0 to 1"
        )
    folder.mkdir(parents=True, exist_ok=True)
    starts = _starts(world, per)
    paid, charged = _parts(world.payments, starts), _parts(world.chargebacks, starts)
    as_text = {"parquet": 0, "csv": len(paid), "mixed": CSV_PERIODS}[format]
    text_from = paid[-as_text:][0].start if as_text and paid else NEVER
    clean = sum(part.table.num_rows for part in paid if part.start < text_from)
    rows = world.payments.num_rows
    chosen = draw(clean, rows, round(faults * rows), np.random.default_rng(seed))
    files = [_written(part, "payments", folder, text_from, chosen) for part in paid]
    files += [_written(part, "chargebacks", folder, text_from, {}) for part in charged]
    files.append(_csv(_text(world.customers), folder / "customers.csv"))
    return Planted(tuple(files), {fault: len(found) for fault, found in chosen.items()})


def _starts(world: World, per: str) -> Ints:
    """Return the first midnight of each week or month, from the first payment to the last event, in microseconds."""
    at = np.concatenate([microseconds(table["at"]) for table in (world.payments, world.chargebacks)])
    if not len(at):
        return at
    first, last = at[0] // DAY_US * DAY_US, at.max()
    if per == "week":
        return np.arange(first, last + 1, 7 * DAY_US)
    months = np.array([first, last], "M8[us]").astype("M8[M]")
    midnights: Ints = np.arange(months[0], months[1] + 1).astype("M8[us]").astype(np.int64)
    return np.asarray(np.maximum(midnights, first), np.int64)


def _parts(table: pa.Table, starts: Ints) -> list[_Part]:
    """Return the rows of each week or month that has any; the table is sorted by time."""
    cuts = [*np.searchsorted(microseconds(table["at"]), starts).tolist(), table.num_rows]
    spans = zip(starts.tolist(), cuts[:-1], cuts[1:], strict=True)
    return [_Part(start, begin, table.slice(begin, end - begin)) for start, begin, end in spans if end > begin]


def _written(part: _Part, name: str, folder: Path, text_from: int, chosen: dict[str, Ints]) -> Path:
    path = folder / f"{name}-{np.datetime64(part.start, 'us').astype('M8[D]')}"
    if part.start < text_from:
        pq.write_table(part.table, path.with_suffix(".parquet"))
        return path.with_suffix(".parquet")
    return _csv(spoil(_text(part.table), part.own(chosen)), path.with_suffix(".csv"))


def _text(table: pa.Table) -> pa.Table:
    """Return all columns as strings, moments as ``2026-01-05 10:20:30Z``."""
    second = pa.timestamp("s", tz="UTC")
    columns = [column.cast(second) if pa.types.is_timestamp(column.type) else column for column in table.columns]
    return pa.table([column.cast(pa.string()) for column in columns], table.column_names)


def _csv(texts: pa.Table, path: Path) -> Path:
    # No value holds a comma or a quote; so an empty one is a missing one.
    with path.open("wb") as file:
        file.write((",".join(texts.column_names) + "\n").encode())
        csv.write_csv(texts, file, csv.WriteOptions(include_header=False, quoting_style="none"))
    return path
