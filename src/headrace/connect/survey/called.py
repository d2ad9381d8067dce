"""Columns that no field can be called like: a sample under names that fields can have, and what the columns are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from headrace.connect.survey.found import Sample
from headrace.contracts import MALFORMED
from headrace.contracts.names import field_name
from headrace.declare.fields import OF_THE_LAKE, is_column

_T = TypeVar("_T")


def under_fields(sample: Sample) -> Sample:
    """Return a sample whose columns have names of fields; those that had to be made stand in ``columns``.

    Of two columns that differ in capitals only, the first keeps its name: tables and SQL do not tell them apart.
    """
    names = [name for name in sample.rows.column_names if name != MALFORMED]
    fields = _fields(names)
    columns = {field: column for column, field in fields.items() if field != column}
    if not columns:
        return sample
    catalogue = sample.catalogue
    return replace(
        sample,
        rows=sample.rows.select(names).rename_columns([fields[name] for name in names]),
        kinds=_by_field(sample.kinds, fields),
        loose=frozenset(_each(sample.loose, fields)),
        lacking=frozenset(_each(sample.lacking, fields)),
        mixed=frozenset(_each(sample.mixed, fields)),
        within=_by_field(sample.within, fields),
        listed=frozenset(_each(sample.listed, fields)),
        catalogue=replace(
            catalogue, columns=_by_field(catalogue.columns, fields), key=tuple(_each(catalogue.key, fields))
        ),
        columns=columns,
    )


def _fields(names: Iterable[str]) -> dict[str, str]:
    """Return the field of each column: its own name, wherever that can be one."""
    kept: dict[str, str] = {}
    odd: list[str] = []
    for name in names:
        if is_column(name) and name.lower() not in (*OF_THE_LAKE, *map(str.lower, kept)):
            kept[name] = name
        else:
            odd.append(name)
    taken = {name.lower() for name in kept}
    for name in odd:
        kept[name] = field_name(name, taken)
        taken.add(kept[name])
    return kept


def _by_field(found: Mapping[str, _T], fields: Mapping[str, str]) -> dict[str, _T]:
    return {fields.get(name, name): one for name, one in found.items()}


def _each(names: Iterable[str], fields: Mapping[str, str]) -> list[str]:
    return [fields.get(name, name) for name in names]
