"""Intervals of rates against SciPy's."""

import pytest
from scipy.stats import binomtest

from headrace.learn.rates import wilson


@pytest.mark.parametrize(("hits", "rows"), [(0, 50), (1, 50), (25, 50), (50, 50), (3, 100_000)])
def test_intervals_of_wilson_are_those_of_scipy(hits, rows):
    expected = binomtest(hits, rows).proportion_ci(0.95, "wilson")
    assert wilson(hits / rows, rows) == pytest.approx(tuple(expected), abs=1e-12)
    assert wilson(0.0, 0) == (0.0, 1.0)
