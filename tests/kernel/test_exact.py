"""Exact totals against fractions: any magnitude, any count, any digits; rounded once, ties to even."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace.kernel import exact
from headrace.kernel.aggregates import catalogue
from headrace.kernel.aggregates.var import variance
from headrace.types import FLOAT, Decimal, Domain
from tests.plan.strategies import whole
from tests.plan.worlds import examples

COUNTS = st.one_of(st.integers(1, 50), st.integers(1, 2**31 - 1), st.sampled_from([2**31 - 1, 46_340, 46_341, 10**6]))


def halves(total: int, low: int) -> tuple[int, int]:
    """One of the many ways in which a total is kept: the low half may have run over."""
    rest = (total & exact.MASK) + (low << exact.LIMB)
    return (total - rest) >> exact.LIMB, rest


def over(total: int, count: int, digits: int, exponent: int, low: int = 0) -> float:
    high, rest = halves(total, low)
    return float(exact.total_over(np.int64(high), np.int64(rest), count, digits, exponent))


@given(
    st.one_of(whole(2**62), whole(2**94), whole(10**18), whole(2**53)),
    COUNTS,
    st.integers(0, 18),
    st.integers(-3, 2**30),
)
@example(2**63 - 3, 2, 0, 0)
@example(1, 2**31 - 1, 18, 0)
@example((2**62 - 1) * 3, 3, 0, 0)
@example(2**54 + 1, 1, 0, 0)
@example(2**54 + 2, 1, 0, 0)
@example(2**54 + 6, 1, 0, 0)
@examples(300)
def test_a_total_over_a_count_is_rounded_once(total: int, count: int, digits: int, low: int) -> None:
    expected = float(Fraction(total, count * 10**digits))
    assert over(total, count, digits, 0, low) == expected


@given(whole(2**62), COUNTS, st.integers(-480, 430))
@examples(200)
def test_a_resolution_is_a_power_of_two(total: int, count: int, exponent: int) -> None:
    assert over(total, count, 0, exponent) == float(Fraction(total, count) * Fraction(2) ** exponent)


def test_zero_is_not_negative() -> None:
    assert math.copysign(1.0, over(0, 3, 2, 0)) == 1.0
    assert math.copysign(1.0, over(0, 1, 18, 0)) == 1.0


@given(st.integers(1, 2**300), st.booleans(), st.integers(-600, 300))
@example(2**64 - 1, False, 0)
@example(2**64 - 2**10, False, 0)
@example(2**64 - 2**10, True, 0)
@example(2**65 + 2**12, False, 0)
@example(2**65 + 2**12, True, 0)
@examples(300)
def test_limbs_become_the_nearest_float(number: int, left_over: bool, exponent: int) -> None:
    if number < 2**55:
        left_over = False  # as promised: what was left over lies below the last bit
    limbs = np.array([(number >> (32 * i)) & exact.MASK for i in range(exact.LIMBS)], dtype=np.int64)
    value = Fraction(number) + (Fraction(1, 3) if left_over else 0)
    assert exact.to_float(limbs, exact.LIMBS, left_over, exponent) == float(value * Fraction(2) ** exponent)


PARTS = st.lists(st.tuples(whole(2**62), COUNTS.map(lambda count: count % 400_000_000 + 1)), min_size=1, max_size=4)


@given(PARTS, st.integers(0, 18))
@example([(2**62, 5)], 0)
@example([(1, 1), (2, 1)], 18)
@example([(2**62 - 1, 1), (-(2**62) + 1, 1)], 0)
@examples(200)
def test_a_variance_is_rounded_once(parts: list[tuple[int, int]], digits: int) -> None:
    """Values with how often they come: a state of a billion values is the weighted sum of a few."""
    update = catalogue()["var"].update
    setting = np.zeros(8, dtype=np.int64)
    setting[0] = digits
    state = np.zeros(7, dtype=np.int64)
    for value, times in parts:
        one = np.zeros(len(state), dtype=np.int64)
        update(one, None, value, 0, setting, None)
        state += one * times
    count = sum(times for _, times in parts)
    if count < 2:
        return
    mean = Fraction(sum(value * times for value, times in parts), count)
    squares = sum((value - mean) ** 2 * times for value, times in parts)
    assert variance(state, setting) == float(squares / (count - 1) / 100**digits)


def setting_of(kind: str, domain: Domain) -> Any:
    return catalogue()[kind].setting(domain, {"half_life": "1h"} if "decayed" in kind else {})


@pytest.mark.parametrize(
    ("bound", "exponent"), [(1.0, -61), (0.75, -62), (1e9, -32), (1e-200, -480), (0.0, -62), (1e140, 404)]
)
def test_the_resolution_of_a_float_follows_from_its_bounds(bound: float, exponent: int) -> None:
    assert setting_of("sum", Domain(FLOAT, -bound, bound))[1] == exponent


@pytest.mark.parametrize(
    "domain", [Domain(FLOAT), Domain(FLOAT, 0.0), Domain(FLOAT, 0.0, math.inf), Domain(FLOAT, 0.0, 1e150)]
)
@pytest.mark.parametrize("kind", ["sum", "mean", "var", "std", "decayed_sum", "decayed_mean"])
def test_a_float_without_bounds_cannot_be_added_exactly(kind: str, domain: Domain) -> None:
    with pytest.raises(ValueError, match="cannot be exact"):
        setting_of(kind, domain)


def test_a_decayed_decimal_must_leave_room() -> None:
    with pytest.raises(ValueError, match=r"bounded below 2\*\*60"):
        setting_of("decayed_sum", Domain(Decimal(18, 2), -(2**62), 2**62))
