"""Rows that are in the lake already, against a contract that has changed: they were accepted under another one."""

from __future__ import annotations

import pyarrow as pa

from headrace.contracts import total, validate
from headrace.contracts.problems import KEY
from headrace.declare import Contract, Stream, Table
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake


def recheck(stream: Stream | Table, contract: type[Contract], lake: Lake) -> None:
    """Read all rows of a table through a contract, in bounded memory; no row is moved or dropped.

    Bounds are what exact totals are computed within, so rows beyond them must not be built upon.

    Raises:
        HeadraceError: HR-DATA-108 with the number of rows that break each rule, HR-LAKE-008 for other columns.
    """
    fields = contract.fields()
    lake.require(stream.name, pa.schema([(name, field.type.arrow()) for name, field in fields.items()]))
    counts, broken = [], 0
    for batch in lake.batches(stream.name, columns=list(fields)):
        found = validate(contract, pa.Table.from_batches([batch]))
        counts.append({rule: rows for rule, rows in found.counts.items() if not rule.startswith(KEY)})
        broken += found.quarantined.num_rows
    repeated = _repeated(stream.name, contract, lake)
    if broken or repeated:
        rules = total([*counts, repeated])
        said = "; ".join(f"{rule} ({rows:,} rows)" for rule, rows in rules.items())
        what = f"{lake.rows(stream.name):,} rows of {stream.name} in the lake, of which some break its changed contract"
        cure = "declare it as before, or load into a new stream; no row was moved or dropped"
        raise HeadraceError(Fault("HR-DATA-108", stream.place, f"{what}: {said}", "rows that keep it", cure))


def _repeated(name: str, contract: type[Contract], lake: Lake) -> dict[str, int]:
    keys = contract.key_fields()
    if not keys:
        return {}
    columns = ", ".join(f'"{key}"' for key in keys)
    query = f'select count(*) - (select count(*) from (select distinct {columns} from "{name}")) as n from "{name}"'
    rows = lake.sql(query)["n"][0].as_py()
    return {f"{KEY} {', '.join(keys)}: is the key of an earlier row": rows} if rows else {}
