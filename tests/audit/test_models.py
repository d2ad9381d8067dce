"""What the report finds out about models: the same as scikit-learn, bands that hold, and failures that were planted."""

import re

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as sk

import headrace as hr
from headrace.audit.models.blocks import blocks_of
from headrace.audit.models.judged import judged
from headrace.audit.models.yes_no import calibration, spread_of
from headrace.audit.report import write
from headrace.errors import HeadraceError
from tests.audit.page import page_of
from tests.audit.worlds import judge, lay, made, project_of, trained
from tests.learn.test_kinds import (
    fit_classes,
    fit_isolation,
    fit_number,
    fit_quantiles,
    fit_ranking,
    labelled,
)
from tests.learn.worlds import DAY_US, START_US, fit_boosting, fit_logistic, model, world

COST = hr.lowest_cost(5.0, "now.amount")


def rows_tested(loaded, built, report):
    """Labels, scores and positions of the test rows, the long way round."""
    table = built.to_arrow(built.table.column_names).to_pandas()
    day = table["at"].dt.floor("D")
    test = table[day > day.max() - np.timedelta64(round(_days(report)), "D")]
    assert len(test) == report.fold["test_rows"]
    x = test[list(built.manifest["features"])].to_numpy(np.float32)
    return test, loaded.registry().load(report.version).score(x)


def _days(report):
    low, high = (np.datetime64(edge[:19]) for edge in report.fold["test"])
    return (high - low) / np.timedelta64(1, "D")


@pytest.mark.filterwarnings("ignore")
def test_curves_and_costs_are_those_of_scikit_learn(tmp_path, empty_registry):
    built = world()
    one = model(fit_boosting, threshold=COST, metrics=(hr.average_precision(), hr.expected_cost(5.0, "now.amount")))
    loaded, report, found = judge(tmp_path, empty_registry, one, built, block="score > 0.5")
    test, score = rows_tested(loaded, built, report)
    y, findings = test["label"].to_numpy(np.int64), found.findings.yes_no
    assert (findings.rows, findings.positives, findings.days) == (len(y), y.sum(), 7)
    false, true, _ = sk.roc_curve(y, score, drop_intermediate=False)
    for share, recall in findings.roc.points:
        assert np.min(np.hypot(false - share, true - recall)) < 1e-12
    precision, recall, _ = sk.precision_recall_curve(y, score)
    for at, value in findings.precision.points:
        assert np.min(np.hypot(recall - at, precision - value)) < 1e-12
    taken, amount = score >= report.version.record.threshold, test["now.amount"].to_numpy()
    assert findings.acting.precision == pytest.approx(sk.precision_score(y, taken))
    assert findings.acting.recall == pytest.approx(sk.recall_score(y, taken))
    cost = np.sum(np.where(taken & (y == 0), 5.0, 0.0) + np.where(~taken & (y == 1), amount, 0.0)) / 7
    assert findings.costing.chosen == pytest.approx(cost)
    assert findings.costing.nothing == pytest.approx(amount[y == 1].sum() / 7)
    at = int(np.argmin([abs(per_day - taken.sum() / 7) for per_day, _ in findings.costing.curve.points]))
    if findings.costing.curve.points[at][0] == pytest.approx(taken.sum() / 7):
        assert findings.costing.curve.points[at][1] == pytest.approx(cost)
    rivals = {rival.role: rival for rival in found.practice.rivals}
    assert rivals["model"].cost == pytest.approx(report.metrics["expected_cost"] * len(y) / 7)
    assert rivals["nothing"].cost == pytest.approx(findings.costing.nothing)
    assert rivals["model"].value == report.metrics["average_precision"]


def test_bands_hold_their_curve(tmp_path, empty_registry):
    _, _, found = judge(tmp_path, empty_registry, model(fit_boosting), world())
    for curve in (found.findings.yes_no.precision, found.findings.yes_no.roc, found.findings.yes_no.found):
        assert len(curve.points) == len(curve.low) == len(curve.high)
        for (_, y), low, high in zip(curve.points, curve.low, curve.high, strict=True):
            assert 0 <= low <= y + 1e-12
            assert y - 1e-12 <= high <= 1


def test_a_band_covers_the_truth_at_its_rate():
    """The share of positives at a score, over days that differ: 95 % bands of 200 worlds, and their true value."""
    luck, held, worlds, days = np.random.default_rng(5), 0, 200, 10
    for _ in range(worlds):
        of_day = luck.normal(0.3, 0.05, days)
        time = np.repeat(np.arange(days), 80) * DAY_US
        hits = (luck.random(days * 80) < np.repeat(of_day, 80)).astype(np.float64)
        blocks = blocks_of(time)
        cell = np.zeros(days * 80, np.int64)
        drawn = blocks.drawn(blocks.sums(cell, 1, hits)) / blocks.drawn(blocks.sums(cell, 1))
        low, high = blocks.band(np.array([hits.mean()]), drawn)
        held += low[0] <= 0.3 <= high[0]
    assert 0.9 <= held / worlds <= 0.99


def test_days_too_few_have_no_band(tmp_path, empty_registry):
    split = hr.time_split(train="20d", test="4d")
    _, _, found = judge(tmp_path, empty_registry, model(fit_boosting, split=split), world())
    assert found.findings.yes_no.precision.low == ()
    assert found.findings.segments.worse == []


def test_a_feature_range_where_too_few_are_foretold_is_named(tmp_path, empty_registry):
    """Of those who pay often, half are fraud in the days of the test, and few in those that were learned from."""
    built, luck = world(rows=24_000), np.random.default_rng(11)
    label = built.table["label"].to_numpy(zero_copy_only=False).copy()
    late = built.table["at"].cast(pa.int64()).to_numpy() >= START_US + 33 * DAY_US
    often = built.table["spending.count_7d"].to_numpy() >= 8
    label[late & often] = luck.random((late & often).sum()) < 0.5
    _, _, found = judge(tmp_path, empty_registry, model(fit_boosting), built.with_column("label", pa.array(label)))
    (part,) = [one for column, one in found.findings.segments.worse if column == "spending.count_7d" and one.off][:1]
    assert part.true > 2 * part.foretold


def test_of_two_groups_that_are_both_off_the_one_that_is_further_off_is_named(tmp_path, empty_registry):
    built, luck = world(rows=24_000), np.random.default_rng(11)
    label = built.table["label"].to_numpy(zero_copy_only=False).copy()
    late = built.table["at"].cast(pa.int64()).to_numpy() >= START_US + 33 * DAY_US
    south = luck.random(24_000) < 0.5
    for where, share in ((late & south, 0.03), (late & ~south, 0.30)):
        label[where] |= luck.random(where.sum()) < share
    shop = pa.array(np.where(south, "south", "north"))
    table = built.with_column("label", pa.array(label)).table.append_column("shop", shop)
    manifest = built.manifest | {"columns": built.manifest["columns"] | {"shop": "string"}}
    _, _, found = judge(tmp_path, empty_registry, model(fit_boosting), type(built)(table, manifest))
    assert [(one.name, one.off) for name, one in found.findings.segments.worse if name == "shop"] == [("north", True)]


def segmented(luck_of):
    """A world with a column ``shop`` of four values; in one of them the label has nothing to do with the features."""
    built, luck = world(rows=24_000), np.random.default_rng(11)
    shop = luck.choice(["east", "west", "north", "south"], 24_000, p=[0.4, 0.3, 0.2, 0.1])
    label = built.table["label"].to_numpy(zero_copy_only=False).copy()
    label[shop == luck_of] = luck.random((shop == luck_of).sum()) < 0.07
    table = built.table.set_column(built.table.column_names.index("label"), "label", pa.array(label))
    table = table.append_column("shop", pa.array(shop))
    manifest = built.manifest | {"columns": built.manifest["columns"] | {"shop": "string"}}
    return type(built)(table, manifest)


def test_a_segment_in_which_a_model_fails_is_named(tmp_path, empty_registry):
    built = segmented("north")
    loaded, report, found = judge(tmp_path, empty_registry, model(fit_boosting), built, review="score > 0.2")
    worse = found.findings.segments.worse
    column, part = worse[0]
    assert (column, part.name) == ("shop", "north")
    assert [name for name, _ in worse] == ["shop"]
    test, score = rows_tested(loaded, built, report)
    there, y = (test["shop"] == "north").to_numpy(), test["label"].to_numpy(np.int64)
    assert part.rows == there.sum()
    assert part.value == pytest.approx(sk.roc_auc_score(y[there], score[there]))
    assert part.elsewhere == pytest.approx(sk.roc_auc_score(y[~there], score[~there]))
    assert part.found == pytest.approx(sk.recall_score(y[there], score[there] >= 0.2))
    text = page_of(write(loaded).path)
    assert "<b>shop north</b>" in text
    assert text.index("<b>shop north</b>") < text.index("<h2>")
    assert write(loaded).as_dict()["models"][0]["worse"][0]["group"] == "north"


@pytest.mark.parametrize("seed", range(4))
def test_where_a_model_fails_nowhere_nothing_is_named(tmp_path, empty_registry, seed):
    _, _, found = judge(tmp_path, empty_registry, model(fit_logistic), world(seed=seed))
    assert found.findings.segments.worse == []


def test_a_segment_without_positives_has_no_value_and_no_verdict(tmp_path, empty_registry):
    built = segmented("none")
    label = built.table["label"].to_numpy(zero_copy_only=False) & (built.table["shop"].to_numpy() != "south")
    built = built.with_column("label", pa.array(label))
    _, _, found = judge(tmp_path, empty_registry, model(fit_boosting), built)
    (shop,) = [one for one in found.findings.segments.columns if one.column == "shop"]
    (south,) = [one for one in shop.parts if one.name == "south"]
    assert (south.value, south.worse, south.found, south.true) == (None, False, None, 0.0)


def test_of_ten_thousand_groups_the_largest_are_shown_and_the_rest_counted(tmp_path, empty_registry):
    built = segmented("none")
    rows = built.table.num_rows
    luck = np.random.default_rng(0)
    sizes = 1 / np.arange(1, 10_001)
    shop = pa.array([f"s{at}" for at in luck.choice(10_000, rows, p=sizes / sizes.sum())])
    built = built.with_column("shop", shop)
    loaded, report, found = judge(tmp_path, empty_registry, model(fit_boosting), built)
    test, _ = rows_tested(loaded, built, report)
    (parted,) = [one for one in found.findings.segments.columns if one.column == "shop"]
    counted = test["shop"].value_counts()
    assert len(parted.parts) == 9
    assert [one.rows for one in parted.parts[:8]] == counted.to_list()[:8]
    assert parted.others == len(counted) - 8
    assert parted.parts[-1].rows == counted.iloc[8:].sum()
    assert parted.parts[-1].name == f"the {len(counted) - 8:,} others"


def test_groups_that_a_gate_compares_are_shown_with_its_metric(tmp_path, empty_registry):
    built = segmented("north")
    one = model(fit_boosting, gates=(hr.fair_across("shop", "roc_auc", within=0.1),))
    loaded, report, found = judge(tmp_path, empty_registry, one, built)
    assert not report.passed
    shop = found.findings.segments.columns[0]
    assert (shop.column, shop.asked) == ("shop", "roc_auc")
    values = {part.name: part.asked for part in shop.parts}
    gate = report.gates[1]
    assert max(values.values()) - min(values.values()) == pytest.approx(gate.value)
    text = page_of(write(loaded).path)
    assert "may not be used: no version has passed its gates" in text
    assert "It does not treat the groups alike" in text
    assert "<b>Precision and recall</b>" in text


def test_scores_are_spread_over_their_bins():
    luck = np.random.default_rng(3)
    y, score = luck.integers(0, 2, 500), luck.random(500) ** 8
    found = spread_of(y, score)
    assert found.log
    assert (sum(found.negatives), sum(found.positives)) == ((y == 0).sum(), (y == 1).sum())
    assert len(calibration(y, score)) >= 1


def test_the_learning_curve_says_what_the_last_doubling_brought(tmp_path, empty_registry):
    _, _, found = judge(tmp_path, empty_registry, model(fit_logistic), world(rows=12_000))
    curve = found.findings.learning
    rows = [one.rows for one in curve.points]
    assert rows == sorted(rows)
    assert rows[-1] == curve.of
    assert curve.judged_on == "the last fold of validation"
    before, last = curve.points[-2:]
    assert curve.doubling == pytest.approx((last.mean - before.mean) / np.log2(last.rows / before.rows))


def test_a_learning_curve_that_takes_too_long_says_so(tmp_path, empty_registry, monkeypatch):
    from headrace.audit.models import learning

    clock = iter(np.arange(0, 1000, 2.0))
    monkeypatch.setattr(learning.clock, "monotonic_s", lambda: float(next(clock)))
    _, _, found = judge(tmp_path, empty_registry, model(fit_logistic), world())
    assert len(found.findings.learning.points) < 5
    assert "would have taken longer than" in found.findings.learning.stopped


def test_a_fit_that_no_longer_works_leaves_the_rest_of_the_page(tmp_path, empty_registry):
    calls = []

    def fit(train):
        calls.append(len(train.y))
        if len(calls) > 1:
            raise RuntimeError
        return fit_logistic(train)

    loaded, _, found = judge(tmp_path, empty_registry, model(fit), world())
    assert "RuntimeError in fit" in found.findings.learning.stopped
    assert "That cannot be told" in page_of(write(loaded).path)


TASKS = {
    "regression": (fit_number, "number", hr.regression(), (hr.rmse(), hr.mae())),
    "quantiles": (fit_quantiles, "number", hr.quantiles(0.1, 0.5, 0.9), (hr.pinball(), hr.coverage())),
    "multiclass": (fit_classes, "multiclass", hr.multiclass(), (hr.log_loss(), hr.accuracy())),
    "ranking": (fit_ranking, "relevance", hr.ranking(by="customer_id"), (hr.ndcg(3),)),
    "anomaly": (fit_isolation, "binary", hr.anomaly(), (hr.roc_auc(),)),
}
SHOWN = {
    "regression": ("Foretold and true", "Residuals", "Furthest from the truth"),
    "quantiles": ("Do the quantiles hold", "of a constant"),
    "multiclass": ("What is taken for what", "Class by class", "very high"),
    "ranking": ("Gain by depth", "From group to group"),
    "anomaly": ("Precision and recall", "ROC", "Scores by label"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_its_figures(tmp_path, empty_registry, name):
    fit, label, task, measured = TASKS[name]
    split = hr.time_split(train="20d", test="5d")
    one, built = model(fit, metrics=measured, task=task, split=split), labelled(label)
    loaded, report, found = judge(tmp_path, empty_registry, one, built)
    test, score = rows_tested(loaded, built, report)
    findings = found.findings
    y = test["label"].to_numpy()
    if name == "regression":
        assert findings.numbers.bias == pytest.approx((score - y).mean())
        assert sum(map(sum, findings.numbers.counts)) == len(y)
        assert findings.segments.whole == pytest.approx(sk.mean_absolute_error(y, score))
    if name == "quantiles":
        below = [level.below for level in findings.quantiles.levels]
        assert below == pytest.approx([(y <= score[:, at]).mean() for at in range(3)])
        expected = [sk.mean_pinball_loss(y, score[:, at], alpha=level) for at, level in enumerate((0.1, 0.5, 0.9))]
        assert [level.pinball for level in findings.quantiles.levels] == pytest.approx(expected)
    if name == "multiclass":
        names = np.array(["low", "night", "very high"])
        named = names[np.argmax(score, axis=1)]
        shown = list(findings.classes.shown)
        assert (sk.confusion_matrix(y, named, labels=shown) == np.array(findings.classes.confusion)).all()
        precision, recall, f1, rows = sk.precision_recall_fscore_support(y, named, labels=shown, zero_division=0)
        for at, one_class in enumerate(findings.classes.classes):
            assert one_class.rows == rows[at]
            assert (one_class.precision or 0, one_class.recall) == pytest.approx((precision[at], recall[at]))
            assert one_class.f1 == pytest.approx(f1[at])
    if name == "ranking":
        at_3 = findings.ranked.ndcg[findings.ranked.depths.index(3)]
        gains = [
            sk.ndcg_score([rows["label"]], [score[place]], k=3)
            for _, rows, place in _grouped(test)
            if rows["label"].sum() > 0 and len(rows) > 1
        ]
        alone = sum(1 for _, rows, _ in _grouped(test) if rows["label"].sum() > 0 and len(rows) == 1)
        assert at_3 == pytest.approx((sum(gains) + alone) / (len(gains) + alone))
    if name == "anomaly":
        assert findings.yes_no.bins == ()
    text = page_of(write(loaded).path)
    assert all(words in text for words in SHOWN[name])


def _grouped(test):
    for key, rows in test.reset_index(drop=True).groupby("customer_id"):
        yield key, rows, rows.index.to_numpy()


def test_one_feature_is_enough(tmp_path, empty_registry):
    from tests.learn.worlds import FakeBuilt

    built = world()
    one = model(fit_logistic)
    alone = FakeBuilt(
        built.table.drop_columns(["spending.count_7d", "spending.mean_7d", "now.night"]),
        built.manifest | {"features": ["now.amount"], "columns": {"now.amount": "double", "label": "bool"}},
    )
    now = hr.Features("now", one.cases.spine, features={"amount": "amount"})
    cases = hr.TrainingSet("cases", one.cases.spine, [now], one.cases.label)
    one = hr.Model("fraud_score", cases, fit_logistic, hr.time_split("20d", "7d"), [hr.average_precision()])
    loaded, _, found = judge(tmp_path, empty_registry, one, alone)
    assert [each.name for each in found.findings.importance.features] == ["now.amount"]
    page_of(write(loaded).path)


def test_a_set_that_is_gone_leaves_what_is_on_record(tmp_path, empty_registry):
    one, built = model(fit_logistic), world()
    loaded = made(tmp_path / "state", empty_registry, project_of(one), built)
    trained(loaded, one, built)
    next((loaded.state_dir / "sets").rglob("manifest.json")).unlink()
    lay(loaded, world(seed=9, fingerprint="b" * 64))
    (found,) = judged(loaded)
    assert found.findings is None
    assert "the set that it learned from is no longer there" in page_of(write(loaded).path)


def test_a_model_file_that_was_altered_is_told_and_not_used(tmp_path, empty_registry):
    one, built = model(fit_logistic), world()
    loaded = made(tmp_path / "state", empty_registry, project_of(one), built)
    report = trained(loaded, one, built)
    loaded.registry().path(report.version).write_bytes(b"altered")
    text = page_of(write(loaded).path)
    assert "altered since it was registered" in text


def test_the_champion_before_is_judged_on_the_same_rows(tmp_path, empty_registry):
    built = world()
    first = model(fit_logistic)
    loaded = made(tmp_path / "state", empty_registry, project_of(first), built)
    before = trained(loaded, first, built)
    second = model(fit_boosting)
    after = trained(loaded, second, built)
    shown = after.version if after.champion else before.version
    loaded = type(loaded)(project_of(second), loaded.state_dir)
    (found,) = judged(loaded)
    assert found.shown.number == shown.number
    if after.champion:
        (rival,) = [one for one in found.practice.rivals if one.role == "before"]
        assert rival.value == pytest.approx(before.metrics["average_precision"])
        assert rival.note == ""


def test_a_name_that_is_no_model_is_told(tmp_path, empty_registry):
    loaded = made(tmp_path / "state", empty_registry, project_of(model(fit_logistic)), world())
    with pytest.raises(HeadraceError, match="HR-LEARN-040"):
        judged(loaded, ["fraud_scor"])


def test_values_of_persons_are_not_on_the_page(tmp_path, empty_registry):
    loaded, _, found = judge(tmp_path, empty_registry, model(fit_logistic), world())
    text = page_of(write(loaded).path)
    assert not re.search(r"\bp\d{3,4}\b", text)
    assert all(one.column != "payment_id" for one in found.findings.segments.columns)
