"""Rules of text that are judged for a few values at once: they find what each value by itself would."""

from __future__ import annotations

import random
import re

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from headrace.contracts.alike import is_ascii, longer, outside, unlike

MANY = 12_000
WORLDS = {
    "two letters": ["DE", "FR", "IT", "xx"],
    "three letters": ["EUR", "USD", "XXX"],
    "eight bytes": ["DEUTSCHE", "ITALIENS", "österre"],
    "of several lengths": ["DE", "FRA", "", "it"],
    "with nulls": ["DE", None, "de"],
    "long": ["D" * 30, "E" * 30, "ä" * 30],
    "empty": [""],
    "zeros behind": ["AB\0", "ABC", "AB"],
}


def column(kind: str, seed: int) -> tuple[list[str | None], pa.Array]:
    luck, usual = random.Random(seed), WORLDS[kind]
    values = [luck.choice(usual) for _ in range(MANY)]
    for _ in range(5):  # what the sample does not show
        values[luck.randrange(2000, MANY)] = luck.choice(["ZZ", "zz", "ZZZ", "zzzzzzzz", "ü"])
    if seed % 2:  # some letters before and behind that are not of the column
        return values[7:-7], pa.array(values, pa.string()).slice(7, MANY - 14)
    return values, pa.array(values, pa.string())


@pytest.mark.parametrize("kind", WORLDS)
@pytest.mark.parametrize("seed", [1, 2])
def test_they_find_what_each_value_by_itself_would(kind: str, seed: int) -> None:
    values, array = column(kind, seed)
    few = [one for one in WORLDS[kind] if one is not None][:2]
    there = [(at, one) for at, one in enumerate(values) if one is not None]
    assert outside(array, few).tolist() == [at for at, one in there if one not in few]
    assert longer(array, 2).tolist() == [at for at, one in there if len(one) > 2]
    found = unlike(array, lambda some: pc.match_substring_regex(some, "^(?:[A-Z]{2,3})$"))
    assert found.tolist() == [at for at, one in there if not re.fullmatch("[A-Z]{2,3}", one)]
    assert not is_ascii(array) or all(one.isascii() for _, one in there)


def test_a_column_that_is_not_utf8_is_not_taken_for_ascii() -> None:
    raw = pa.array([b"a", b"\xff", b"c"]).view(pa.string())
    assert not is_ascii(raw)
    assert is_ascii(raw.slice(2))
    assert is_ascii(raw.slice(0, 1))
    assert not is_ascii(pa.array(["ä"]))
