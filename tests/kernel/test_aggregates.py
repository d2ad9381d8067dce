"""The algebra that every aggregate of the catalogue must keep, whatever it computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.engines.frame import typed_column
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.aggregates import catalogue
from headrace.kernel.counter import amount
from headrace.plan.domains import domains
from tests.plan.strategies import VALUES, columns_of, params
from tests.plan.worlds import START, Event, examples, table

KINDS = list(catalogue())
REVERSIBLE = [name for name, one in catalogue().items() if one.remove is not None]
MOMENT = START + 10**12


class Working:
    """A state of an aggregate, run as plain Python: the functions are the ones that are compiled."""

    def __init__(self, aggregate: Aggregate, setting: Any, how: dict[str, Any]) -> None:
        self.aggregate, self.setting, self.how = aggregate, setting, how
        self.state = np.zeros(aggregate.words(how), dtype=np.int64)
        self.table = np.zeros((512 if aggregate.table_keys else 1, 3), dtype=np.int64)

    def update(self, value: int, time: int) -> None:
        self.aggregate.update(self.state, self.table, value, time, self.setting, self.setting.view(np.float64))

    def remove(self, value: int, time: int) -> None:
        assert self.aggregate.remove is not None
        self.aggregate.remove(self.state, self.table, value, time, self.setting, self.setting.view(np.float64))

    def merge(self, later: Working) -> None:
        self.aggregate.merge(self.state, self.table, later.state, later.table, self.setting)

    def result(self) -> tuple[int, ...]:
        ints = np.zeros(self.aggregate.most(self.how), dtype=np.int64)
        reals, floats = self.setting.view(np.float64), ints.view(np.float64)
        found = self.aggregate.finalize(self.state, self.table, self.setting, reals, MOMENT, ints, floats)
        return tuple(ints[:found].tolist())


@st.composite
def loads(draw: Any, kind: str) -> tuple[Any, dict[str, Any], list[tuple[int, int]]]:
    """A setting, parameters, and prepared values with their times, in the total order."""
    aggregate, how = catalogue()[kind], draw(params(kind))
    name = draw(st.sampled_from([one for one in columns_of(kind) if one]))
    values = draw(st.lists(VALUES[name], min_size=1, max_size=12))
    column = typed_column(table([{name: value} for value in values], Event).column(name), Event.fields()[name].type, "")
    setting = aggregate.setting(domains(Event)[name], how)
    prepared = aggregate.prepare(column, len(values), setting).tolist()
    times = sorted(draw(st.lists(st.integers(START, MOMENT), min_size=len(values), max_size=len(values))))
    return setting, how, list(zip(prepared, times, strict=True))


def filled(kind: str, setting: Any, how: dict[str, Any], events: list[tuple[int, int]]) -> Working:
    made = Working(catalogue()[kind], setting, how)
    for value, time in events:
        made.update(value, time)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_merging_states_is_as_good_as_taking_all_events_in(kind: str) -> None:
    @given(loads(kind), st.integers(0, 12), st.integers(0, 12))
    @examples(15)
    def check(load: Any, one: int, other: int) -> None:
        setting, how, events = load
        one, other = sorted((min(one, len(events)), min(other, len(events))))
        parts = [filled(kind, setting, how, part) for part in (events[:one], events[one:other], events[other:])]
        expected = filled(kind, setting, how, events).result()
        left = filled(kind, setting, how, events[:one])
        for part in parts[1:]:
            left.merge(part)
        assert left.result() == expected
        parts[1].merge(parts[2])
        parts[0].merge(parts[1])  # (a + (b + c)) as well as ((a + b) + c)
        assert parts[0].result() == expected
        nothing = Working(catalogue()[kind], setting, how)
        nothing.merge(left)
        left.merge(Working(catalogue()[kind], setting, how))
        assert left.result() == nothing.result() == expected

    check()


@pytest.mark.parametrize("kind", REVERSIBLE)
def test_giving_an_event_up_undoes_taking_it_in(kind: str) -> None:
    @given(loads(kind), st.integers(0, 12), st.randoms(use_true_random=False))
    @examples(15)
    def check(load: Any, keep: int, random: Any) -> None:
        setting, how, events = load
        kept, given_up = events[:keep], events[keep:]
        expected = filled(kind, setting, how, kept)
        mixed = list(events)
        random.shuffle(mixed)
        made = filled(kind, setting, how, mixed)
        random.shuffle(given_up)
        for value, time in given_up:
            made.remove(value, time)
        assert made.result() == expected.result()
        additive = catalogue()[kind].additive
        assert made.state[:additive].tolist() == expected.state[:additive].tolist()
        for key in made.table[made.table[:, 1] != 0, 0]:
            assert amount(made.table, key) == amount(expected.table, key)

    check()


@pytest.mark.parametrize("kind", [kind for kind in REVERSIBLE if catalogue()[kind].additive])
def test_an_additive_state_is_a_sum_over_events(kind: str) -> None:
    @given(loads(kind), st.integers(0, 12), st.integers(0, 12))
    @examples(10)
    def check(load: Any, tail: int, head: int) -> None:
        setting, how, events = load
        tail, head = sorted((min(tail, len(events)), min(head, len(events))))
        window = Working(catalogue()[kind], setting, how)
        difference = filled(kind, setting, how, events[:head]).state - filled(kind, setting, how, events[:tail]).state
        words = catalogue()[kind].additive
        window.state[:words] = difference[:words]
        assert window.result() == filled(kind, setting, how, events[tail:head]).result()

    check()


@pytest.mark.parametrize("kind", KINDS)
def test_a_declaration_is_whole(kind: str) -> None:
    one = catalogue()[kind]
    assert one.name == kind
    assert one.out in ("float", "int", "value", "position")
    assert set(one.takes) <= {"int", "float", "decimal", "bool", "str", "timestamp", "date"}
    assert one.takes
    assert not one.additive or one.remove is not None, "only what can be taken away can be told by a difference"
    for name in one.needs:
        with pytest.raises(ValueError, match=name):
            one.setting(None, {})
    with pytest.raises(ValueError, match="takes no surprise"):
        one.setting(None, dict.fromkeys((*one.needs, "surprise"), 1))


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("quantile", {"q": 1.5}),
        ("quantile", {"q": -0.1}),
        ("quantile", {"q": True}),
        ("quantile", {"q": "half"}),
        ("top_k", {"k": 0}),
        ("top_k", {"k": 1001}),
        ("top_k", {"k": 2.0}),
        ("last_n", {"n": 0}),
        ("last_n", {"n": True}),
        ("decayed_sum", {"half_life": "0d"}),
        ("decayed_mean", {"half_life": "-1d"}),
        ("decayed_sum", {"half_life": "1 fortnight"}),
        ("decayed_sum", {"half_life": 5}),
    ],
)
def test_wrong_parameters_are_refused(kind: str, how: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        catalogue()[kind].setting(domains(Event)["share"], how)


def test_an_estimate_of_many_keeps_its_stated_error() -> None:
    one = catalogue()["approx_nunique"]
    errors = []
    for size, seed in [(500, 1), (5_000, 2), (20_000, 3), (20_000, 4)]:
        values = np.random.default_rng(seed).integers(-(2**63), 2**63 - 1, size).tolist()
        estimate = one.plain([(0, value) for value in values], 0, np.zeros(8, dtype=np.int64))
        errors.append(abs(estimate / len(set(values)) - 1))
    assert max(errors) < 4 * 0.0325


def test_a_quantile_keeps_its_stated_error() -> None:
    rng = np.random.default_rng(5)
    values = np.exp(rng.normal(0, 20, 999))
    setting = catalogue()["quantile"].setting(domains(Event)["free"], {"q": 0.5})
    found = catalogue()["quantile"].plain([(0, float(value)) for value in values], 0, setting)
    exact = float(np.sort(values)[499])
    assert exact * (1 - 1 / 256) <= found <= exact
