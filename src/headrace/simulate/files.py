"""A world as files, as a data team would receive them: one a week, and among the last ones rows that are wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pyarrow.parquet as pq

from headrace.simulate.payments import DAY_US, World

WEEK_US = 7 * DAY_US
CSV_WEEKS = 2
"""In the mixed form, the last weeks come as CSV, and the faults are in them."""
FAULTS = ("negative amount", "amount with letters", "no customer", "impossible date", "payment twice")


@dataclass(frozen=True)
class Planted:
    """What was written.

    Args:
        files: in the order of time.
        faults: how many rows of each kind of fault were planted.
    """

    files: tuple[Path, ...]
    faults: dict[str, int]


def write(world: World, folder: Path, *, faults: float = 0.0002, format: str = "mixed", seed: int = 11) -> Planted:
    """Write a world as files of one week each.

    Args:
        world: what to write.
        folder: made if absent; gets ``payments-DATE``, ``chargebacks-DATE`` and ``customers`` files.
        faults: share of all payments to plant as wrong rows; only CSV can hold them.
        format: ``parquet``, ``csv``, or ``mixed``: Parquet with CSV for the last two weeks.
        seed: of the planting.

    Raises:
        ValueError: for another format.

    Example:
        >>> import tempfile
        >>> from headrace.simulate import payments
        >>> planted = write(payments(days=10, customers=20, terminals=50), Path(tempfile.mkdtemp()), faults=0.05)
        >>> sorted({file.name.split("-")[0] for file in planted.files})
        ['chargebacks', 'customers.csv', 'payments']
    """
    if format not in ("parquet", "csv", "mixed"):
        raise ValueError(f"format is {format!r}, not parquet, csv or mixed")
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    weeks = list(_weeks(world.payments))
    as_csv = {"parquet": 0, "csv": len(weeks), "mixed": CSV_WEEKS}[format]
    in_csv = sum(part.num_rows for _, part in weeks[len(weeks) - as_csv :])
    share = faults * world.payments.num_rows / in_csv if in_csv else 0.0
    files: list[Path] = []
    planted = dict.fromkeys(FAULTS, 0) if as_csv else {}
    for number, (name, part) in enumerate(weeks):
        if number < len(weeks) - as_csv:
            files.append(_parquet(part, folder / f"payments-{name}.parquet"))
        else:
            files.append(_csv(_spoiled(part, share, planted, random), folder / f"payments-{name}.csv"))
    files += [_parquet(part, folder / f"chargebacks-{name}.parquet") for name, part in _weeks(world.chargebacks)]
    files.append(_csv(world.customers, folder / "customers.csv"))
    return Planted(tuple(files), planted)


def _weeks(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Yield the first day and the rows of each week; the table is sorted by time."""
    at = table.column("at").cast(pa.int64()).to_numpy()
    if not len(at):
        return
    first = at[0] // DAY_US * DAY_US
    cuts = np.searchsorted(at, np.arange(first, at[-1] + WEEK_US, WEEK_US))
    for week, (begin, end) in enumerate(zip(cuts, [*cuts[1:], len(at)], strict=True)):
        if end > begin:
            day = np.datetime64(int(first + week * WEEK_US), "us").astype("datetime64[D]")
            yield str(day), table.slice(begin, end - begin)


def _parquet(table: pa.Table, path: Path) -> Path:
    pq.write_table(table, path)
    return path


def _csv(table: pa.Table, path: Path) -> Path:
    csv.write_csv(table, path)
    return path


def _spoiled(part: pa.Table, share: float, planted: dict[str, int], random: np.random.Generator) -> pa.Table:
    """Return the rows as text, some of them wrong."""
    texts = pa.table({name: part.column(name).cast(pa.string()) for name in part.column_names})
    count = min(round(share * part.num_rows), part.num_rows)
    rows = random.choice(part.num_rows, count, replace=False)
    for number, fault in enumerate(FAULTS):
        chosen = np.sort(rows[number :: len(FAULTS)])
        planted[fault] += len(chosen)
        texts = _with_fault(texts, fault, chosen)
    return texts


def _with_fault(texts: pa.Table, fault: str, chosen: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Table:
    if fault == "payment twice":
        return pa.concat_tables([texts, texts.take(pa.array(chosen))])
    column, of = _SPOIL[fault]
    old = texts.column(column)
    mask = np.zeros(len(old), dtype=np.bool_)
    mask[chosen] = True
    new = pa.array([of(value) for value in old.take(pa.array(chosen)).to_pylist()], type=pa.string())
    place = texts.column_names.index(column)
    return texts.set_column(place, column, pc.replace_with_mask(old.combine_chunks(), pa.array(mask), new))


_SPOIL: dict[str, tuple[str, Callable[[str], str]]] = {
    "negative amount": ("amount", lambda old: "-" + old),
    "amount with letters": ("amount", lambda old: old.replace(".", "o")),
    "no customer": ("customer_id", lambda old: ""),
    "impossible date": ("at", lambda old: "2026-02-30" + old[10:]),
}
