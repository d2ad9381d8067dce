"""Draining: live events go on by number, also where a restore took the last of them out."""

from pathlib import Path

import headrace as hr
from headrace.lake import Lake
from headrace.serve.drain import drain_events
from headrace.serve.spool import opened


class Payment(hr.Contract):
    payment_id: str = hr.key()


PAYMENTS = hr.Stream("payments", Payment)


def test_live_events_after_a_restore_are_not_taken_for_done(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    with opened(tmp_path / "spool") as spool:

        def post(*names: str) -> None:
            first = lake.sequence("payments") + 1
            spool.put_events([("payments", first + i, [name, first + i]) for i, name in enumerate(names)], 1)
            assert drain_events(spool, lake, PAYMENTS) == len(names)

        post("a", "b")
        before = lake.version("payments")
        post("c", "d")
        lake.restore("payments", before)
        post("e")
    assert lake.read("payments")["payment_id"].to_pylist() == ["a", "b", "e"]
    assert lake.read("payments")["_seq"].to_pylist() == [1, 2, 5]
