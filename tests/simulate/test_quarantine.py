"""What is planted is what a load quarantines: no more, no less."""

from pathlib import Path

import headrace as hr
from headrace import simulate
from headrace.connect import ingest
from headrace.lake import Lake


class Payment(hr.Contract):
    payment_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    customer_id: int
    terminal_id: int
    amount: hr.Decimal(12, 2) = hr.field(ge=0)


REASONS = {
    "negative amount": "amount",
    "amount with letters": "amount",
    "no customer": "customer_id",
    "impossible date": "at",
    "payment twice": "payment_id",
}


def test_a_load_quarantines_what_was_planted(tmp_path: Path):
    world = simulate.payments(days=30, customers=100, terminals=200)
    planted = simulate.write(world, tmp_path / "data", faults=0.01)
    report = ingest(hr.Stream("payments", Payment, source="data/payments*"), tmp_path, Lake(tmp_path / "lake"))
    assert not report.faults
    assert report.quarantined == sum(planted.faults.values()) > 0
    # A second copy is a row more than the world has; the other faults are in rows of the world.
    assert report.received == world.payments.num_rows + planted.faults["payment twice"]
    expected, found = dict.fromkeys(REASONS.values(), 0), dict.fromkeys(REASONS.values(), 0)
    for fault, count in planted.faults.items():
        expected[REASONS[fault]] += count
    for rule, count in report.reasons.items():
        found[rule.split()[1].rstrip(":")] += count
    assert found == expected
