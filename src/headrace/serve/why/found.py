"""A record by its id, wherever it lies: in the table of a service that is declared, or of one that was."""

from __future__ import annotations

import re

from headrace.declare.project import DECISIONS_OF
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake
from headrace.serve import record as serve_record
from headrace.serve.drain import drain, table_of
from headrace.serve.loaded import Loaded
from headrace.serve.record import Record

_ID = re.compile(r"[0-9a-zA-Z]+-[0-9]+")
_NEWEST = 'headrace query "select record_id, at, decision from {} order by decided_at desc limit 10" lists the newest'


def found(loaded: Loaded, record_id: str) -> tuple[str, Record]:
    """Return the service that decided, and what it put on record; what waits in the spool is drained first.

    Args:
        loaded: the project.
        record_id: as the answer had it.

    Raises:
        HeadraceError: HR-WHY-001 for an id that no record has.
    """
    drain(loaded)
    lake, prefix = loaded.lake(), DECISIONS_OF.format("")
    declared = [name for name in loaded.project.all_services if lake.exists(table_of(name))]
    others = [name.removeprefix(prefix) for name in lake.tables() if name.startswith(prefix)]
    services = list(dict.fromkeys([*declared, *others]))
    if _ID.fullmatch(record_id):
        for name in services:
            rows = lake.sql(
                f"select * from \"{table_of(name)}\" where record_id = '{record_id}'", reads=[table_of(name)]
            )
            if rows.num_rows:
                return name, serve_record.read(rows)[0]
    raise HeadraceError(_unknown(record_id, services, lake))


def _unknown(record_id: str, services: list[str], lake: Lake) -> Fault:
    told = f"no record {record_id[:64]!r}"
    if not services:
        cure = "a service decides first: headrace serve, and POST /services/NAME/decide"
        return Fault("HR-WHY-001", "", told, "the record_id of an answer", cure)
    spool, _, number = record_id.rpartition("-")
    for name in services if _ID.fullmatch(record_id) else ():
        last = "max(split_part(record_id, '-', 2)::bigint) as last"
        query = f"select {last} from \"{table_of(name)}\" where starts_with(record_id, '{spool}-')"
        newest = lake.sql(query, reads=[table_of(name)])["last"][0].as_py()
        if newest is not None and int(number) > newest:
            told = f"no record {record_id[:64]!r}: the newest of {name} is {spool}-{newest}"
    return Fault("HR-WHY-001", "", told, "the record_id of an answer", _NEWEST.format(table_of(services[0])))
