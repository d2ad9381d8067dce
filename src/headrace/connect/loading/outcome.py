"""What becomes of loads by their contract's rules: refused, or taken with what is to be told of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from headrace.connect import quality
from headrace.connect.loads import Ledger, Load
from headrace.contracts import Validated
from headrace.contracts.problems import Problem
from headrace.contracts.quality import Figures, History, Verdict, promises_of
from headrace.contracts.validation import unmarked
from headrace.declare import Contract, Field, Fresh, Rule, Stream, Table
from headrace.declare.nested import all_within
from headrace.declare.rules import STOP, WARN
from headrace.errors import Fault
from headrace.lake import Lake

_SHOWN = 5
"""Rows or loads that a message names."""


@dataclass
class Outcome:
    """One load on its way: its figures, and the rows that stop it.

    Args:
        load: the load.
        figures: of the rows so far.
        rules: names of the rules that the contract has beyond fields.
        counts: of the rows that are kept out, by what is wrong with them, batch by batch.
        warned: rows that break what only warns, by what it is and the name of the field or rule.
    """

    load: Load
    figures: Figures
    rules: Collection[str] = ()
    counts: list[dict[str, int]] = field(default_factory=list)
    warned: Counter[tuple[str, str]] = field(default_factory=Counter)
    _stopping: Counter[str] = field(default_factory=Counter)
    _rows: list[int] = field(default_factory=list)

    def take(self, received: int, result: Validated, rows: npt.NDArray[np.int64]) -> None:
        """Learn a batch whose rows stand at some positions of their file."""
        self.figures.take(received, result.accepted, result.problems)
        self.counts.append(result.counts)
        for one in result.problems:
            if one.severity == WARN:
                self.warned[one.rule, one.promise if one.promise in self.rules else one.field] += len(one.rows)
            if one.severity == STOP:
                self._stopping[one.rule] += len(one.rows)
                self._rows += rows[one.rows[:_SHOWN]].tolist()

    def before(self, typed: pa.Table, problems: list[Problem], held: npt.NDArray[np.bool_]) -> None:
        """Learn rows that an earlier run took, or put into quarantine (``held``): they are counted, and nothing else.

        Keys and references are not judged again: of rows that broke these only their number is known.
        """
        good = unmarked(problems, typed.num_rows) & ~held
        self.figures.take(typed.num_rows, typed.filter(pa.array(good)), problems)

    def refusal(self) -> Fault | None:
        """Return why the load is refused; None where it is not."""
        broken = [f"{rule} ({rows:,} rows)" for rule, rows in self._stopping.most_common()]
        loads = [one for one in self.figures.stopping() if not one.failed]
        broken += [f"{one.rule}: {one.text}" for one in loads]
        if not broken:
            return None
        at = sorted(set(self._rows))[:_SHOWN]
        where = f", first in row {', '.join(f'{row:,}' for row in at)}" if at else ""
        found = f"a load of {self.figures.received:,} rows that breaks what stops it: {'; '.join(broken)}{where}"
        cure = "mend the file where it comes from, or change severity='stop' of the rule; no row of it was taken"
        return Fault("HR-QUALITY-020", self.load.name, found, "a load that keeps these rules", cure)


class Quality:
    """The quality of what one run loads into a stream or table.

    Args:
        source: the stream or table.
        contract: of it.
        lake: with its history.
    """

    def __init__(self, source: Stream | Table, contract: type[Contract], lake: Lake) -> None:
        self._source, self._contract, self._lake = source, contract, lake
        self._history = History()
        self._warned: Counter[tuple[str, str]] = Counter()
        self._unlike: dict[str, list[tuple[str, Verdict]]] = {}
        rules = contract.rules().values()
        later = any(one.severity == STOP and not one.of_rows and not isinstance(one, Fresh) for one in rules)
        self.stops = later or STOP in promises_of(contract).values()
        """Whether a load may be refused at its end."""

    @property
    def warned(self) -> dict[str, int]:
        """Rows that break each rule that only warns, the most frequent first."""
        return {rule: rows for (rule, _), rows in self._warned.most_common()}

    def compare(self, ledger: Ledger) -> None:
        """Learn what the loads before were like."""
        self._history = quality.history(self._lake, self._source.name, self._contract, ledger)

    def begin(self, load: Load) -> Outcome:
        return Outcome(load, Figures(self._contract, self._history), self._contract.rules())

    def ends(self, outcome: Outcome) -> None:
        """Count a load that is taken: what it was like is what the next ones are compared with."""
        self._warned.update(outcome.warned)
        for one in outcome.figures.verdicts():
            if not one.ok and one.severity == WARN and not one.failed:
                self._unlike.setdefault(one.rule, []).append((outcome.load.name, one))
        self._history = self._history.learned(outcome.figures)

    def warnings(self) -> list[Fault]:
        """Return what is to be told of the loads that were taken."""
        name, place = self._source.name, self._contract.place
        fields = {one.name: one for one in all_within(self._contract.fields().values())}
        said: dict[str, Field | Rule] = {**fields, **self._contract.rules()}
        faults = []
        for (rule, of), rows in self._warned.most_common():
            found, cure = f"{rows:,} rows of {name} break {rule}", "mend them where they come from"
            faults.append(Fault("HR-QUALITY-021", said[of].place or place, found, "rows that keep it", cure, "warning"))
        for rule, loads in self._unlike.items():
            told = "; ".join(f"{file}: {one.text}" for file, one in loads[:_SHOWN])
            more = f"; and {len(loads) - _SHOWN:,} loads more" if len(loads) > _SHOWN else ""
            at = self._contract.rules()[rule].place or place
            cure = "look at what arrived; where it is right, widen the rule"
            found = f"loads of {name} that break {rule}: {told}{more}"
            faults.append(Fault("HR-QUALITY-022", at, found, self._contract.rules()[rule].said(), cure, "warning"))
        return faults

    def freshness(self) -> list[Fault]:
        """Judge whether the newest row is new enough, keep that in the history, and return what is to be told."""
        verdicts = quality.freshness(self._source, self._lake)
        quality.keep_verdicts(self._lake, self._source.name, verdicts)
        return [stale(self._source, self._contract, one) for one in verdicts if not one.ok]


def stale(source: Stream | Table, contract: type[Contract], verdict: Verdict) -> Fault:
    """Return the fault of a table whose newest row is too old."""
    rule = contract.rules()[verdict.rule]
    severity = "error" if rule.severity == STOP else "warning"
    found, cure = f"{source.name} has {verdict.text}", f"ask {source.owner or 'its owner'} why nothing newer arrives"
    return Fault("HR-QUALITY-023", rule.place or contract.place, found, rule.said(), cure, severity)
