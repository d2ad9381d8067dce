"""Columns that have nothing to tell, or too much: empty, all null, constant, infinite, of ten thousand values."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats

import headrace as hr
from headrace.audit.data.origins import Tagged
from headrace.errors import HeadraceError
from headrace.explore import explored
from headrace.explore.against import Bin, information_value
from headrace.explore.periods import named
from headrace.explore.ranks import auc, correlation_ratio, cramers_v, midranks, spearman
from headrace.explore.rows import frame_rows
from headrace.learn.rates import wilson

AT = pd.Timestamp("2026-01-01", tz="UTC")


def look(name, values, by="", **more):
    """Explore a column of a table in memory whose rows are an hour apart."""
    columns = {"at": pa.array([AT + pd.Timedelta(hours=n) for n in range(len(values))], pa.timestamp("us", "UTC"))}
    table = pa.table(columns | {name: values} | more)
    about = {one: Tagged(str(table.schema.field(one).type)) for one in table.column_names}
    with frame_rows(table, about, "at", "a table") as rows:
        found = explored(rows, [name], name)
    told = found.text(), found.text(blocks=False), found.html(), str(found.as_dict())
    assert all(told)
    return found.facets[0]


@pytest.mark.parametrize("kind", [pa.float64(), pa.int64(), pa.string(), pa.bool_(), pa.timestamp("us", "UTC"),
                                  pa.date32(), pa.list_(pa.string()), pa.decimal128(9, 2), pa.null()])  # fmt: skip
@pytest.mark.parametrize("rows", [0, 1, 50])
def test_nothing_but_nulls(kind, rows):
    found = look("x", pa.nulls(rows, kind))
    assert (found.spread.rows, found.spread.missing, found.spread.there) == (rows, rows, 0)
    assert found.pairs == ()


@pytest.mark.parametrize("value", [3.5, 7, "a", True, AT])
@pytest.mark.parametrize("rows", [1, 50])
def test_one_value(value, rows):
    found = look("x", pa.array([value] * rows)).spread
    assert (found.distinct, found.constant, found.missing) == (1, True, 0)


def test_infinities_are_told_and_left_out():
    values = [1.0, 2.0, 3.0, np.inf, -np.inf, np.nan, None]
    found = look("x", pa.array(values)).spread
    assert (found.rows, found.missing, found.not_finite, found.there) == (7, 1, 3, 3)
    assert (found.least, found.most, found.mean, found.quantiles[0.5]) == (1, 3, 2, 2)


def test_ten_thousand_categories_are_counted_and_the_frequent_ones_told():
    rng = np.random.default_rng(0)
    values = [f"merchant {n}" for n in rng.integers(0, 10_000, 150_000)]
    found = look("x", pa.array(values)).spread
    expected = pd.Series(values).value_counts()
    assert found.distinct == len(expected)
    assert len(found.values) == 20
    assert found.values[0].rows == expected.iloc[0]
    assert [one.rows for one in found.values] == expected.iloc[:20].tolist()


def test_texts_that_hardly_repeat_are_not_told():
    found = look("x", pa.array([f"name {n}" for n in range(500)]))
    assert found.spread.values == ()
    assert found.spread.least == len("name 0")
    assert "name 1" not in str(found.as_dict())


def test_values_are_written_so_that_no_page_or_terminal_stumbles():
    strange = ["</script><b>", "[red]", "", " ", "tab\tline\n", "%s {x}", "\x1b[31m", "'; drop table x"] * 20
    found = look("x", pa.array(strange)).spread
    assert {value.value for value in found.values} == set(strange)
    table = pa.table({"x": strange})
    with frame_rows(table, {"x": Tagged("string")}, "", "a table") as rows:
        shown = explored(rows, ["x"], "x")
    assert "<b>" not in shown.html().split("</style>")[1].replace("<b>Distinct", "").split("most frequent values")[1]
    assert "\x1b" not in shown.text()
    assert "(empty)" in shown.text()
    assert "(blank)" in shown.text()


def test_names_of_columns_may_be_strange():
    table = pa.table({'a "b" %': [1.0, 2.0, 3.0], "_rows": [1, 2, 3], "select": ["x", "y", "x"]})
    about = {one: Tagged("") for one in table.column_names}
    with frame_rows(table, about, "", "a table") as rows:
        found = explored(rows, table.column_names, "all")
    assert [one.spread.distinct for one in found.facets] == [3, 3, 2]


def test_a_stray_time_does_not_stretch_the_others():
    times = [AT + pd.Timedelta(days=n / 100) for n in range(5000)]
    times[17] = pd.Timestamp("1970-01-01", tz="UTC")
    table = pa.table({"at": pa.array(times, pa.timestamp("us", "UTC")), "x": np.arange(5000.0)})
    with frame_rows(table, {"x": Tagged("")}, "at", "a table") as rows:
        periods = explored(rows, ["x"], "x").facets[0].periods
    assert (periods.each, periods.outside) == ("day", 1)
    assert named(periods.periods[0].begin, "day") == "2026-01-01"
    assert sum(one.rows for one in periods.periods) == 4999


@pytest.mark.parametrize(("days", "each"), [(2, "hour"), (60, "day"), (700, "week"), (3000, "month"), (9000, "year")])
def test_periods_without_rows_are_there_as_well(days, each):
    times = [AT, *(AT + pd.Timedelta(days=days * (0.5 + n / 200)) for n in range(100))]
    table = pa.table({"at": pa.array(times, pa.timestamp("us", "UTC")), "x": np.arange(101.0)})
    with frame_rows(table, {"x": Tagged("")}, "at", "a table") as rows:
        periods = explored(rows, ["x"], "x").facets[0].periods
    assert periods.each == each
    form = {"hour": "h", "day": "D", "week": "W-SUN", "month": "M", "year": "Y"}[each]
    expected = pd.Series(1, pd.DatetimeIndex(times).tz_convert(None).to_period(form)).groupby(level=0).sum()
    full = expected.reindex(pd.period_range(expected.index.min(), expected.index.max(), freq=expected.index.freq))
    assert [one.rows for one in periods.periods] == full.fillna(0).astype(int).tolist()


def test_statistics_are_those_of_scipy():
    rng = np.random.default_rng(3)
    x, y = rng.integers(0, 20, 400).astype(float), rng.normal(size=400)
    np.testing.assert_allclose(midranks(x), stats.rankdata(x))
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
    codes, other = rng.integers(0, 3, 5000), rng.integers(0, 4, 5000)
    other = np.where(rng.random(5000) < 0.5, codes, other)
    crossed = pd.crosstab(codes, other).to_numpy()
    plain = stats.contingency.association(crossed, method="cramer")
    assert cramers_v(codes, other) == pytest.approx(plain, abs=0.005)
    assert (
        cramers_v(rng.integers(0, 100, 5000), rng.integers(0, 100, 5000))
        < 0.05
        < stats.contingency.association(
            pd.crosstab(rng.integers(0, 100, 5000), rng.integers(0, 100, 5000)).to_numpy(), method="cramer"
        )
    )
    assert correlation_ratio(rng.integers(0, 1000, 3000), rng.normal(size=3000)) < 0.2
    groups = [y[codes[:400] == one] + one for one in range(3)]
    f = stats.f_oneway(*groups).statistic
    eta = f * 2 / (f * 2 + 397)
    joined, names = np.concatenate(groups), np.repeat(np.arange(3), [len(one) for one in groups])
    assert correlation_ratio(names, joined) == pytest.approx(np.sqrt(1 - (1 - eta) * 399 / 397))


def test_intervals_of_rates_and_of_the_auc_cover_at_their_rate():
    rng = np.random.default_rng(5)
    rates = rng.binomial(60, 0.1, 4000) / 60
    assert np.mean([low <= 0.1 <= high for low, high in (wilson(rate, 60) for rate in rates)]) > 0.93
    true, held = stats.norm.cdf(1 / np.sqrt(2)), 0
    for _ in range(400):
        y = np.repeat([True, False], [40, 120])
        x = rng.normal(size=160) + y
        value, wide = auc(midranks(x), x, y)
        held += abs(value - true) <= wide
    assert held / 400 > 0.91


def test_no_information_is_none_rather_than_zero():
    assert information_value([Bin("a", None, None, 10, 0.1)]) is None
    assert information_value([Bin("a", None, None, 10, 0.0), Bin("b", None, None, 10, 0.0)]) is None


def test_frames_without_a_project():
    rng = np.random.default_rng(0)
    df = pd.DataFrame({"at": pd.date_range(AT, periods=300, freq="1h"), "card": rng.integers(0, 9, 300)})
    df["amount"], df["country"] = rng.gamma(2, 10, 300), rng.choice(["DE", "FR"], 300)
    payments = hr.Stream.from_frame("payments", df, event_time="at")
    spending = hr.Features("spending", payments, hr.Entity("card"), {"sum_7d": hr.sum("amount", "7d")})
    found = spending.plot("sum_7d", by="country")
    expected = spending.values(df)["spending.sum_7d"]
    assert found.facets[0].spread.missing == expected.isna().sum()
    assert found.facets[0].spread.quantiles[0.5] == pytest.approx(expected.median())
    assert {one.name for one in found.facets[0].segments} == {"DE", "FR"}
    now = hr.Features("now", payments, features={"share": "amount / spending.sum_7d"})
    assert now.plot(using=spending).facets[0].column.name == "now.share"
    with pytest.raises(HeadraceError, match="HR-EXPLORE-001.*did you mean 'sum_7d'"):
        spending.plot("sum7d")
    with pytest.raises(HeadraceError, match="HR-EXPLORE-004.*did you mean 'country'"):
        payments.plot("amount", by="contry")
