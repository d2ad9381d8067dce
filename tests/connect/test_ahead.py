import threading
from collections.abc import Iterator

import pytest

from headrace.connect.ahead import ahead


def test_one_more_is_read_than_is_worked_on_and_no_two() -> None:
    read: list[int] = []
    more = threading.Event()

    def numbers() -> Iterator[int]:
        for number in range(5):
            read.append(number)
            if number == 1:
                more.set()
            yield number

    given = ahead(numbers())
    assert next(given) == 0
    assert more.wait(10)
    assert read == [0, 1]
    assert list(given) == [1, 2, 3, 4]


def test_an_error_comes_behind_what_was_read_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("torn")

    given = ahead(broken())
    assert next(given) == 1
    with pytest.raises(OSError, match="torn"):
        next(given)


def test_what_is_left_unread_is_closed() -> None:
    closed = threading.Event()

    def numbers() -> Iterator[int]:
        try:
            yield from range(10)
        finally:
            closed.set()

    given = ahead(numbers())
    next(given)
    given.close()  # type: ignore[attr-defined]
    del given
    assert closed.wait(10)
