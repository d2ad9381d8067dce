"""What a load was like: how many rows broke each rule, what its columns look like, and whether that is as before."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from headrace.contracts.across import key_severity
from headrace.contracts.problems import Problem
from headrace.declare import Contract, Distribution, Field, Volume
from headrace.declare.nested import all_within
from headrace.declare.rules import MOST_LOADS, REJECT, STOP, WARN
from headrace.types import STR

_BINS, _TEXT_BINS = 10, 64
FEWEST = 100
"""Rows from which on a distribution is one: bins are fixed, and distances taken, from no fewer."""
_PROMISES = ("ge", "gt", "le", "lt", "isin", "pattern", "min_length", "max_length")
_NUMBERS = ("int", "float", "decimal", "bool")
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def promises_of(contract: type[Contract]) -> dict[str, str]:
    """Return the rules of a contract that rows break, each as the history calls it, with its severity.

    Example:
        >>> from headrace.declare import field, key
        >>> class Reading(Contract):
        ...     id: int = key()
        ...     value: float = field(ge=0, severity="warn")
        >>> promises_of(Reading)
        {'id': 'reject', 'value': 'reject', 'value ge': 'warn', 'key': 'reject'}
    """
    found: dict[str, str] = {}
    for one in all_within(contract.fields().values()):
        found[one.name] = REJECT if one.severity == WARN else one.severity
        found |= {f"{one.name} {said}": one.severity for said in _PROMISES if getattr(one, said) is not None}
    if contract.key_fields():
        found["key"] = key_severity(contract)
    return found | {name: one.severity for name, one in contract.rules().items() if one.of_rows}


@dataclass(frozen=True)
class Verdict:
    """How a load kept one rule; ``as_row`` is a row of the history, but for its load and time.

    Args:
        rule: as ``promises_of`` calls it, or the name of a rule of loads.
        severity: of the rule.
        checked, failed: rows.
        value: what was measured: the share of rows that kept it, the share of the usual rows, a distance, an age.
        ok: whether it was kept.
        text: what was found, for people.
    """

    rule: str
    severity: str
    checked: int
    failed: int
    value: float | None
    ok: bool
    text: str = ""

    def as_row(self) -> dict[str, Any]:
        """Return the verdict as plain values."""
        said = ("rule", "severity", "checked", "failed", "value", "ok")
        return {name: getattr(self, name) for name in said}


class Profile:
    """What the accepted values of a column are like. Of a field that is personal nothing but nulls is told.

    Args:
        one: the field.
        edges: of the bins; None to fix them by the first values, no bins where ``binned`` is not set.
        binned: whether a rule needs the distribution.
    """

    def __init__(self, one: Field, edges: Floats | None, binned: bool) -> None:
        self.name, self.rows, self.nulls = one.name, 0, 0
        self.least: float | None = None
        self.most: float | None = None
        self.edges, self.bins = edges if binned else None, np.zeros(0, np.int64)
        self._binned, self._members = binned, sorted(map(str, one.isin or ()))
        if binned and one.type.bare == STR:
            most = len(self._members) if 0 < len(self._members) <= _BINS else _TEXT_BINS
            self.edges = np.arange(1.0, most)
        self._open = one.type.name in _NUMBERS and not (one.privacy or one.subject or one.role == "key")

    def take(self, column: pa.ChunkedArray) -> None:
        """Learn the values of a batch."""
        self.rows += len(column)
        self.nulls += column.null_count
        if not self._open and not self._binned:
            return
        values = column.drop_null()
        if pa.types.is_boolean(values.type):
            values = pc.cast(values, pa.int64())
        if self._open and len(values):
            ends = pc.min_max(values).as_py()
            self.least = float(ends["min"]) if self.least is None else min(self.least, float(ends["min"]))
            self.most = float(ends["max"]) if self.most is None else max(self.most, float(ends["max"]))
        if self._binned and pa.types.is_string(values.type):
            self._count_texts(values)
        elif self._binned:
            self._count(pc.cast(values, pa.float64(), safe=False).to_numpy())

    def _count(self, values: Floats) -> None:
        if self.edges is None and len(values) >= FEWEST:
            quantiles = np.linspace(0, 1, _BINS + 1)[1:-1]
            self.edges = np.unique(np.quantile(values, quantiles, method="inverted_cdf"))
        if self.edges is not None:
            counted = np.bincount(np.searchsorted(self.edges, values, side="right"), minlength=len(self.edges) + 1)
            self.bins = counted if not len(self.bins) else self.bins + counted

    def _count_texts(self, values: pa.ChunkedArray) -> None:
        """Count values of a small set by themselves, others by a digest: the history holds none of them."""
        assert self.edges is not None
        most, found = len(self.edges) + 1, pc.value_counts(values)
        known = {text: place for place, text in enumerate(self._members)} if len(self._members) <= _BINS else {}
        texts = found.field("values").to_pylist()
        places = [known[text] if text in known else zlib.crc32(text.encode()) % most for text in texts]
        counted = np.bincount(places, found.field("counts").to_numpy(), most).astype(np.int64)
        self.bins = counted if not len(self.bins) else self.bins + counted

    @property
    def is_enough(self) -> bool:
        """Whether there are so many values that a distance is not by chance alone: ten for each bin that has some."""
        return int(self.counts.sum()) >= max(FEWEST, FEWEST // _BINS * int(np.count_nonzero(self.bins)))

    @property
    def counts(self) -> Ints:
        """Rows in each bin, and those without a value; empty where there are no bins."""
        return np.append(self.bins, self.nulls) if len(self.bins) else self.bins

    def as_row(self) -> dict[str, Any]:
        """Return the profile as a row of the history: rows as checked, nulls as failed, their share as value."""
        edges = None if self.edges is None or not len(self.bins) else self.edges.tolist()
        ends = (self.least, self.most) if self._open else (None, None)
        return {
            "rule": "profile",
            "field": self.name,
            "checked": self.rows,
            "failed": self.nulls,
            "value": self.nulls / self.rows if self.rows else None,
            "least": ends[0],
            "most": ends[1],
            "edges": edges,
            "bins": self.bins.tolist() if edges is not None else None,
        }


@dataclass(frozen=True)
class History:
    """What the last loads were like, oldest first: their rows, and for each column its bins and counts."""

    rows: tuple[int, ...] = ()
    bins: Mapping[str, tuple[tuple[Floats, Ints], ...]] = field(default_factory=dict)

    def edges(self, column: str) -> Floats | None:
        """Return the bins that the last loads have of a column."""
        known = self.bins.get(column)
        return known[-1][0] if known else None

    def learned(self, figures: Figures) -> History:
        """Return the history with one load more, which was taken."""
        bins = dict(self.bins)
        for one in figures.profiles.values():
            if one.edges is not None and len(one.bins):
                bins[one.name] = (*bins.get(one.name, ()), (one.edges, one.counts))[-MOST_LOADS:]
        return History((*self.rows, figures.received)[-MOST_LOADS:], bins)


class Figures:
    """The figures of one load, learned batch by batch while it is validated.

    Args:
        contract: under which it is loaded.
        history: of the loads before it.
    """

    def __init__(self, contract: type[Contract], history: History | None = None) -> None:
        self.received = self.accepted = 0
        self.failed: Counter[str] = Counter()
        self._contract, self._history = contract, history or History()
        binned = {one.of for one in contract.rules().values() if isinstance(one, Distribution)}
        self.profiles = {
            name: Profile(one, self._history.edges(name), name in binned)
            for name, one in contract.fields().items()
            if not one.type.nested
        }

    def take(self, received: int, accepted: pa.Table, problems: Iterable[Problem]) -> None:
        """Learn a batch: rows received, rows accepted, and what was wrong with any."""
        self.received += received
        self.accepted += accepted.num_rows
        for one in problems:
            self.failed[one.name] += len(one.rows)
        for name, profile in self.profiles.items():
            profile.take(accepted[name])

    def stopping(self) -> list[Verdict]:
        """Return the rules that refuse the load."""
        return [one for one in self.verdicts() if one.severity == STOP and not one.ok]

    def verdicts(self, of_loads: bool = True) -> list[Verdict]:
        """Return how the load kept each rule: those of rows, then, unless that is not asked, those of loads."""
        share = self.accepted / self.received if self.received else None
        aside = self.received - self.accepted
        found = [Verdict("rows", "", self.received, aside, share, aside == 0)]
        known = promises_of(self._contract)
        for name, severity in (known | {name: REJECT for name in self.failed if name not in known}).items():
            failed = self.failed[name]
            kept = 1 - failed / self.received if self.received else None
            found.append(Verdict(name, severity, self.received, failed, kept, failed == 0, f"{failed:,} rows"))
        return found + (list(self._of_loads()) if of_loads else [])

    def _of_loads(self) -> Iterator[Verdict]:
        for one in self._contract.rules().values():
            if isinstance(one, Volume):
                yield self._volume(one)
            elif isinstance(one, Distribution):
                yield self._distribution(one)

    def _volume(self, one: Volume) -> Verdict:
        rows, before = self.received, self._history.rows[-one.last :]
        usual = median(before) if before else None
        value = rows / usual if usual else None
        ok = (one.at_least is None or rows >= one.at_least) and (one.at_most is None or rows <= one.at_most)
        if one.within is not None and usual is not None:
            ok = ok and abs(rows - usual) <= one.within * usual
        text = f"{rows:,} rows" + ("" if usual is None else f", where the last {len(before)} loads have {usual:,.0f}")
        return Verdict(one.name, one.severity, rows, 0, value, ok, text)

    def _distribution(self, one: Distribution) -> Verdict:
        profile = self.profiles[one.of]
        value = None
        if profile.edges is not None and profile.is_enough:
            before = self._history.bins.get(one.of, ())[-one.last :]
            alike = [counts for edges, counts in before if np.array_equal(edges, profile.edges)]
            if alike:
                value = instability(np.sum(alike, axis=0), profile.counts)
        ok = value is None or value <= one.within
        text = "" if value is None else f"{one.of} is {value:.3g} from the last loads, more than {one.within:g}"
        return Verdict(one.name, one.severity, profile.rows, 0, value, ok, text)


def instability(before: Sequence[int] | Ints, now: Sequence[int] | Ints) -> float:
    """Return the population stability index of two counts over the same bins.

    Half a row is added to each bin, so that one that is empty on one side has a logarithm.

    Source: N. Siddiqi, Credit Risk Scorecards, Wiley 2006, chapter 10.

    Example:
        >>> round(instability([100, 100], [100, 100]), 3), round(instability([100, 100], [150, 50]), 3)
        (0.0, 0.272)
    """
    old, new = (np.asarray(counts, np.float64) + 0.5 for counts in (before, now))
    old, new = old / old.sum(), new / new.sum()
    return float(np.sum((new - old) * np.log(new / old)))


def history_of(rows: Sequence[int], profiles: Iterable[Mapping[str, Any]] = ()) -> History:
    """Return the history that rows of profiles tell, oldest first, beside the rows of the loads."""
    bins: dict[str, list[tuple[Floats, Ints]]] = {}
    for row in profiles:
        counts = np.array([*row["bins"], row["failed"]], np.int64)
        bins.setdefault(row["field"], []).append((np.array(row["edges"], np.float64), counts))
    return History(tuple(rows[-MOST_LOADS:]), {name: tuple(known[-MOST_LOADS:]) for name, known in bins.items()})
