"""Rows that are told to be short without a parser: never one that a parser finds to be long."""

from __future__ import annotations

import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headrace.connect.formats import quotes


def longest(text: str) -> int:
    """The longest row of a text, letter by letter: a quote opens at the beginning of a field only."""
    longest = start = 0
    inside, begins, at = False, True, 0
    while at < len(text):
        letter = text[at]
        if inside:
            if letter == '"' and text[at + 1 : at + 2] == '"':
                at += 1
            elif letter == '"':
                inside = False
        elif letter == '"' and begins:
            inside = True
        elif letter == "\n":
            longest, start = max(longest, at - start), at + 1
        begins = not inside and letter in ",\n"
        at += 1
    return max(longest, len(text) - start)


@settings(max_examples=2000, deadline=None)
@given(text=st.text(alphabet='a,"\n', max_size=60), block=st.integers(1, 9))
@example(text='a,"b\n""c"\n' * 3, block=5)
def test_what_is_told_to_be_short_is_short(text: str, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quotes, "_BLOCK", block)
        if quotes.short_rows(io.BytesIO(text.encode()), ","):
            assert longest(text) <= 2 * block


@pytest.mark.parametrize("block", [16, 1 << 20])
def test_usual_files_are_told_to_be_short(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotes, "_BLOCK", block)
    text = 'id,name\r\n1,"a, b"\r\n2,"say ""x"""\r\n3,\r\n' * 20
    assert quotes.short_rows(io.BytesIO(text.encode()), ",")
    assert not quotes.short_rows(io.BytesIO((text + '4,"' + "\n" * 40).encode()), ",")
