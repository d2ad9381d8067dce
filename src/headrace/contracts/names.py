"""Names of the standard, which may be any text, as names of tables, classes and variables."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Container

_HIDDEN = ("hr", "int", "float", "bool", "str", "list")
"""A field of such a name would hide what the fields below it need."""
_KEPT = ("hr", "sources", "documents")


def table_name(name: str) -> str:
    """Return the name of the stream or table that an object of a schema is, empty where none can be made of it.

    Example:
        >>> table_name("Air_Quality"), table_name("salesOrder"), table_name("2024 sales")
        ('air_quality', 'sales_order', 'table_2024_sales')
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    plain = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    return (f"table_{plain}" if plain[:1].isdigit() else plain)[:63]


def field_name(column: str, taken: Container[str]) -> str:
    """Return a name for the field that a column becomes whose own name no field can have.

    Args:
        column: as its source calls it.
        taken: names of other fields, in lower case.

    Example:
        >>> field_name("Net; EUR", ()), field_name("Größe (cm)", ()), field_name("_seq", {"seq"}), field_name("%", ())
        ('net_eur', 'größe_cm', 'seq_2', 'column')
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", unicodedata.normalize("NFKC", column))
    plain = re.sub(r"[\W_]+", "_", words.lower()).strip("_")
    name = "_".join(part for part in ("column" if not plain or plain[0].isdigit() else "", plain) if part)
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


def class_name(table: str, taken: Container[str]) -> str:
    """Return a name for the contract of a table that no other has.

    Example:
        >>> class_name("air_quality", ()), class_name("none", ())
        ('AirQuality', 'None_')
    """
    name = "".join(part[:1].upper() + part[1:] for part in table.split("_"))
    while name in taken or keyword.iskeyword(name):
        name += "_"
    return name


def variable_name(table: str) -> str:
    """Return the name of the variable that holds a stream or table.

    Example:
        >>> variable_name("class"), variable_name("orders")
        ('class_', 'orders')
    """
    return f"{table}_" if keyword.iskeyword(table) or table in _KEPT else table


def attribute_name(column: str, taken: Container[str]) -> str:
    """Return the name under which a class can declare a column: its own wherever Python can write that.

    Example:
        >>> attribute_name("amount", ()), attribute_name("class", ()), attribute_name("2nd-try", ())
        ('amount', 'class_', 'x2nd_try')
    """
    usual = column.isidentifier() and unicodedata.normalize("NFKC", column) == column
    if usual and not (keyword.iskeyword(column) or column in _HIDDEN or column.startswith("__")):
        return column
    name = re.sub(r"[^A-Za-z0-9_]+", "_", column).strip("_") or "x"
    name = f"x{name}" if name[0].isdigit() else name
    while name in taken or name == column or keyword.iskeyword(name) or name in _HIDDEN:
        name += "_"
    return name
