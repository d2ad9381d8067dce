"""The whole road on the Fraud Detection Handbook's payments, where they are at hand."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from headrace.run import load_project, run
from headrace.run.training import train

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("HEADRACE_DATA", ROOT.parent / "shared" / "data")) / "payments" / "transactions.parquet"
DAY = 86_400_000_000


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    if not DATA.exists():
        pytest.skip("the Handbook's payments (shared/data/payments) are not here")
    folder = tmp_path_factory.mktemp("handbook")
    shutil.copytree(ROOT / "examples" / "handbook", folder, dirs_exist_ok=True)
    (folder / "data").mkdir()
    (folder / "data" / "transactions.parquet").symlink_to(DATA)
    loaded = load_project(folder)
    return loaded, run(loaded)


def test_the_declaration_is_short():
    lines = (ROOT / "examples" / "handbook" / "project.py").read_text().splitlines()
    assert len(lines) < 60


def test_every_payment_is_accepted_and_becomes_a_case(road):
    _, report = road
    figures = {step.id: step.figures for step in report.steps}
    assert figures["ingest:transactions"]["received"] == figures["ingest:transactions"]["accepted"] == 1_754_155
    cases = figures["training_set:cases"]
    assert cases["rows"] + cases["excluded"]["label not matured"] == 1_754_155


def test_features_equal_those_of_pandas_for_some_customers_and_terminals(road):
    """The same features by plain NumPy over the raw file, for a few keys."""
    import pyarrow.parquet as pq

    from headrace.learn.trainingset import build

    loaded, _ = road
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


def test_a_model_learns_what_the_handbook_says(road):
    loaded, _ = road
    report = train(loaded)[0].report
    assert report is not None
    assert report.passed
    assert 0.5 < report.metrics["average_precision"] < 0.8
    assert 0.8 < report.metrics["roc_auc"] < 0.95
