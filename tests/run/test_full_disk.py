"""A full disk while a project is run and trained: a fault that can be acted on, and the next time goes on."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.errors import HeadraceError
from headrace.run import Asked, Retry, Stop, load_project, registry, run, train
from tests.disks import fill, filled_up, small_disk
from tests.run.bank import WITH_MODEL, edit, make_bank

KB = 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "24m") as mounted:
        yield mounted


def test_run_and_train(disk: Path, tmp_path: Path) -> None:
    folder, clean = (make_bank(place / "bank", WITH_MODEL, (1, 2)) for place in (disk, tmp_path))
    # The fuller the disk, the earlier: the lock, the journal, loading, building.
    told = [_told(disk, folder, left * KB) for left in (0, 16, 60, 70, 80, 90)]
    assert told[0] == {"HR-RUN-008"}
    assert sum(bool(codes) for codes in told) > 2
    assert set().union(*told) <= {"HR-RUN-008", "HR-LAKE-002", "HR-SET-002"}
    assert run(load_project(folder)).ok
    run(load_project(clean))
    for name in ("payments", "chargebacks", "daily", "weekly", "quarantine_payments"):
        rows, expected = (load_project(one).lake().read(name).to_pylist() for one in (folder, clean))
        assert sorted(rows, key=str) == sorted(expected, key=str), name
    sets = [one / ".headrace" / "sets" for one in (folder, clean)]
    parts = [[path.read_bytes() for path in sorted(one.rglob("part-*.parquet"))] for one in sets]
    assert parts[0] == parts[1]
    _train(disk, folder)


def _told(disk: Path, folder: Path, left: int) -> set[str]:
    """Run with so many bytes free, and return the codes of what could not be done."""
    with filled_up(disk, left):
        try:
            run(load_project(folder))
        except HeadraceError as error:
            return {fault.code for fault in error.faults if error.exit_code == 2}
    return set()


def _train(disk: Path, folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train(load_project(folder))
        edit(folder, "C=1.0", "C=0.5")
        for left in (8 * KB, 40 * KB):
            with filled_up(disk, left), pytest.raises(HeadraceError, match="HR-(RUN-008|LEARN-019|LEARN-020)"):
                train(load_project(folder))
        train(load_project(folder))
        assert [one.number for one in registry(load_project(folder)).versions("score")] == [1, 2]
        assert [one.step.action for one in train(load_project(folder))] == ["kept"]


class Freeing(Stop):
    """Waits no time; makes room for the second attempt."""

    def __init__(self, filler: Path) -> None:
        super().__init__()
        self._filler = filler

    def wait(self, seconds: float) -> bool:
        self._filler.unlink(missing_ok=True)
        return self.asked


@pytest.mark.parametrize("left", [0, 4, 12, 20, 40])
def test_a_full_disk_under_the_journal_is_tried_again(disk: Path, left: int) -> None:
    folder = make_bank(disk / "bank", months=(1,))
    load_project(folder)
    fill(disk, left * KB)
    stop = Freeing(disk / "filler")
    report = run(load_project(folder), asked=Asked(retry=Retry(1)), stop=stop)
    assert report.ok
    assert not (disk / "filler").exists(), "it failed at first"
    assert load_project(folder).lake().rows("payments")
