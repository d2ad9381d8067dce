"""The journal: what was written is read again, whatever is killed, torn, altered or full."""

import errno
import importlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import HeadraceError
from headrace.serve.journal import Journal, forget, frames, frames_from, salvaged, segments
from tests.disks import filled_up, small_disk

CONTEXT = {"c": b"context"}


def written(folder, *groups, size=4096):
    journal = Journal(folder, size)
    for group in groups:
        journal.append(group, CONTEXT)
    journal.close()
    return journal


def records(folder, after=0):
    return [one for one in frames(folder, after) if one[1] != b"context" and one[0] > after]


def some(first, last, length=100):
    return [(number, bytes([number % 250 + 1]) * length) for number in range(first, last + 1)]


def test_what_was_written_is_read_in_order_and_each_file_has_its_context(tmp_path):
    written(tmp_path, some(1, 20), some(21, 60), some(61, 62))
    assert records(tmp_path) == some(1, 62)
    assert len(segments(tmp_path)) > 1
    for path in segments(tmp_path):
        assert next(iter(frames_from(tmp_path, int(path.stem)))) == (int(path.stem), b"context")
    assert records(tmp_path, 60) == some(61, 62)
    assert (30, some(30, 30)[0][1]) in frames_from(tmp_path, 30)


def test_numbers_go_on_after_a_restart_also_when_what_was_read_is_gone(tmp_path):
    written(tmp_path, some(1, 100))
    first = written(tmp_path, some(101, 102))
    assert first.last == 102
    forget(tmp_path, 102)
    assert Journal(tmp_path).last == 102
    assert written(tmp_path, some(103, 103)).id == first.id
    assert records(tmp_path, 102) == some(103, 103)
    assert not list(tmp_path.glob("*.new"))


def test_files_of_which_something_is_needed_are_kept(tmp_path):
    written(tmp_path, *([one] for one in some(1, 100)))
    before = segments(tmp_path)
    forget(tmp_path, int(before[2].stem) - 2)
    assert segments(tmp_path) == before[1:]
    forget(tmp_path, 1000)
    assert segments(tmp_path) == before[-1:]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_an_end_that_was_torn_is_cut_off_and_all_before_it_is_whole(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("torn")
    written(folder, some(1, 5), size=1 << 16)
    path = segments(folder)[0]
    whole = path.read_bytes()
    end = len(whole.rstrip(b"\0"))
    begin = whole.rindex(some(5, 5)[0][1]) - 16
    cut = data.draw(st.integers(begin, end - 1))
    torn = whole[:cut] + bytes(len(whole) - cut)
    path.write_bytes(torn)
    assert records(folder) == some(1, 4)
    assert written(folder, some(5, 8)).last == 8
    assert records(folder) == some(1, 8)


def lost(content, begin, end, sectors):
    """A file as a power cut leaves it: sectors of its bytes from one place to another were never written."""
    altered = bytearray(content)
    for sector in sectors:
        place = slice(max(begin, sector * 512), min(end, (sector + 1) * 512))
        altered[place] = bytes(len(altered[place]))
    return bytes(altered)


def test_a_power_cut_may_take_one_byte_of_a_group(tmp_path):
    written(tmp_path, some(1, 4, 236), some(5, 6, 236), some(7, 12, 236), size=1 << 17)
    (path,) = segments(tmp_path)
    whole, begin = path.read_bytes(), 1535
    assert whole[begin - 1] == 7  # what follows are the last byte of a sector, and the next ones
    path.write_bytes(lost(whole, begin, len(whole), {2}))
    assert records(tmp_path) == some(1, 6, 236)
    assert Journal(tmp_path).last == 6


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_power_cut_leaves_any_sectors_of_the_last_group_and_takes_nothing_before_it(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("power")
    length = data.draw(st.integers(20, 2000))
    groups = [some(1, 4, length), some(5, 6, length), some(7, 12, length)]
    written(folder, *groups[:2], size=1 << 17)
    path = segments(folder)[0]
    begin = len(path.read_bytes().rstrip(b"\0"))
    path.unlink()
    written(folder, *groups, size=1 << 17)
    whole = path.read_bytes()
    end = len(whole.rstrip(b"\0"))
    every = range(begin // 512, (end - 1) // 512 + 1)
    path.write_bytes(lost(whole, begin, end, data.draw(st.sets(st.sampled_from(every), min_size=1))))
    found = records(folder)
    assert found[:6] == some(1, 6, length)
    assert found == some(1, len(found), length)
    last = Journal(folder, 1 << 17).last
    assert last == len(found) < 12
    written(folder, some(last + 1, last + 3, length), size=1 << 17)
    assert records(folder) == some(1, last + 3, length)


@pytest.mark.parametrize("sectors", [1, 3])
def test_sectors_that_were_emptied_in_front_of_another_group_are_told(tmp_path, sectors):
    written(tmp_path, some(1, 4, 900), some(5, 8, 900), some(9, 12, 900), size=1 << 17)
    path = segments(tmp_path)[0]
    whole = path.read_bytes()
    for record, before in ((1, 1), (4, 3), (5, 4), (7, 6)):  # a context has the number of what follows
        begin = whole.index(some(record, record, 900)[0][1]) - 16
        altered = lost(whole, begin, len(whole), range(begin // 512, begin // 512 + sectors))
        path.write_bytes(altered)
        with pytest.raises(HeadraceError, match=f"behind number {before}\\b"):
            records(tmp_path)
        with pytest.raises(HeadraceError, match="HR-ONLINE-004"):
            Journal(tmp_path)
        assert path.read_bytes() == altered


def test_a_file_that_is_written_to_while_it_is_read_was_not_altered(tmp_path, monkeypatch):
    written(tmp_path, some(1, 4, 900), some(5, 8, 900), size=1 << 17)
    path, journal = segments(tmp_path)[0], importlib.import_module("headrace.serve.journal")
    whole = path.read_bytes()
    seen = [lost(whole, 0, len(whole), [4, 5]), whole]
    monkeypatch.setattr(journal, "_content", lambda _: seen.pop(0))
    assert records(tmp_path) == some(1, 8, 900)
    assert not seen


def test_what_was_cut_off_is_told(tmp_path, caplog):
    written(tmp_path, some(1, 2), some(3, 4), size=1 << 16)
    path = segments(tmp_path)[0]
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(some(3, 3)[0][1]) + 50] + bytes(1000))
    assert Journal(tmp_path).last == 2
    assert f"{path.name}: 66 bytes behind number 2 are of a write that did not end" in caplog.text


def test_a_record_that_was_altered_is_told_and_nothing_is_written_over_it(tmp_path):
    written(tmp_path, some(1, 5), size=1 << 16)
    path = segments(tmp_path)[0]
    content = bytearray(path.read_bytes())
    content[content.index(some(3, 3)[0][1])] ^= 1
    path.write_bytes(content)
    with pytest.raises(HeadraceError, match="HR-ONLINE-004"):
        records(tmp_path)
    with pytest.raises(HeadraceError, match="HR-ONLINE-004"):
        Journal(tmp_path)
    assert path.read_bytes() == content


def test_a_part_of_a_full_file_that_was_emptied_is_told_and_what_is_before_it_is_given(tmp_path):
    written(tmp_path, *([one] for one in some(1, 100)))
    path = segments(tmp_path)[0]
    content = path.read_bytes()
    begin = content.index(some(5, 5)[0][1]) - 16  # an empty length ends a file
    for emptied, before in ((slice(begin, begin + 512), 4), (slice(0, len(content)), 0)):
        altered = bytearray(content)
        altered[emptied] = bytes(len(altered[emptied]))
        path.write_bytes(altered)
        found = []
        with pytest.raises(HeadraceError, match=f"{tmp_path.name}/{path.name}, .* behind number {before}\\b"):
            found.extend(frames(tmp_path))
        assert [number for number, payload in found if payload != b"context"] == list(range(1, before + 1))


@pytest.mark.parametrize("place", range(8))
def test_a_number_that_was_altered_counts_for_nothing(tmp_path, place):
    written(tmp_path, some(1, 5), size=1 << 16)
    path = segments(tmp_path)[0]
    content = bytearray(path.read_bytes())
    for record, told in ((5, False), (3, True)):
        altered = content.copy()
        altered[content.index(some(record, record)[0][1]) - 8 + place] ^= 0x40
        path.write_bytes(altered)
        if told:
            with pytest.raises(HeadraceError, match="behind number 2"):
                records(tmp_path)
        else:
            assert records(tmp_path) == some(1, 4), "as an end that a kill has torn"


def test_an_id_that_is_none_is_told(tmp_path):
    journal = written(tmp_path, some(1, 5))
    assert Journal(tmp_path).id == journal.id
    for altered in (b"", b"\xff" * 12, journal.id.encode()[:5]):
        (tmp_path / "id").write_bytes(altered)
        with pytest.raises(HeadraceError, match=f"the id of the journal {tmp_path.name}"):
            Journal(tmp_path)


def test_records_whose_journal_lost_its_id_are_not_taken_for_those_of_another(tmp_path):
    written(tmp_path, some(1, 5))
    (tmp_path / "id").unlink()
    with pytest.raises(HeadraceError, match=f"the journal {tmp_path.name} without its id"):
        Journal(tmp_path)
    assert not (tmp_path / "id").exists()


def test_a_record_larger_than_a_file_has_one_of_its_own(tmp_path):
    written(tmp_path, some(1, 2), [(3, b"x" * 20_000)], some(4, 5))
    assert records(tmp_path) == [*some(1, 2), (3, b"x" * 20_000), *some(4, 5)]


def test_a_journal_that_is_full_takes_nothing_and_loses_nothing(tmp_path):
    journal = Journal(tmp_path, 4096, most_bytes=16_384)
    taken = filled(journal, 0, 1)
    assert 50 < taken < 200
    assert records(tmp_path) == some(1, taken)
    forget(tmp_path, 1000)
    journal.append(some(501, 501), CONTEXT)
    journal.close()
    assert records(tmp_path)[-1] == some(501, 501)[0]


def test_a_full_disk_takes_nothing_and_loses_nothing(tmp_path):
    with small_disk(tmp_path / "disk", "2m") as disk:
        journal = Journal(disk / "journal", 1 << 18)
        journal.append(some(1, 10), CONTEXT)
        with filled_up(disk):
            taken = filled(journal, 10, 50)
            assert records(disk / "journal") == some(1, taken)
        journal.append(some(taken + 51, taken + 60), CONTEXT)
        journal.close()
        assert records(disk / "journal") == some(1, taken) + some(taken + 51, taken + 60)


def test_what_a_disk_that_failed_has_of_a_write_is_in_the_way_of_nothing(tmp_path, monkeypatch):
    journal, works = Journal(tmp_path, 65_536), os.fdatasync
    journal.append(some(1, 5), CONTEXT)

    def fails(_file):
        raise OSError(errno.EIO, "the disk failed")

    monkeypatch.setattr(os, "fdatasync", fails)
    with pytest.raises(HeadraceError, match="HR-ONLINE-002"):
        journal.append(some(6, 9), CONTEXT)
    monkeypatch.setattr(os, "fdatasync", works)
    journal.append(some(10, 10), CONTEXT)
    assert records(tmp_path) == some(1, 5) + some(10, 10)
    journal.close()
    again = Journal(tmp_path, 65_536)
    assert again.last == 10
    again.close()


def test_files_that_a_kill_left_prepared_do_not_gather(tmp_path):
    for _ in range(3):
        command = [sys.executable, "-c", KILLED, str(tmp_path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for _ in range(5):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert len(list(tmp_path.glob("*.new"))) <= 1
    Journal(tmp_path, 20_000).close()
    assert not list(tmp_path.glob("*.new"))


def filled(journal, taken, step):
    """Write until nothing more is taken; return the last number that was."""
    with pytest.raises(HeadraceError, match="HR-ONLINE-002"):  # noqa: PT012
        while taken < 100_000:
            journal.append(some(taken + 1, taken + step), CONTEXT)
            taken += step
    return taken


KILLED = textwrap.dedent("""
    import sys
    from pathlib import Path
    from headrace.serve.journal import Journal

    journal = Journal(Path(sys.argv[1]), 20_000)
    number = journal.last
    while True:
        group = [(number + i, bytes([(number + i) % 250 + 1]) * 300) for i in range(1, 8)]
        journal.append(group, {"c": b"context"})
        number += 7
        print(number, flush=True)
""")


def test_what_was_acknowledged_survives_kills(tmp_path):
    acknowledged = 0
    for wait in (1, 40, 100, 7, 250):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(wait):
            acknowledged = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        rest = process.communicate()[0].split("\n")
        acknowledged = max([acknowledged, *(int(line) for line in rest[:-1])])
        found = records(tmp_path)
        assert found == some(1, len(found), 300)
        assert len(found) >= acknowledged


def _opened_and_read(folder):
    Journal(folder, 4096).close()
    list(frames(folder))


def _swap(paths):
    aside = paths[0].with_suffix(".aside")
    paths[0].rename(aside)
    paths[-1].rename(paths[0])
    aside.rename(paths[-1])


@pytest.mark.parametrize(
    "misplace",
    [
        _swap,
        lambda paths: paths[-1].rename(paths[-1].with_stem(f"{900:020d}")),
        lambda paths: paths[0].rename(paths[0].with_stem(f"{900:020d}")),
        lambda paths: paths[0].rename(paths[0].with_stem("1")),
        lambda paths: shutil.copy(paths[0], paths[0].with_stem(f"{3:020d}")),
        lambda paths: shutil.copy(paths[0], paths[0].with_stem(f"{paths[0].stem} (copy)")),
        lambda paths: shutil.copy(paths[-1], paths[-1].with_stem(f"{int(paths[-1].stem) - 1:020d}")),
    ],
)
def test_files_that_were_swapped_renamed_or_copied_are_told_and_each_record_in_them_is_salvaged_once(
    tmp_path, misplace
):
    written(tmp_path, *([one] for one in some(1, 60)))
    misplace(segments(tmp_path))
    before = {path: path.read_bytes().rstrip(b"\0") for path in tmp_path.iterdir()}
    with pytest.raises(HeadraceError, match="HR-ONLINE-004"):
        _opened_and_read(tmp_path)
    assert {path: path.read_bytes().rstrip(b"\0") for path in tmp_path.iterdir()} == before
    assert [one for one in salvaged(tmp_path) if one[1] != b"context"] == some(1, 60)
