"""Files of LMDB: one that was cut off is told, and ends no process."""

import lmdb
import pytest

from headrace.errors import HeadraceError
from headrace.online.room import RESTORE, environment, is_damage, named

ENTRIES = 3_000


@pytest.fixture
def kept(tmp_path):
    env = environment(tmp_path / "kept", 1 << 30, 4, RESTORE)
    (entries,) = named(env, [b"entries"])
    with env.begin(write=True, db=entries) as transaction:
        for number in range(ENTRIES):
            transaction.put(b"%d" % number, b"x" * 400)
    env.close()
    return tmp_path / "kept"


@pytest.mark.parametrize("left", [8_192, 10_000, 40_000, 400_000])
def test_a_file_that_was_cut_off_is_told(kept, left):
    with (kept / "data.mdb").open("r+b") as file:
        file.truncate(left)
    with pytest.raises(HeadraceError, match="HR-ONLINE-001") as caught:
        environment(kept, 1 << 30, 4, RESTORE)
    assert isinstance(caught.value.__cause__, lmdb.Error)


def test_a_whole_file_is_opened_again(kept):
    env = environment(kept, 1 << 30, 4, RESTORE)
    (entries,) = named(env, [b"entries"])
    with env.begin(db=entries) as transaction:
        assert transaction.stat()["entries"] == ENTRIES
        assert transaction.get(b"2999") == b"x" * 400
    env.close()


@pytest.mark.parametrize("page", range(2, 8))
def test_whatever_a_look_meets_in_pages_that_were_overwritten_is_damage(kept, page):
    env = environment(kept, 1 << 30, 4, RESTORE)
    (entries,) = named(env, [b"entries"])
    size = (kept / "data.mdb").stat().st_size
    with (kept / "data.mdb").open("r+b") as file:
        file.seek(page * 4096)
        file.write(b"\xa5" * (size - page * 4096))
    met = []
    with env.begin() as transaction:
        for _ in range(3):  # the first breaks the transaction for those that follow
            with pytest.raises(lmdb.Error) as caught:
                transaction.get(b"2999", None, entries)
            met.append(caught.value)
    assert all(map(is_damage, met)), met
    assert lmdb.BadTxnError in map(type, met)
    assert not is_damage(lmdb.MapFullError(""))
    env.close()
