"""Decimals as floats are the nearest ones, whatever their precision."""

from __future__ import annotations

import decimal
import random

import pyarrow as pa
import pytest

from headrace.decimals import as_floats


@pytest.mark.parametrize(("precision", "scale"), [(4, 2), (12, 2), (15, 15), (15, 0), (18, 6), (38, 20), (60, 30)])
def test_each_is_the_nearest_float(precision: int, scale: int) -> None:
    chance = random.Random(precision)
    with decimal.localcontext(prec=100):
        wholes = [chance.randrange(-(10**precision) + 1, 10**precision) for _ in range(500)]
        values = [decimal.Decimal(one).scaleb(-scale) for one in wholes]
    kind = pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
    column = pa.array([*values, None], kind)
    expected = [*(float(value) for value in values), None]
    assert as_floats(column).to_pylist() == expected
    assert as_floats(column.slice(7)).to_pylist() == expected[7:]
    assert as_floats(pa.chunked_array([column.slice(0, 3), column.slice(3)])).to_pylist() == expected
