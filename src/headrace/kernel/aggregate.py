"""What an aggregate is: how a value is prepared, how a state takes it in, gives it up, merges, and is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from headrace.kernel.column import Column
from headrace.kernel.placing import ordered_bits, scaled
from headrace.kernel.typing import Ints
from headrace.types import Domain, LogicalType, list_of

Params = Mapping[str, Any]
Plain = Sequence[tuple[int, Any]]
"""Events for the plain meaning: event time in microseconds and value, in the total order of the log."""

ANY = ("int", "float", "decimal", "bool", "timestamp", "date", "str")
NUMBERS = ("int", "float", "decimal", "bool")
ORDERED = ("int", "float", "decimal", "timestamp", "date", "str")
DIGITS, EXPONENT, FREE = 0, 1, 2
"""Places in a setting: decimal digits, binary exponent of the resolution, and the first free for the aggregate."""


@dataclass(frozen=True)
class Aggregate:
    """One aggregate, whole: its meaning in plain Python and its fast form, side by side.

    The compiled functions see ``state`` (int64, ``width`` words, zero at first), ``table`` (a counter, see
    ``kernel.counter``), ``setting`` (int64) and its float64 view ``reals``.

    Args:
        name: as users write it.
        takes: names of the logical types of its value; empty where it takes none.
        result: type of the feature, from the domain of the value and the parameters.
        plain: the meaning: events in order, moment of the row in microseconds, setting -> value or None.
        prepare: column and setting -> int64 for each event; text is already coded in ascending order.
        update: ``(state, table, value, time, setting, reals)`` takes an event in.
        remove: the same, gives it up; None where that cannot be done, then states are merged in a tree.
        merge: ``(state, table, other, other_table, setting)`` takes in a state whose events are all later.
        finalize: ``(state, table, setting, reals, moment, ints, floats) -> items``: writes the result (``floats`` is
            a view of ``ints``) and returns how many items it has, 0 for null.
        width: words of state.
        out: what the words of a result are: ``float``, ``int``, ``value`` (decoded like the input) or ``position``
            (of the event whose value it is).
        table_keys: how many counter keys an event can need; 0 for no table.
        items: most items of a result (more than one only for lists).
        needs: names of required parameters.
        settle: what else belongs into the setting, from domain and parameters; raises ValueError with the reason.
        sees_null: whether null values are events for it, too.
        bits: binary digits to which a float is resolved within its bounds; None where floats are not resolved.
        bounded: whether whole numbers must be bounded below 2**bits, too.
        additive: how many words the state has, where all are plain sums over events; 0 if they are more than that.
        value_optional: whether it can also be used without a value.
    """

    name: str
    takes: tuple[str, ...]
    result: Callable[[Domain | None, Params], LogicalType]
    plain: Callable[[Plain, int, Ints], Any]
    prepare: Callable[[Column | None, int, Ints], Ints]
    update: Callable[..., None]
    remove: Callable[..., None] | None
    merge: Callable[..., None]
    finalize: Callable[..., int]
    width: Callable[[Params], int] | int = 1
    out: str = "float"
    table_keys: int = 0
    items: Callable[[Params], int] | int = 1
    needs: tuple[str, ...] = ()
    settle: Callable[[Ints, Domain | None, Params], None] | None = None
    sees_null: bool = False
    bits: int | None = None
    bounded: bool = False
    additive: int = 0
    value_optional: bool = False

    def setting(self, domain: Domain | None, params: Params) -> Ints:
        """Return the constants of this aggregate for a domain and parameters.

        Raises:
            ValueError: with the reason, where a parameter is missing or wrong or the value is not bounded.
        """
        known = set(self.needs)
        if missing := [name for name in self.needs if name not in params]:
            raise ValueError(f"{self.name} needs {', '.join(missing)}")
        if extra := sorted(set(params) - known):
            raise ValueError(f"{self.name} takes no {', '.join(extra)}")
        setting = np.zeros(8, dtype=np.int64)
        if domain is not None and self.bits is not None:
            _resolve(setting, domain, self.bits, self.bounded, self.name)
        if self.settle is not None:
            self.settle(setting, domain, params)
        return setting

    def words(self, params: Params) -> int:
        return self.width if isinstance(self.width, int) else self.width(params)

    def most(self, params: Params) -> int:
        return self.items if isinstance(self.items, int) else self.items(params)


def _resolve(setting: Ints, domain: Domain, bits: int, bounded: bool, name: str) -> None:
    """Choose the resolution of exact totals: the last digit of a decimal, or 2**-k that fills the bits of a word."""
    magnitude = domain.magnitude
    if domain.type.name == "decimal":
        setting[DIGITS] = domain.type.scale
    if domain.type.name == "float":
        if magnitude is None or not np.isfinite(magnitude):
            raise ValueError(f"{name} of a float without bounds cannot be exact")
        above = 0 if magnitude == 0 else int(np.frexp(float(magnitude))[1])
        if above > 480:
            raise ValueError(f"{name} of a float beyond 2**480 cannot be exact")
        setting[EXPONENT] = -min(bits - above, 480)
    if domain.type.name in ("int", "decimal") and bounded and (magnitude is None or magnitude >= 2**bits):
        what = "whole numbers" if domain.type.name == "int" else "last digits"
        raise ValueError(f"{name} of {what} that are not bounded below 2**{bits} cannot be exact")


def whole(value: Any, setting: Ints) -> int:
    """Plain meaning of a prepared number: how many units of the resolution, ties to even."""
    if isinstance(value, Fraction):
        value *= 10 ** int(setting[DIGITS])
    return round(Fraction(value) / Fraction(2) ** int(setting[EXPONENT]))


def rounded(total: Fraction | int, setting: Ints) -> float | None:
    """Return an exact total of units as the nearest float64; None beyond its range."""
    try:
        return float(Fraction(total) / 10 ** int(setting[DIGITS]) * Fraction(2) ** int(setting[EXPONENT]))
    except OverflowError:
        return None


def prepare_number(column: Column | None, length: int, setting: Ints) -> Ints:
    """Return numbers as whole multiples of the resolution."""
    if column is None:
        return np.zeros(length, dtype=np.int64)
    if column.type.name == "float":
        return scaled(column.values, 2.0 ** int(-setting[EXPONENT]))
    return column.values.astype(np.int64) << -setting[EXPONENT]


def prepare_nothing(column: Column | None, length: int, setting: Ints) -> Ints:
    """For aggregates that only ask whether an event is there."""
    return np.zeros(length, dtype=np.int64)


def prepare_position(column: Column | None, length: int, setting: Ints) -> Ints:
    """For aggregates whose result is the value of one of the events."""
    return np.arange(length, dtype=np.int64)


def prepare_value(column: Column | None, length: int, setting: Ints) -> Ints:
    """Return values as int64 in the same order, equal where the values are equal."""
    assert column is not None
    if column.type.name == "float":
        return ordered_bits(column.values)
    return column.values.astype(np.int64)


def unchanged(value: Any) -> Any:
    """Plain meaning of a prepared value: itself, with one zero."""
    return value + 0.0 if isinstance(value, float) else value


def same_type(domain: Domain | None, params: Params) -> LogicalType:
    """The result is one of the values."""
    if domain is None:
        raise ValueError("it needs a value")
    return domain.type.bare


def list_result(domain: Domain | None, params: Params) -> LogicalType:
    """The result is a list of values."""
    return list_of(same_type(domain, params))


def size_of(name: str, params: Params) -> int:
    """Return a parameter that must be a whole number from 1 to 1000."""
    size = params[name]
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= 1000:
        raise ValueError(f"{name} is {size!r}, not a whole number from 1 to 1000")
    return size
