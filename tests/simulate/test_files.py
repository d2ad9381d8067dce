"""A world as files: nothing is lost, and exactly the faults that were told are in them."""

import re
from collections import Counter

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest

from headrace import simulate

NAMES = ["payment_id", "at", "customer_id", "terminal_id", "amount"]


@pytest.fixture(scope="module")
def world():
    return simulate.payments(days=40, customers=150, terminals=300, seed=4)


def _texts(path):
    types = dict.fromkeys(("payment_id", "chargeback_id", "at", "customer_id", "terminal_id", "amount"), pa.string())
    return csv.read_csv(path, convert_options=csv.ConvertOptions(column_types=types)).to_pylist()


def _named(planted, name, suffix):
    return [path for path in planted.files if path.name.startswith(name) and path.suffix == suffix]


def _fault(row, seen):
    """Name the fault of a row by its text alone, independently of how it was planted."""
    if row["amount"].startswith("-"):
        return "negative amount"
    if not re.fullmatch(r"\d+\.\d\d", row["amount"]):
        return "amount with letters"
    if row["customer_id"] in ("", None):
        return "no customer"
    if "-02-30 " in row["at"]:
        return "impossible date"
    return "payment twice" if row["payment_id"] in seen else ""


def _faults(paths):
    found, seen = Counter(), set()
    for path in paths:
        for row in _texts(path):
            found[_fault(row, seen)] += 1
            seen.add(row["payment_id"])
    return found


@pytest.mark.parametrize("format", ["mixed", "csv"])
@pytest.mark.parametrize("share", [0.0, 0.005, 0.02])
def test_the_faults_in_the_files_are_those_that_were_told(world, tmp_path, format, share):
    planted = simulate.write(world, tmp_path, faults=share, format=format)
    found = _faults(_named(planted, "payments", ".csv"))
    del found[""]
    assert tuple(planted.faults) == simulate.FAULTS
    assert dict(found) == {fault: count for fault, count in planted.faults.items() if count}
    assert sum(planted.faults.values()) == round(share * world.payments.num_rows)
    assert max(planted.faults.values()) - min(planted.faults.values()) <= 1


def test_without_faults_csv_holds_the_world(world, tmp_path):
    planted = simulate.write(world, tmp_path, faults=0, format="csv")
    types = csv.ConvertOptions(column_types=world.payments.schema)
    read = pa.concat_tables([csv.read_csv(path, convert_options=types) for path in _named(planted, "payments", ".csv")])
    assert read.equals(world.payments.combine_chunks())
    types = csv.ConvertOptions(column_types=world.customers.schema)
    assert csv.read_csv(tmp_path / "customers.csv", convert_options=types).equals(world.customers.combine_chunks())
    types = csv.ConvertOptions(column_types=world.chargebacks.schema)
    charged = [csv.read_csv(path, convert_options=types) for path in _named(planted, "chargebacks", ".csv")]
    assert pa.concat_tables(charged).equals(world.chargebacks)


@pytest.mark.parametrize("per", ["week", "month"])
def test_parquet_holds_the_world_and_no_faults(world, tmp_path, per):
    planted = simulate.write(world, tmp_path, per=per, format="parquet", faults=0.1)
    assert set(planted.faults.values()) == {0}
    for name in ("payments", "chargebacks"):
        tables = [pq.read_table(path) for path in _named(planted, name, ".parquet")]
        assert pa.concat_tables(tables).equals(getattr(world, name))


def test_mixed_is_parquet_then_two_weeks_of_csv(world, tmp_path):
    names = [path.name for path in simulate.write(world, tmp_path).files]
    assert names[:6] == [
        "payments-2026-01-01.parquet",
        "payments-2026-01-08.parquet",
        "payments-2026-01-15.parquet",
        "payments-2026-01-22.parquet",
        "payments-2026-01-29.csv",
        "payments-2026-02-05.csv",
    ]
    assert names[-1] == "customers.csv"
    assert names[:6] == sorted(names[:6])
    assert set(names) == {path.name for path in tmp_path.iterdir()}


def test_months_are_those_of_the_calendar(tmp_path):
    world = simulate.payments(days=50, customers=20, terminals=40, start="2025-12-20")
    planted = simulate.write(world, tmp_path, per="month", format="parquet")
    paid = [path.stem for path in planted.files if path.name.startswith("payments")]
    assert paid == ["payments-2025-12-20", "payments-2026-01-01", "payments-2026-02-01"]
    months = [{str(at)[:7] for at in pq.read_table(path)["at"].to_pylist()} for path in planted.files[:3]]
    assert months == [{"2025-12"}, {"2026-01"}, {"2026-02"}]


def test_csv_is_plain(world, tmp_path):
    simulate.write(world, tmp_path, format="csv", faults=0)
    lines = (tmp_path / "payments-2026-01-01.csv").read_text().splitlines()
    assert lines[0].split(",") == NAMES
    assert re.fullmatch(r"p0000001,2026-01-01 \d\d:\d\d:\d\dZ,\d+,\d+,\d+\.\d\d", lines[1])


@pytest.mark.parametrize("format", ["mixed", "csv", "parquet"])
def test_the_same_seed_gives_the_same_bytes(world, tmp_path, format):
    one, two = (simulate.write(world, tmp_path / name, format=format, faults=0.01) for name in "ab")
    assert [path.name for path in one.files] == [path.name for path in two.files]
    assert [path.read_bytes() for path in one.files] == [path.read_bytes() for path in two.files]
    assert one.faults == two.faults


def test_a_world_may_be_tiny_or_wholly_wrong(tmp_path):
    empty = simulate.payments(1, 1, 1, seed=0)
    empty = simulate.World(empty.payments.slice(0, 0), empty.chargebacks.slice(0, 0), empty.customers, empty.truth)
    assert [path.name for path in simulate.write(empty, tmp_path / "empty").files] == ["customers.csv"]
    world = simulate.payments(3, 20, 10)
    planted = simulate.write(world, tmp_path / "wrong", faults=1.0)
    assert sum(planted.faults.values()) == world.payments.num_rows


@pytest.mark.parametrize("wrong", [{"per": "day"}, {"format": "orc"}, {"faults": -0.1}, {"faults": 2}])
def test_what_is_refused(world, tmp_path, wrong):
    with pytest.raises(ValueError, match="one of"):
        simulate.write(world, tmp_path / "none", **wrong)
    assert not (tmp_path / "none").exists()
