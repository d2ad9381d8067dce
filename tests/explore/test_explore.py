"""What is explored: its numbers beside those of pandas, SciPy and scikit-learn, and what must not be shown."""

import json
import re
import shutil
import warnings

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

import headrace as hr
from headrace.cli.app import main
from headrace.errors import HeadraceError
from headrace.explore import explore
from headrace.run import load_project
from tests.browser import browser
from tests.explore.world import ROWS, SECRET, events, make

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return make(tmp_path_factory.mktemp("explore") / "shop")


@pytest.fixture(scope="module")
def frame(shop):
    """The built set of cases, as of the time of each row."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return shop.project.all_training_sets["cases"].build(shop.folder).to_pandas()


@pytest.fixture(scope="module")
def mean(shop):
    """The feature that most tests are about."""
    return explore(shop, "spending.mean_7d", by="country", of="cases")


def one(found, name=None):
    return next(each for each in found.facets if name is None or each.column.name == name)


def test_the_figures_of_a_column_are_those_of_pandas(shop):
    expected, spread = events()["amount"], one(explore(shop, "payments.amount")).spread
    assert (spread.rows, spread.missing) == (ROWS, int(expected.isna().sum()))
    assert (spread.distinct, spread.exact) == (expected.nunique(), True)
    assert (spread.least, spread.most) == (expected.min(), expected.max())
    assert spread.mean == pytest.approx(expected.mean(), rel=1e-12)
    assert spread.deviation == pytest.approx(expected.std(), rel=1e-9)
    assert spread.quantiles == pytest.approx({share: expected.quantile(share) for share in spread.quantiles})
    low, high = expected.quantile([0.25, 0.75])
    beyond = [(expected < low - n * (high - low)) | (expected > high + n * (high - low)) for n in (1.5, 3)]
    assert [spread.outliers, spread.far] == [int(rows.sum()) for rows in beyond]
    assert sum(spread.bins.counts) == expected.notna().sum()
    inside = expected.dropna().clip(spread.bins.low, spread.bins.high)
    counted, _ = np.histogram(inside, np.linspace(spread.bins.low, spread.bins.high, len(spread.bins.counts) + 1))
    assert np.abs(np.array(spread.bins.counts) - counted).sum() <= 2  # a value on an edge may lie on its other side


def test_features_are_those_of_the_training_set_as_of_their_time(mean, frame):
    expected, spread = frame["spending.mean_7d"], one(mean).spread
    assert (spread.rows, spread.missing) == (len(frame), int(expected.isna().sum()))
    assert spread.quantiles == pytest.approx({share: expected.quantile(share) for share in spread.quantiles})


def test_periods_are_those_of_pandas(mean, frame):
    periods = one(mean).periods
    assert periods.each == "day"
    by_day = frame.groupby(frame["at"].dt.floor("D"))["spending.mean_7d"]
    assert [period.rows for period in periods.periods] == by_day.size().tolist()
    assert [period.missing for period in periods.periods] == by_day.apply(lambda day: day.isna().sum()).tolist()
    for share, name in ((0.25, "low"), (0.5, "median"), (0.75, "high")):
        found = [np.nan if getattr(period, name) is None else getattr(period, name) for period in periods.periods]
        np.testing.assert_allclose(found, by_day.quantile(share), rtol=1e-9)


def test_rates_of_the_label_have_the_intervals_of_wilson(mean, frame):
    against = one(mean).against
    assert sum(each.rows for each in against.bins) == len(frame)
    assert len(against.bins) == 11
    for each in against.bins:
        x = frame["spending.mean_7d"]
        rows = x.isna() if each.name == "missing" else (x > each.low) & (x <= each.high)
        if each is against.bins[0]:
            rows = x <= each.high
        y = frame.loc[rows, "label"]
        assert (each.rows, each.mean) == (len(y), pytest.approx(y.mean()))
        interval = stats.binomtest(int(y.sum()), len(y)).proportion_ci(method="wilson")
        assert (each.least, each.most) == pytest.approx((interval.low, interval.high), abs=1e-9)
    yes = np.array([each.rows * each.mean for each in against.bins]) + 0.5
    no = np.array([each.rows * (1 - each.mean) for each in against.bins]) + 0.5
    p, q = yes / yes.sum(), no / no.sum()
    assert against.value == pytest.approx(((p - q) * np.log(p / q)).sum())


def test_a_column_alone_is_worth_what_scikit_learn_says(shop, frame):
    from sklearn.metrics import roc_auc_score

    alone = one(explore(shop, "now.amount", of="cases")).against.alone
    there = frame["now.amount"].notna()
    y, x = frame.loc[there, "label"].to_numpy(), frame.loc[there, "now.amount"].to_numpy()
    assert alone.value == pytest.approx(roc_auc_score(y, x))
    rng = np.random.default_rng(1)
    drawn = (rng.integers(0, len(y), len(y)) for _ in range(300))
    deviation = np.std([roc_auc_score(y[rows], x[rows]) for rows in drawn])
    assert (alone.most - alone.least) / 2 / 1.96 == pytest.approx(deviation, rel=0.2)


def test_a_column_of_a_stream_is_held_against_the_label_of_its_cases(shop, frame):
    found = explore(shop, "payments.online", of="cases")
    merged = frame[["payment_id", "label"]].merge(events()[["payment_id", "online"]])
    assert found.truth.rows == len(merged) == len(frame)
    rates = {each.name: (each.rows, each.mean) for each in one(found).against.bins}
    for value in (True, False):
        y = merged.loc[merged["online"] == value, "label"]
        assert rates[str(value).lower()] == (len(y), pytest.approx(y.mean()))


def test_the_mean_of_a_number_and_the_shares_of_classes(shop):
    found = explore(shop, "now.amount")  # losses, which a model learns from, comes first
    built = shop.project.all_training_sets["losses"].build(shop.folder).to_pandas()
    assert (found.truth.name, found.truth.task) == ("losses.label", "regression")
    there = built["now.amount"].notna()
    expected = stats.spearmanr(built.loc[there, "now.amount"], built.loc[there, "label"]).statistic
    assert one(found).against.alone.value == pytest.approx(expected)
    missing = one(found).against.bins[-1]
    y = built.loc[~there, "label"]
    half = 1.959963984540054 * y.std() / np.sqrt(len(y))
    assert (missing.name, missing.rows, missing.mean) == ("missing", len(y), pytest.approx(y.mean()))
    assert (missing.least, missing.most) == pytest.approx((y.mean() - half, y.mean() + half))

    classes = explore(shop, "now.online", of="reasons")
    built = shop.project.all_training_sets["reasons"].build(shop.folder).to_pandas()
    counts = built["label"].value_counts()
    assert (classes.truth.task, classes.truth.classes) == ("multiclass", tuple(map(str, counts.index)))
    stolen = {each.name: each.shares[classes.truth.classes.index("2")] for each in one(classes).against.bins}
    assert stolen == {"true": 1.0, "false": 0.0}
    assert one(classes).against.alone.value == pytest.approx(1, abs=0.01)


def test_segments_are_told_one_by_one(mean, frame):
    merged = frame.merge(events()[["payment_id", "country"]], on="payment_id")
    segments = {each.name: each for each in one(mean).segments}
    assert set(segments) == {"DE", "FR", "<i>IT</i>", "missing"}
    for name, each in segments.items():
        rows = merged[merged["country"].isna() if name == "missing" else merged["country"] == name]
        x = rows["spending.mean_7d"]
        assert (each.rows, each.missing, each.cases) == (len(rows), int(x.isna().sum()), len(rows))
        assert [each.lower, each.median, each.upper] == pytest.approx(x.quantile([0.25, 0.5, 0.75]).tolist())
        assert each.mean == pytest.approx(rows["label"].mean())


def test_numbers_part_at_their_quartiles_and_a_category_tells_its_frequent_value(shop):
    expected = events()
    found = one(explore(shop, "payments.country", by="amount")).segments
    assert [each.name for each in found] == ["", "", "", "", "missing"]
    edges = expected["amount"].quantile([0.25, 0.5, 0.75], interpolation="lower").tolist()
    first = expected[expected["amount"] <= edges[0]]
    assert found[0].rows == pytest.approx(len(first), abs=2)
    assert found[0].frequent == "DE"
    assert found[0].share == pytest.approx((first["country"] == "DE").sum() / first["country"].notna().sum(), abs=0.01)


def test_other_columns_are_told_with_the_measure_that_fits(shop, frame):
    pairs = {pair.name: pair for pair in one(explore(shop, "now.amount", of="cases")).pairs}
    assert next(iter(pairs)) == "now.twice"
    assert (pairs["now.twice"].measure, pairs["now.twice"].value) == ("spearman", pytest.approx(1))
    both = frame[["now.amount", "leaky.fee"]].dropna()
    assert pairs["leaky.fee"].value == pytest.approx(stats.spearmanr(*both.T.to_numpy()).statistic)
    assert pairs["now.online"].measure == "correlation_ratio"


def test_a_planted_leak_is_named_and_nothing_else(shop):
    found = explore(shop, "cases")
    suspects = {each.column.name: each.suspects for each in found.facets if each.suspects}
    assert list(suspects) == ["leaky.fee"]
    assert "leaky.fee alone orders 100.0% of all pairs" in suspects["leaky.fee"][0]
    settled = one(explore(shop, "payments.settled_at", of="cases")).suspects
    assert any("knows the future" in sentence for sentence in settled)
    assert not one(explore(shop, "payments.at", of="cases")).suspects
    page = found.html()
    assert "1 suspect of a leak" in page
    assert '<b class="bad">1</b>' in page


def test_nothing_personal_is_told(shop):
    told = []
    for name in ("payments", "cases", "limits", "daily"):
        found = explore(shop, name)
        told += [json.dumps(found.as_dict(), default=str), found.text(), found.html()]
    whole = "\n".join(told)
    assert SECRET not in whole
    assert not re.search(r"\b70[,.]?0\d\d\b", whole), "an age"
    hidden = {each.column.name for each in explore(shop, "payments").facets if each.column.about.hidden}
    assert hidden == {"payments.payment_id", "payments.card", "payments.age", "payments.address.street"}
    ids = explore(shop, "ids")
    assert [each.column.about.tags for each in ids.facets] == [("key",), ("subject",)]
    assert SECRET not in json.dumps(ids.as_dict(), default=str) + ids.text() + ids.html()
    age = one(explore(shop, "who.age", of="cases"))
    assert age.column.about.hidden
    shape = age.as_dict()["spread"]
    assert sum(shape["bins"]["rows"]) == age.spread.rows
    assert not {"low", "high"} & set(shape["bins"])
    assert {each.low for each in age.against.bins} == {None}
    with pytest.raises(HeadraceError, match="HR-EXPLORE-003"):
        explore(shop, "payments.amount", by="age")
    with pytest.raises(HeadraceError, match="HR-EXPLORE-003"):
        explore(shop, "payments.amount", by="note")


def test_times_days_lists_and_fields_within(shop):
    expected = events()
    at = one(explore(shop, "payments.at")).spread
    assert at.least == expected["at"].min().value // 1000
    assert list(at.hours) == [int((expected["at"].dt.hour == hour).sum()) for hour in range(24)]
    assert list(at.weekdays) == [int((expected["at"].dt.dayofweek == day).sum()) for day in range(7)]
    day = one(explore(shop, "payments.day")).spread
    assert (day.distinct, day.hours) == (expected["day"].nunique(), ())
    city = one(explore(shop, "payments.address.city")).spread
    assert {value.value: value.rows for value in city.values} == expected["city"].value_counts().to_dict()
    items = one(explore(shop, "payments.items")).spread
    assert (items.least, items.most, items.mean) == (0, 3, pytest.approx(expected["items"].map(len).mean()))


def test_the_same_is_told_each_time_also_of_a_sample(shop, monkeypatch):
    monkeypatch.setattr("headrace.explore.rows.SAMPLE", 500)
    first, again = (explore(shop, "cases").as_dict() for _ in range(2))
    assert first == again
    assert first["sample"]["seed"] == 0
    assert 400 < first["sample"]["rows"] < 600
    assert first["columns"][0]["spread"]["rows"] == first["sample"]["of"]
    assert "drawn evenly" in explore(shop, "cases").text()


def test_a_label_of_an_older_build_is_said_to_be_one(shop, tmp_path):
    shutil.copytree(shop.folder, tmp_path / "shop")
    later = load_project(tmp_path / "shop")
    assert explore(later, "payments.amount").notes == ()
    lake = later.lake()
    lake.append("payments", lake.read("payments").slice(0, 1))
    (note,) = explore(later, "payments.amount").notes
    assert "the label is of losses as built of version" in note


def test_of_many_columns_fewer_rows_are_drawn(shop, monkeypatch):
    monkeypatch.setattr("headrace.explore.rows.CELLS", 4000)
    drawn = explore(shop, "cases").drawn
    assert 300 < drawn.rows < 700
    assert drawn.of > 2000


def test_unknown_names_and_what_is_not_there(shop):
    for name, said in (
        ("payments.amuont", "HR-EXPLORE-001.*did you mean 'payments.amount'"),
        ("spendin", "HR-EXPLORE-001.*did you mean 'spending'"),
        ("spending.mean7d", "did you mean 'spending.mean_7d'"),
        ("visits", "HR-EXPLORE-002"),
        ("state.limit", "HR-EXPLORE-006"),
    ):
        with pytest.raises(HeadraceError, match=said):
            explore(shop, name)
    with pytest.raises(HeadraceError, match="HR-EXPLORE-004.*did you mean 'country'"):
        explore(shop, "payments.amount", by="countri")
    with pytest.raises(HeadraceError, match="HR-EXPLORE-004.*did you mean 'country'"):
        explore(shop, "spending.mean_7d", by="contry")
    with pytest.raises(HeadraceError, match="HR-EXPLORE-005.*did you mean 'cases'"):
        explore(shop, "spending", of="case")
    assert explore(shop, "mean_7d").facets[0].column.name == "spending.mean_7d"


def test_a_group_of_no_set_is_computed_by_the_engine_at_each_event_of_its_stream(shop):
    found = explore(shop, "habit.most_7d")
    payments = shop.lake().read("payments").to_pandas()
    expected = shop.project.feature_groups["habit"].values(payments, folder=shop.folder)["habit.most_7d"]
    spread = one(found).spread
    assert (spread.rows, spread.missing) == (ROWS, int(expected.isna().sum()))
    assert spread.quantiles[0.5] == expected.quantile(0.5)
    assert "no training set has habit" in found.text()
    assert found.truth is None


def test_the_command_tells_people_programs_and_browsers(shop, tmp_path):
    def run(*args):
        return CliRunner().invoke(main, ["explore", *args, "--project", str(shop.folder)])

    told = run("payments.amount", "--set", "cases")
    assert told.exit_code == 0, told.output
    assert "payments.amount  float | None, EUR" in told.output
    assert "#####" in told.output
    assert "█" not in told.output
    page = tmp_path / "amount.html"
    document = json.loads(run("payments.amount", "--json", "--html", str(page)).stdout)
    assert (document["ok"], document["target"], document["html"]) == (True, "payments.amount", "amount.html")
    assert document["columns"][0]["spread"]["missing"] == int(events()["amount"].isna().sum())
    text = page.read_text()
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", text)
    assert run("payments.nothing").exit_code == 2
    assert run("payments.amount", "--open").exit_code == 2
    for name in ("payments", "cases", "spending", "limits", "daily.paid"):
        done = run(name, "--html", str(tmp_path / f"{name}.html"))
        assert done.exit_code == 0, done.output


def test_a_notebook_shows_the_page_of_a_declared_value(shop, monkeypatch, tmp_path):
    monkeypatch.chdir(shop.folder / "data")
    project = shop.project
    assert project.explore("now.amount").as_dict()["target"] == "now.amount"
    found = project.feature_groups["spending"].plot("mean_7d", by="country", of="cases")
    assert found.truth.name == "cases.label"
    assert found._repr_html_().startswith('<iframe title="spending.mean_7d explored" sandbox=""')
    assert repr(found) == found.text()
    assert project.streams["payments"].plot("amount").name == "payments.amount"
    assert len(project.all_training_sets["cases"].plot().facets) == 8
    stream = project.streams["payments"]
    other = hr.Features("spending", stream, by=hr.Entity("card"), features={"sum_7d": hr.sum("amount", "7d")})
    with pytest.raises(HeadraceError, match="HR-PROJECT-001"):
        other.plot(folder=tmp_path)
    by_payment = hr.Features(
        "spending", stream, by=hr.Entity("payment_id"), features=project.feature_groups["spending"].features
    )
    assert one(by_payment.plot("count_7d")).spread.most == 0
    computed, rows = one(other.plot()), shop.lake().read("payments").to_pandas()
    expected = other.values(rows)["spending.sum_7d"]
    assert (computed.column.name, computed.spread.missing) == ("spending.sum_7d", int(expected.isna().sum()))
    assert computed.spread.mean == pytest.approx(expected.mean())


def test_the_page_stands_by_itself_and_fits_a_phone(shop, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(explore(shop, "cases", by="country").html(), encoding="utf-8")
    with browser(tmp_path / "profile") as page:
        page.open(path, width=390)
        assert page.value("document.documentElement.scrollWidth") <= 390
        assert page.value("document.querySelectorAll('svg').length") > 20
        assert [url for url in page.requests if not url.startswith("file:")] == []
        assert page.said == []
