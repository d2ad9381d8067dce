"""Upkeep within a project: what sets, models and decisions name stays readable."""

import json

import pyarrow as pa
import pytest

from headrace import clock
from headrace.errors import HeadraceError
from headrace.run import compact, drop, load_project, run, vacuum
from headrace.run.pins import pinned
from tests.run.bank import WITH_MODEL, add_month, make_bank


@pytest.fixture
def bank(tmp_path, monkeypatch):
    folder = make_bank(tmp_path / "bank", WITH_MODEL)
    run(load_project(folder))
    add_month(folder, 2)
    compact(load_project(folder))
    run(load_project(folder))
    later = clock.now_us() + 100 * 86_400_000_000
    monkeypatch.setattr(clock, "now_us", lambda: later)
    return folder


def test_what_a_set_came_from_stays_and_the_rest_goes(bank):
    loaded = load_project(bank)
    lake, pins = loaded.lake(), pinned(loaded)
    manifests = [json.loads(path.read_text()) for path in loaded.state_dir.glob("sets/cases/*/manifest.json")]
    assert len(manifests) == 2
    assert pins["payments"] == {one["versions"]["payments"] for one in manifests}
    old = lake.version("daily")
    lake.overwrite("daily", lake.read("daily"))
    compact(loaded)
    before = {n: lake.read("payments", version=n) for n in pins["payments"]}
    told = vacuum(loaded, 3_600_000_000, dry_run=True)
    assert told["daily"].files > 0
    assert vacuum(loaded, 3_600_000_000) == told
    assert {n: lake.read("payments", version=n) for n in pins["payments"]} == before
    assert old in lake.unreadable("daily")
    steps = {step.id: step.action for step in run(load_project(bank)).steps}
    assert steps["training_set:cases"] == "kept"


def test_versions_that_decisions_name_stay(bank):
    loaded = load_project(bank)
    lake, seen = loaded.lake(), loaded.lake().version("daily")
    lake.append("decisions_desk", pa.table({"horizon": [json.dumps({"payments": 7, "daily": seen})]}))
    lake.overwrite("daily", lake.read("daily").slice(0, 1))
    assert pinned(loaded)["daily"] == {seen}
    assert 7 not in pinned(loaded)["payments"], "that is a sequence"
    rows = lake.read("daily", version=seen)
    vacuum(loaded, 3_600_000_000)
    assert lake.read("daily", version=seen).equals(rows)


def test_versions_that_registered_models_name_stay(bank, monkeypatch):
    from types import SimpleNamespace

    from headrace.run import pins

    record = SimpleNamespace(origin=SimpleNamespace(data={"payments": 1}))
    monkeypatch.setattr(pins, "registry", lambda _: SimpleNamespace(records=lambda: [record]))
    assert 1 in pinned(load_project(bank))["payments"]


def test_a_manifest_that_cannot_be_read_stops_it(bank):
    loaded = load_project(bank)
    (manifest, *_) = loaded.state_dir.glob("sets/cases/*/manifest.json")
    manifest.write_text("{}")
    files = sorted(loaded.state_dir.glob("lake/*/*.parquet"))
    with pytest.raises(HeadraceError, match=r"HR-LAKE-016 sets/cases/\w+/manifest.json"):
        vacuum(loaded, 0)
    assert sorted(loaded.state_dir.glob("lake/*/*.parquet")) == files


def test_a_table_that_is_no_longer_declared_is_dropped_with_what_is_kept_beside_it(tmp_path):
    folder = make_bank(tmp_path / "bank")
    run(load_project(folder))
    loaded = load_project(folder)
    lake = loaded.lake()
    for name in ("old", "loads_old", "quarantine_old", "older", "decisions_gone"):
        lake.append(name, pa.table({"n": [1], "horizon": ["{}"]}))
    for name in ("payments", "loads_payments", "run_log", "loads_old", "decisions_gone"):
        with pytest.raises(HeadraceError, match="HR-LAKE-029"):
            drop(loaded, name)
    with pytest.raises(HeadraceError, match="HR-LAKE-001: found no table odl"):
        drop(loaded, "odl")
    lake.drop("payments")  # a stream of which no row was ever accepted
    with pytest.raises(HeadraceError, match="HR-LAKE-029"):
        drop(loaded, "payments")
    assert lake.exists("quarantine_payments")
    lake.drop("loads_old")
    assert drop(loaded, "old") == ["old", "quarantine_old"]
    assert not [one for one in lake.tables() if one.endswith("old")]
    assert "older" in lake.tables()
    assert not list(lake.root.glob("*.dropped"))
    lake.append("old", pa.table({"n": [2, 3]}))
    assert lake.read("old").to_pydict() == {"n": [2, 3]}


def test_a_table_that_something_on_record_names_is_not_dropped(bank):
    loaded = load_project(bank)
    lake = loaded.lake()
    for name in ("seen", "learned", "unseen"):
        lake.append(name, pa.table({"n": [1]}))
    lake.append("decisions_desk", pa.table({"horizon": [json.dumps({"seen": 7})]}))
    manifest = next(loaded.state_dir.glob("sets/cases/*/manifest.json"))
    said = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(said | {"versions": {**said["versions"], "learned": 0}}))
    for name in ("seen", "learned"):
        with pytest.raises(HeadraceError, match="HR-LAKE-029.*on record names"):
            drop(loaded, name)
    assert drop(loaded, "unseen") == ["unseen"]


def test_what_was_dropped_is_made_again_once_it_is_declared(tmp_path):
    folder = make_bank(tmp_path / "bank")
    run(load_project(folder))
    project = folder / "project.py"
    whole = project.read_text()
    rows = load_project(folder).lake().rows("daily")
    project.write_text(whole.replace("sources=[daily, weekly, ", "sources=["))
    loaded = load_project(folder)
    assert "daily" not in loaded.project.tables
    assert drop(loaded, "daily")[0] == "daily"
    project.write_text(whole)
    steps = {step.id: step.action for step in run(load_project(folder)).steps}
    assert steps["query:daily"] == "done"
    assert load_project(folder).lake().rows("daily") == rows


@pytest.mark.parametrize("gone", range(5))
def test_a_drop_that_was_killed_loads_all_anew_or_goes_on(tmp_path, monkeypatch, gone):
    folder = make_bank(tmp_path / "bank")
    held = next(folder.rglob("payments*.csv"))
    held.write_text(held.read_text() + held.read_text().splitlines()[-1].replace(",", ",x", 1) + "\n")
    run(load_project(folder))
    lake = load_project(folder).lake()
    rows, refused = lake.rows("payments"), lake.rows("quarantine_payments")
    assert rows > 1 <= refused
    project = folder / "project.py"
    whole = project.read_text()
    project.write_text("import headrace as hr\nproject = hr.Project('bank')\n")
    genuine, left = type(lake).drop, [1] * gone

    def until_killed(self, name):
        if not left:
            raise KeyboardInterrupt
        left.pop()
        genuine(self, name)

    with monkeypatch.context() as patched:
        patched.setattr(type(lake), "drop", until_killed)
        try:
            drop(load_project(folder), "payments")
        except KeyboardInterrupt:
            assert gone < 4
    if gone % 2 and gone < 4:
        drop(load_project(folder), "payments")
        assert not [one for one in lake.tables() if "payments" in one]
    project.write_text(whole)
    for _ in range(2):
        run(load_project(folder))
        lake = load_project(folder).lake()
        assert (lake.rows("payments"), lake.rows("quarantine_payments")) == (rows, refused)


def test_another_table_of_the_same_name_and_version_is_other_rows(tmp_path):
    folder = make_bank(tmp_path / "bank")
    run(load_project(folder))
    lake = load_project(folder).lake()
    rows, version = lake.read("payments"), lake.version("payments")
    for name in ("payments", "loads_payments", "quarantine_payments", "quality_payments"):
        lake.drop(name)
    held = next(folder.rglob("payments*.csv"))
    held.write_text("".join(held.read_text().splitlines(keepends=True)[:-1]))
    steps = {step.id: step.action for step in run(load_project(folder)).steps}
    lake = load_project(folder).lake()
    assert (lake.version("payments"), lake.rows("payments") < rows.num_rows) == (version, True)
    assert steps["query:daily"] == "done"
    assert sum(lake.read("daily")["total"].to_pylist()) == sum(lake.read("payments")["amount"].to_pylist())


def test_decisions_that_cannot_be_read_keep_everything(tmp_path):
    folder = make_bank(tmp_path / "bank")
    run(load_project(folder))
    loaded = load_project(folder)
    lake = loaded.lake()
    lake.append("old", pa.table({"n": [1]}))
    lake.append("decisions_desk", pa.table({"horizon": [json.dumps({"old": 0})]}))
    for entry in (lake.root / "decisions_desk" / "_delta_log").glob("*.json"):
        entry.write_text("{broken")
    for work in (lambda: drop(loaded, "old"), lambda: vacuum(loaded, 3_600_000_000)):
        with pytest.raises(HeadraceError, match="HR-LAKE-016"):
            work()
