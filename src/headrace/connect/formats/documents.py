"""JSON objects as rows: each value as its field has it, and what is wrong with a row told beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from headrace.contracts import MALFORMED, MALFORMED_TYPE
from headrace.contracts.json import NoConstant, Refused, Twice, array, parsed, value_of
from headrace.contracts.problems import EMPTY, FIELDS
from headrace.declare import Contract, Field

Told = dict[str, Any]


def document(text: str) -> tuple[dict[str, Any] | None, str]:
    """Return the object that a text of JSON is, or None and why it is none."""
    try:
        found = parsed(text)
    except Twice as twice:
        return None, f"has the field {twice.args[0][:64]} twice"
    except NoConstant as constant:
        return None, f"has {constant.args[0]}, which JSON does not"
    except (ValueError, RecursionError):
        return None, "is not JSON"
    return (found, "") if isinstance(found, dict) else (None, "is no JSON object")


def rows_of(texts: Sequence[str], contract: type[Contract], names: Sequence[str]) -> pa.Table:
    """Return texts of JSON as a table of the named fields, in their own types.

    A value that is not of its field's type is null, and told in the column ``MALFORMED`` beside the text.
    """
    fields = [contract.fields()[name] for name in names]
    read = [_row(text, fields) for text in texts]
    columns = {one.name: array(one.type, [values.get(one.name) for values, _ in read]) for one in fields}
    told = pa.array([one for _, one in read], MALFORMED_TYPE)
    return pa.table(columns | ({MALFORMED: told} if told.null_count < len(told) else {}))


def _row(text: str, fields: Iterable[Field]) -> tuple[dict[str, Any], Told | None]:
    given, why = document(text)
    if given is None:
        return {}, {"text": text, "problems": [{"code": FIELDS, "field": "line", "text": why}]}
    values: dict[str, Any] = {}
    problems = []
    for field in fields:
        try:
            values[field.name] = value_of(field, given.get(field.name), field.name in given)
        except Refused as refused:
            for one in refused.each:
                one.name = one.name or field.name
                if one.name != field.name or one.of_row != EMPTY:  # told by the contract's own rule
                    problems.append({"code": one.of_row, "field": one.name, "text": one.said})
    return values, {"text": text, "problems": problems} if problems else None


def keys_of(objects: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of all fields of some objects, in the order in which they first appear."""
    return list(dict.fromkeys(name for one in objects for name in one))
