"""Files of LMDB: one that was cut off is told, and ends no process."""

import lmdb
import pytest

from headrace.errors import HeadraceError
from headrace.online.room import RESTORE, environment, named

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
