"""The whole road on the Fraud Detection Handbook's payments, where they are at hand."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from bench import handbook
from bench.handbook import DATA, ROOT
from headrace.learn.trainingset import build
from headrace.run import load_project, run
from headrace.serve import parity

DAY = 86_400_000_000
FOREST, TREES, TRIALS = "RandomForestClassifier(100,", 20, 3
"""The example's forest takes minutes to search: here it is smaller."""


@pytest.fixture(scope="module")
def early(tmp_path_factory):
    """The project with the payments until the labels of the Handbook's test week have matured, and its first run."""
    if not DATA.exists():
        pytest.skip("the Handbook's payments (shared/data/payments) are not here")
    folder = tmp_path_factory.mktemp("handbook")
    handbook.laid(folder)
    text = (folder / "project.py").read_text()
    (folder / "project.py").write_text(text.replace(FOREST, f"RandomForestClassifier({TREES},"))
    loaded = load_project(folder)
    return loaded, run(loaded)


@pytest.fixture(scope="module")
def trained(early):
    report, alone = handbook.learned(early[0], TRIALS)
    return early[0], report, alone


@pytest.fixture(scope="module")
def served(trained):
    return trained[0], handbook.serve_live(trained[0])


@pytest.fixture(scope="module")
def whole(served):
    """The project with all payments: from the first file, the service and the second file; and its last run."""
    return served[0], handbook.add_rest(served[0])


def test_the_declaration_is_short():
    lines = (ROOT / "examples" / "handbook" / "project.py").read_text().splitlines()
    assert len(lines) < 100


def test_the_weeks_are_those_of_the_handbook(trained):
    """The book: 201,295 payments from 25 July to 14 August, 1,792 of them frauds; learn for 7 days, wait 7, judge 7."""
    _, report, _ = trained
    raw = pq.read_table(DATA, columns=["TX_DATETIME", "TX_FRAUD"]).to_pandas()
    begin, learned, judged, end = np.array(["2018-07-25", "2018-08-01", "2018-08-08", "2018-08-15"], dtype="M8[ns]")

    def of(first, last):
        return raw[(raw["TX_DATETIME"] >= first) & (raw["TX_DATETIME"] < last)]

    assert (len(of(begin, end)), of(begin, end)["TX_FRAUD"].sum()) == (201_295, 1_792)
    assert report.fold["train_rows"] == len(of(begin, learned))
    # A label has matured when 7 days have passed in the data; the newest payment came minutes before midnight.
    newest = raw["TX_DATETIME"][raw["TX_DATETIME"] < end + np.timedelta64(7, "D")].max()
    matured = of(judged, newest - np.timedelta64(7, "D") + np.timedelta64(1, "us"))
    assert report.fold["test_rows"] == len(matured) == len(of(judged, end)) - 4
    assert [day[:10] for day in report.fold["test"]] == ["2018-08-08", "2018-08-15"]


def test_each_way_alone_learns_what_the_handbook_says(trained):
    """The book leaves known cards out of the first two metrics, too: of these it says the order of magnitude."""
    _, _, alone = trained
    for fit, (_, *published) in handbook.PUBLISHED.items():
        for value, wanted in zip(alone[fit].metrics.values(), published, strict=True):
            assert abs(value - wanted) < 0.12, (fit, dict(alone[fit].metrics))


def test_what_is_chosen_before_the_test_is_as_good_as_the_best_of_them(trained):
    _, report, alone = trained
    assert report.passed
    assert report.champion
    best = max(one.metrics["average_precision"] for one in alone.values())
    assert report.metrics["average_precision"] >= best


def test_live_payments_are_decided_and_parity_is_proven(served):
    loaded, answers = served
    assert len(answers.answers) == handbook.LIVE
    assert {one["decision"] for one in answers.answers} == {"allow", "review"}
    report = parity(loaded)
    assert (report.records, report.skipped, report.examples) == (handbook.LIVE, {}, [])
    assert report.compared == handbook.LIVE * 17, "15 features, score and decision"
    assert report.differing == 0


def test_every_payment_is_accepted_once_from_files_and_service(early, whole):
    (_, before), (_, after) = early, whole
    first, last = ({step.id: step.figures for step in report.steps} for report in (before, after))
    assert first["ingest:transactions"]["received"] == first["ingest:transactions"]["accepted"] == 1_370_827
    assert last["ingest:transactions"]["received"] == last["ingest:transactions"]["accepted"] == 1_754_155
    cases = last["training_set:cases"]
    assert cases["rows"] + cases["excluded"]["label not matured"] == 1_754_155


def test_what_was_served_is_what_the_training_set_holds_later(served, whole):
    loaded, live = whole[0], handbook.payments(before=False).slice(0, handbook.LIVE)
    built = build(loaded.project.all_training_sets["cases"], loaded.lake(), loaded.state_dir)
    rows = built.to_pandas().set_index("TRANSACTION_ID").loc[live["TRANSACTION_ID"].to_pylist()]
    for name in built.manifest["features"]:
        answered = [one["features"][name] for one in served[1].answers]
        assert np.array_equal(np.array(answered, dtype=float), rows[name].to_numpy(dtype=float), equal_nan=True), name


def test_features_equal_those_of_numpy_for_some_customers_and_terminals(whole):
    """The same features by plain NumPy over the raw file, for a few keys."""
    loaded, _ = whole
    raw = pq.read_table(DATA).to_pandas().sort_values("TX_DATETIME", kind="stable")
    cases = loaded.project.all_training_sets["cases"]
    built = build(cases, loaded.lake(), loaded.state_dir).to_pandas().set_index("TRANSACTION_ID")
    time = raw["TX_DATETIME"].to_numpy().astype("datetime64[us]").astype(np.int64)
    for customer in (1, 596, 4961):
        mine = raw[raw["CUSTOMER_ID"] == customer]
        at = time[(raw["CUSTOMER_ID"] == customer).to_numpy()]
        for position in range(0, len(mine), 37):
            row = mine.iloc[position]
            if row["TRANSACTION_ID"] not in built.index:
                continue
            for days in (1, 7, 30):
                inside = (at >= at[position] - days * DAY) & (at < at[position])
                inside[position] = True
                found = built.loc[row["TRANSACTION_ID"]]
                assert found[f"customer.count_{days}d"] == inside.sum()
                assert found[f"customer.amount_{days}d"] == pytest.approx(mine["TX_AMOUNT"][inside].mean(), rel=1e-12)
    for terminal in (3, 3156, 9999):
        mine = raw[raw["TERMINAL_ID"] == terminal]
        at = time[(raw["TERMINAL_ID"] == terminal).to_numpy()]
        for position in range(0, len(mine), 37):
            row = mine.iloc[position]
            if row["TRANSACTION_ID"] not in built.index:
                continue
            for days in (1, 7, 30):
                end = at[position] - 7 * DAY
                inside = (at >= end - days * DAY) & (at < end)
                found = built.loc[row["TRANSACTION_ID"]]
                assert found[f"terminal.count_{days}d"] == inside.sum()
                share = found[f"terminal.risk_{days}d"]
                assert np.isnan(share) if not inside.any() else share == mine["TX_FRAUD"][inside].mean()
