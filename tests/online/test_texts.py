"""Texts as numbers: what was altered on disk is told, and never taken for another text."""

import struct

import lmdb
import pytest

from headrace.errors import HeadraceError
from headrace.online.texts import Texts


@pytest.mark.parametrize("found", [b"studenU", b"\xff\xfe", b"", None, b"worker"])
def test_a_text_that_was_altered_is_told(tmp_path, found):
    with lmdb.open(str(tmp_path), max_dbs=1) as env:
        database = env.open_db(b"texts")
        with env.begin(write=True) as transaction:
            numbers = Texts(env, database).numbers(transaction, ["student", "worker", ""]).tolist()
        assert Texts(env, database).texts(numbers) == ["student", "worker", ""]
        key = b"i" + struct.pack(">Q", numbers[0])
        with env.begin(write=True, db=database) as transaction:
            _ = transaction.delete(key) if found is None else transaction.put(key, found)
        assert Texts(env, database).texts(numbers[1:]) == ["worker", ""]
        with pytest.raises(HeadraceError, match="HR-ONLINE-001"):
            Texts(env, database).texts(numbers)
