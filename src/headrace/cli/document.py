"""JSON that every program can read, whatever the values: it has no word for NaN and infinity."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

_WORD = 2**63
"""Whole numbers below it are numbers for every program; larger ones many would round."""


def document(value: Any, default: Callable[[Any], Any] = str, indent: int | None = 2) -> str:
    """Return values as JSON: NaN and infinity as null, as there is no number that they are.

    Args:
        value: dictionaries, lists and single values.
        default: gives a value that JSON has for one that it has not.
        indent: of what is within; None for all in one line.

    Example:
        >>> print(document({"share": float("nan")}))
        {
          "share": null
        }
    """
    try:
        return json.dumps(value, indent=indent, default=default, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), indent=indent, default=default, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def plain(value: Any) -> Any:
    """Return what JSON has for a value of a table: text, hex, or a number for a whole decimal of at most 64 bits.

    Example:
        >>> plain(Decimal(10) ** 12), plain(Decimal("0.10")), plain(Decimal(2) ** 70)
        (1000000000000, '0.10', '1180591620717411303424')
    """
    if isinstance(value, Decimal) and value.as_tuple().exponent == 0 and abs(value) < _WORD:
        return int(value)
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
