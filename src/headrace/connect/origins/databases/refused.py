"""What a database says when it refuses, told without its own words: they may quote rows, users or addresses."""

from __future__ import annotations

from typing import NamedTuple

from headrace.connect.origins.reader import Away
from headrace.connect.origins.reader import away as _away
from headrace.errors import Fault, HeadraceError


class _Told(NamedTuple):
    code: str
    found: str
    expected: str
    cure: str


_TOLD = {
    "login": _Told(
        "HR-SOURCE-030", "a user or password that the database refuses", "one that may connect",
        "correct the user in the address, and the secret that it names",
    ),
    "database": _Told("HR-SOURCE-030", "no such database", "one that is there", "correct the address"),
    "names": _Told(
        "HR-SOURCE-031", "a table, column or query that the database does not know", "names that it has",
        "correct table=, query= or cursor=, with its schema where it needs one",
    ),
    "rights": _Told(
        "HR-SOURCE-032", "a table that the user may not read", "the right to read it",
        "grant select on it to the user of the address",
    ),
    "other": _Told(
        "HR-SOURCE-034", "a query that the database gave up", "one that runs to its end",
        "run it in the database's own client, where its message can be read",
    ),
}  # fmt: skip
"""What each kind of refusal is to a user."""

_AWAY_CURE = "see that it runs and takes connections, then run again: with a cursor it goes on where it stopped"

_POSTGRES = {
    "28": "login", "3D": "database", "42501": "rights", "42": "names", "3F": "names", "0A": "names",
    "08": "away", "53": "away", "57": "away", "58": "away", "40": "away", "55P03": "away",
}  # fmt: skip
"""SQLSTATE, or its class, to a kind of refusal."""
_CLASSES = {
    "08": "connection exception", "0A": "feature not supported", "21": "cardinality violation", "22": "data exception",
    "25": "invalid transaction state", "28": "invalid authorization", "3D": "invalid catalog name",
    "3F": "invalid schema name", "40": "transaction rollback", "42": "syntax error or access rule violation",
    "53": "insufficient resources", "54": "program limit exceeded", "55": "object not in prerequisite state",
    "57": "operator intervention", "58": "system error", "XX": "internal error",
}  # fmt: skip
"""Names of classes of SQLSTATE (PostgreSQL's manual, appendix A)."""
_MYSQL = {
    "login": (1044, 1045, 1698, 1820, 1862), "database": (1049,), "rights": (1142, 1143, 1227, 1370, 1410),
    "names": (1052, 1054, 1064, 1109, 1146, 1305, 1060),
    "away": (1040, 1053, 1077, 1079, 1129, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 1226, 1290, 1317, 1927, 2002,
             2003, 2005, 2006, 2013, 2014, 2055, 3024),
}  # fmt: skip
"""Numbers of MySQL's errors by kind of refusal."""


def of_sqlstate(address: str, state: str) -> HeadraceError:
    """Return the error that PostgreSQL's SQLSTATE stands for; ``Away`` where another try may help.

    Example:
        >>> of_sqlstate("postgresql://db/risk", "42P01").faults[0].code
        'HR-SOURCE-031'
    """
    kind = next((_POSTGRES[one] for one in (state, state[:2]) if one in _POSTGRES), "other")
    return refused(kind, address, f"SQLSTATE {state}, {_CLASSES.get(state[:2], 'of its own')}")


def of_mysql(address: str, number: int) -> HeadraceError:
    """Return the error that a number of MySQL stands for."""
    kind = next((kind for kind, numbers in _MYSQL.items() if number in numbers), "other")
    return refused(kind, address, f"error {number}")


def refused(kind: str, address: str, detail: str = "") -> HeadraceError:
    """Return what a kind of refusal is to a user; ``detail`` is a code, never a message."""
    if kind == "away":
        return gone(address, f"a database that cannot be reached, or went away{f' ({detail})' if detail else ''}")
    told = _TOLD[kind]
    found = f"{told.found} ({detail})" if detail else told.found
    return HeadraceError(Fault(told.code, address, found, told.expected, told.cure))


def gone(address: str, what: str) -> Away:
    """Return the error of a database that is to be tried again."""
    return _away(address, what, _AWAY_CURE)
