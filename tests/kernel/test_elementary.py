"""Our own elementary functions against the decimal module at 60 digits."""

from __future__ import annotations

import math
from decimal import Context, Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from headrace.kernel import elementary
from tests.plan.worlds import examples

WIDE = Context(prec=60, Emin=-(10**6), Emax=10**6)


def close(made: float, expected: Decimal, relative: float) -> bool:
    return abs(WIDE.subtract(Decimal(made), expected)) <= abs(expected) * Decimal(relative) + Decimal("5e-324")


@given(st.floats(min_value=5e-324, max_value=1.79e308))
@example(1.0)
@example(0.9999999999999999)
@example(1.0000000000000002)
@example(5e-324)
@examples(150)
def test_ln(x: float) -> None:
    assert close(elementary.ln(x), WIDE.ln(Decimal(x)), 1e-15)


@given(st.floats(-700, 709))
@example(0.0)
@example(709.7)
@examples(150)
def test_exp(x: float) -> None:
    assert close(elementary.exp(x), WIDE.exp(Decimal(x)), 2e-15)


def test_exp_beyond_the_range_of_floats() -> None:
    assert elementary.exp(710.0) == math.inf
    assert elementary.exp(-750.0) == 0.0


@given(st.floats(0.01, 100.0), st.integers(-40, 40))
@examples(100)
def test_a_whole_power_is_a_product(x: float, n: int) -> None:
    assert close(elementary.power(x, float(n)), WIDE.power(Decimal(x), n), 3e-14)


@given(st.floats(0.01, 100.0), st.floats(-20.0, 20.0))
@examples(100)
def test_any_power(x: float, y: float) -> None:
    assert close(elementary.power(x, y), WIDE.power(Decimal(x), Decimal(y)), 1e-13)


def test_columns_have_the_bits_of_rows() -> None:
    import numpy as np

    x = np.random.default_rng(1).uniform(0.001, 600.0, 1000)
    assert elementary.ln_each(x).tolist() == [elementary.ln(one) for one in x.tolist()]
    assert elementary.exp_each(x).tolist() == [elementary.exp(one) for one in x.tolist()]
    assert elementary.power_each(x, x / 100).tolist() == [elementary.power(a, a / 100) for a in x.tolist()]
