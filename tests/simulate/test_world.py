"""A world: the same for the same seed, with the rates, the durations and the order that it promises."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from headrace import simulate
from headrace.simulate.columns import DAY_US, identifiers, microseconds, money
from headrace.simulate.fraud import compromised
from headrace.simulate.habits import REACH, SIDE, _near

DAYS, CUSTOMERS, TERMINALS = 120, 1_000, 2_000
UTC = pa.timestamp("us", tz="UTC")


@pytest.fixture(scope="module")
def world():
    return simulate.payments(DAYS, CUSTOMERS, TERMINALS, seed=3)


def _bytes(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _kind(world):
    return world.truth["kind"].to_numpy()


def _day(table):
    at = microseconds(table["at"])
    return (at - at[0] // DAY_US * DAY_US) // DAY_US


def test_the_same_seed_gives_the_same_bytes_and_another_does_not():
    one, same, other = (simulate.payments(20, 100, 200, seed=seed) for seed in (5, 5, 6))
    for name in ("payments", "chargebacks", "customers", "truth"):
        assert _bytes(getattr(one, name)) == _bytes(getattr(same, name))
        assert not getattr(one, name).equals(getattr(other, name))


def test_columns_and_types(world):
    assert world.payments.schema == pa.schema(
        {
            "payment_id": pa.string(),
            "at": UTC,
            "customer_id": pa.int64(),
            "terminal_id": pa.int64(),
            "amount": pa.decimal128(12, 2),
        }
    )
    assert world.chargebacks.schema == pa.schema(
        {
            "chargeback_id": pa.string(),
            "at": UTC,
            "payment_id": pa.string(),
            "terminal_id": pa.int64(),
            "customer_id": pa.int64(),
            "is_fraud": pa.int64(),
        }
    )
    assert world.customers.schema == pa.schema(
        {"customer_id": pa.int64(), "valid_from": UTC, "segment": pa.string(), "age_band": pa.string()}
    )
    assert world.truth.schema == pa.schema({"payment_id": pa.string(), "kind": pa.int64()})
    assert all(table.validate(full=True) is None for table in (world.payments, world.chargebacks, world.customers))
    assert all(not column.null_count for column in world.payments.columns)


def test_keys_are_unique_and_times_ascend(world):
    for table, key in ((world.payments, "payment_id"), (world.chargebacks, "chargeback_id")):
        keys = table[key].to_pylist()
        assert len(set(keys)) == len(keys)
        assert keys == sorted(keys)
        assert (np.diff(microseconds(table["at"])) >= 0).all()
    assert pc.min(world.payments["at"]).as_py().isoformat() >= "2026-01-01"
    assert _day(world.payments).max() == DAYS - 1


def test_payments_are_two_a_customer_and_day_and_all_above_zero(world):
    assert world.payments.num_rows == pytest.approx(1.925 * CUSTOMERS * DAYS, rel=0.1)
    assert pc.min(world.payments["amount"]).as_py() > 0
    # Usual amounts are uniform from 5 to 100, so they are 52.5 at the mean.
    honest = world.payments["amount"].cast(pa.float64()).to_numpy()[_kind(world) == 0]
    assert honest.mean() == pytest.approx(52.5, rel=0.1)


@pytest.mark.parametrize("size", [(1_000, 2_000), (4_000, 8_000)])
def test_the_rate_of_fraud_does_not_depend_on_the_size(size):
    kind = _kind(simulate.payments(DAYS, *size, seed=1))
    assert (kind > 0).mean() == pytest.approx(0.008, rel=0.3)
    shares = np.bincount(kind, minlength=4) / len(kind)
    # Of all terminal days 2/10,000 · 28 are compromised, less what the first weeks lack, and 9/10 of that is fraud.
    assert shares[2] == pytest.approx(0.9 * 0.0056 * (1 - 14 / DAYS), rel=0.35)
    # Of all card days 3/5,000 · 14 are compromised, less what the first week lacks, and 1/3 of that is fraud.
    assert shares[3] == pytest.approx(0.0084 / 3 * (1 - 7 / DAYS), rel=0.35)
    assert 0 < shares[1] < 0.001


def test_large_amounts_are_mostly_fraud(world):
    kind, amount = _kind(world), world.payments["amount"].cast(pa.float64()).to_numpy()
    assert (amount[kind == 1] > 220).all()
    usual = amount[kind < 2]
    assert (kind[kind < 2][usual > 220] == 1).mean() == pytest.approx(0.75, abs=0.15)


@pytest.mark.parametrize(("kind", "of", "lasting"), [(2, "terminal_id", 28), (3, "customer_id", 14)])
def test_what_is_compromised_is_so_for_its_time_only(world, kind, of, lasting):
    chosen = _kind(world) == kind
    things = world.payments[of].to_numpy()[chosen]
    day = _day(world.payments)[chosen]
    spans = [np.ptp(day[things == thing]) + 1 for thing in np.unique(things)]
    assert len(spans) > 20
    assert max(spans) <= lasting
    assert max(spans) >= lasting - 3


def test_at_a_compromised_terminal_nearly_all_is_fraud(world):
    kind, terminal, day = _kind(world), world.payments["terminal_id"].to_numpy(), _day(world.payments)
    shares = []
    for thing in np.unique(terminal[kind == 2]):
        its = terminal == thing
        span = day[its & (kind == 2)]
        shares.append((kind[its & (day >= span.min()) & (day <= span.max())] >= 2).mean())
    assert np.mean(shares) > 0.85


def test_a_stolen_card_pays_five_times_as_much(world):
    kind, who = _kind(world), world.payments["customer_id"].to_numpy()
    amount = world.payments["amount"].cast(pa.float64()).to_numpy()
    stolen = np.unique(who[kind == 3])
    ratios = [
        amount[(who == card) & (kind == 3)].mean() / amount[(who == card) & (kind == 0)].mean() for card in stolen
    ]
    assert np.median(ratios) == pytest.approx(5, rel=0.15)


def test_each_fraud_comes_back_once_within_a_week(world):
    frauds = world.truth.filter(pc.greater(world.truth["kind"], 0))
    assert sorted(world.chargebacks["payment_id"].to_pylist()) == frauds["payment_id"].to_pylist()
    paid = world.payments.rename_columns(["payment_id", "paid_at", "customer", "terminal", "amount"])
    both = world.chargebacks.join(paid, "payment_id", join_type="inner")
    later = microseconds(both["at"]) - microseconds(both["paid_at"])
    assert both.num_rows == frauds.num_rows
    assert later.min() >= DAY_US
    assert later.max() <= 6 * DAY_US
    assert both["customer_id"].equals(both["customer"])
    assert both["terminal_id"].equals(both["terminal"])
    assert set(both["is_fraud"].to_pylist()) == {1}


def test_a_tenth_of_the_customers_change_their_segment_once(world):
    table = world.customers
    assert table.slice(0, CUSTOMERS)["customer_id"].to_pylist() == list(range(CUSTOMERS))
    since = microseconds(table["valid_from"])
    assert (np.diff(since) >= 0).all()
    assert (since[CUSTOMERS:] > since[0]).all()
    assert since[-1] < microseconds(world.payments["at"])[-1]
    later = table.slice(CUSTOMERS)
    assert later.num_rows == pytest.approx(0.1 * CUSTOMERS, rel=0.3)
    assert len(set(later["customer_id"].to_pylist())) == later.num_rows
    before = table.take(later["customer_id"])
    assert not pc.any(pc.equal(before["segment"], later["segment"])).as_py()
    assert before["age_band"].equals(later["age_band"])
    assert set(table["segment"].to_pylist()) == {"student", "standard", "premium"}


@pytest.mark.parametrize(("homes", "places"), [(300, 1_000), (40, 30), (5, 1)])
def test_terminals_of_a_home_are_those_within_reach_else_the_nearest(homes, places):
    random = np.random.default_rng(1)
    home, place = random.uniform(0, SIDE, (homes, 2)), random.uniform(0, SIDE, (places, 2))
    home[0] = SIDE  # a corner: the last cell, from outside of it
    first, near = _near(home, place)
    for number, point in enumerate(home):
        away = np.hypot(*(place - point).T)
        expected = np.flatnonzero(away <= REACH) if away.min() <= REACH else [away.argmin()]
        assert sorted(near[first[number] : first[number + 1]]) == list(expected)


def test_compromised_each_before_any_again():
    hit = compromised(10, 30, 0.1, 4, np.random.default_rng(2))
    # One a day: ten things take ten days, and each is hit four days of ten, from its own day on.
    assert (hit[:, :10].any(axis=1)).all()
    assert hit[:, 4:].sum(axis=0).tolist() == [4] * 26
    few = compromised(10, 30, 0.02, 4, np.random.default_rng(2))
    assert few.any(axis=1).sum() == 6


def test_money_and_identifiers():
    assert [str(amount) for amount in money(np.array([1, 100, 12_345])).to_pylist()] == ["0.01", "1.00", "123.45"]
    assert identifiers("p", 2).to_pylist() == ["p0000001", "p0000002"]
    assert identifiers("p", 0).to_pylist() == []


def test_a_world_may_be_tiny():
    world = simulate.payments(1, 1, 1, seed=0, start="2024-02-29")
    assert world.customers.num_rows == 1
    assert world.payments.num_rows == world.truth.num_rows


@pytest.mark.parametrize("wrong", [{"days": 0}, {"customers": 0}, {"terminals": -1}, {"start": "2026-02-30"}])
def test_worlds_that_are_refused(wrong):
    with pytest.raises(ValueError, match="at least 1|day"):
        simulate.payments(**wrong)
