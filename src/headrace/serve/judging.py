"""Live events as the history of quality knows them: held against their whole contract once they are in the lake.

An event that was answered has its sequence and is in features that were served, so nothing of it can be taken back.
What other rows decide, unique columns and references, is looked up when its rows are in the lake, beside the service:
a post never waits for it. The rows stay, and what they break is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.connect.quality import keep_figures, looks_up, table_of
from headrace.contracts import KeyIndex
from headrace.contracts.across import Across
from headrace.contracts.quality import Figures
from headrace.contracts.validation import judge
from headrace.declare import Project, Reference, Stream, Table, sources_of
from headrace.lake import Lake
from headrace.serve.drain import LIVE

MOST = 100_000
"""Events that are judged together: a row of the history for each rule, and what is in memory."""


def judge_live(project: Project, lake: Lake) -> dict[str, int]:
    """Hold live events that were brought into the lake since against their contracts; return how many of each stream.

    Each is judged once, whatever is killed and when: the history says up to which sequence it was done, and a lock
    keeps a second process out.

    Args:
        project: its streams, and the tables that their rules refer to; of one that is not loaded yet nothing is asked.
        lake: with the events; afterwards ``quality_<stream>`` has the load ``live:<sequence>`` for them.
    """
    tables = {one.name: one for one in sources_of(project)}
    found = {name: _stream(stream, tables, lake) for name, stream in project.streams.items()}
    return {name: rows for name, rows in found.items() if rows}


def _stream(stream: Stream, tables: Mapping[str, Stream | Table], lake: Lake) -> int:
    if not lake.exists(stream.name) or lake.committed(stream.name, LIVE) <= 0 or not _settled(stream, lake):
        return 0
    with lake.lock(table_of(stream.name)):
        done, rows = _judged(stream.name, lake), 0
        while (part := _part(stream, lake, done)).num_rows:
            done = int(part["_seq"][-1].as_py())
            keep_figures(lake, stream.name, f"{LIVE}:{done}", _figures(stream, part, tables, lake), of_loads=False)
            rows += part.num_rows
        return rows


def _judged(name: str, lake: Lake) -> int:
    """The newest sequence that was judged."""
    if not lake.exists(table_of(name)):
        return 0
    begin = len(LIVE) + 2
    said = f"select max(substr(_load, {begin})::bigint) as done from \"{table_of(name)}\" where _load like '{LIVE}:%'"
    return int(lake.sql(said, reads=[table_of(name)])["done"][0].as_py() or 0)


def _part(stream: Stream, lake: Lake, done: int) -> pa.Table:
    listed = ", ".join(f'"{name}"' for name in (*stream.contract.fields(), "_seq"))
    live = f"_load = '{LIVE}' and _seq > {done}"
    query = f'select {listed} from "{stream.name}" where {live} order by _seq limit {MOST}'
    return lake.sql(query, reads=[stream.name])


def _figures(stream: Stream, part: pa.Table, tables: Mapping[str, Stream | Table], lake: Lake) -> Figures:
    """What a load of these rows would be like, if files had brought them; all of them are there already."""
    contract, first = stream.contract, int(part["_seq"][0].as_py())
    typed, problems = judge(contract, part.drop_columns("_seq"))
    references = [one for one in contract.rules().values() if isinstance(one, Reference)]
    there = all(lake.exists(one.table) for one in references)
    key = KeyIndex(contract.key_fields())  # a post of a key that is there is no new event

    def earlier(names: list[str]) -> Iterator[pa.Table]:
        for batch in lake.batches(stream.name, columns=[*names, "_seq"]):
            yield pa.table(batch.filter(pc.less(batch["_seq"], first))).select(names)

    across = Across(contract, earlier, looks_up(lake, tables) if there else None, key)
    problems += across.problems(typed, np.ones(typed.num_rows, np.bool_))
    figures = Figures(contract)
    figures.take(part.num_rows, typed, problems)
    return figures


def _settled(stream: Stream, lake: Lake) -> bool:
    """Whether the table has the columns of its contract by now; a change of it is brought there by a load."""
    held = lake.schema(stream.name)
    flat = {name: one for name, one in stream.contract.fields().items() if not one.type.nested}
    alike = all(name in held.names and held.field(name).type == one.type.arrow() for name, one in flat.items())
    return alike and set(stream.contract.fields()) <= set(held.names)
