"""Every case on every path, and a check that nothing of the catalogue goes without a case."""

from __future__ import annotations

from dataclasses import fields

import pytest

from headrace.kernel.aggregates import catalogue
from headrace.plan.expression import Call, Node, walk
from headrace.plan.functions import TABLE
from tests.conformance import keys, rows, time, values
from tests.conformance.answers import QUESTIONS, Answers, cases, found
from tests.conformance.case import Case
from tests.conformance.paths import PATHS
from tests.plan.worlds import bits

ALL = [*cases(), *time.CASES, *keys.CASES, *values.CASES, *rows.CASES]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_every_path_gives_what_is_expected(case: Case, path: str) -> None:
    made = PATHS[path](case.plan(), case.spine(), case.sources())
    for name, expected in case.expected.items():
        values = [row[name] for row in made]
        assert [bits(value) for value in values] == [bits(value) for value in expected], f"{name}: {values}"


def test_cases_have_names_of_their_own() -> None:
    names = [case.name for case in ALL]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("name", list(catalogue()))
def test_every_aggregate_has_its_answers(name: str) -> None:
    answers = found(name)
    questions = "\n".join((Answers.__doc__ or "").strip().splitlines()[2:])
    assert answers is not None, (
        f"aggregate {name} has no conformance cases: write tests/conformance/aggregates/{name}.py with\n"
        f"ANSWERS = Answers(…), whose values over the seven sales you work out by hand:\n{questions}"
    )


def test_every_answer_belongs_to_a_question() -> None:
    asked = {one.name for one in fields(Answers)} - {"value", "params"}
    assert asked == set(QUESTIONS)


def test_every_function_has_a_case() -> None:
    without = set(TABLE) - {function for case in ALL for function in _functions(case)} - {"seconds_between"}
    assert not without, f"functions without a case in tests/conformance/rows.py: {', '.join(sorted(without))}"


def _functions(case: Case) -> set[str]:
    plan = case.plan()
    nodes: list[Node] = [derived.node for derived in plan.derived]
    nodes += [node for state in plan.states for _, node in state.expressions]
    nodes += [one.value for group in plan.windows for one in group.aggregations if one.value is not None]
    return {part.function for node in nodes for part in walk(node) if isinstance(part, Call)}
