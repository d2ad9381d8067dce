"""Every mistake has its code, its place, and words that help; and all are told at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import headrace as hr
from headrace import declare, plan
from headrace.errors import HeadraceError
from headrace.plan import check
from tests.declare.mistakes import MISTAKES, cases, events, model, now, project, truth, user, windows

EVERY = [(code, position) for code, made in MISTAKES.items() for position in range(len(made))]
ROOMS = [Path(str(room.__file__)).parent for room in (declare, plan)]


@pytest.mark.parametrize(("code", "position"), EVERY, ids=lambda one: str(one))
def test_a_mistake_is_told(code: str, position: int) -> None:
    make, words = MISTAKES[code][position]
    faults = [fault for fault in check(make()) if fault.code == code]
    assert faults, f"no {code}: {check(make())}"
    assert any(words in str(fault) for fault in faults), [str(fault) for fault in faults]
    for fault in faults:
        assert re.fullmatch(r"tests/declare/mistakes\.py:\d+", fault.place), fault
        assert fault.found
        assert fault.expected


def test_every_code_of_declarations_and_plans_has_its_mistake() -> None:
    sources = [path.read_text() for room in ROOMS for path in room.rglob("*.py")]
    codes = {code for text in sources for code in re.findall(r"\"(HR-[A-Z]+-\d+)\"", text)}
    assert codes - set(MISTAKES) == set(), "these codes have no mistake in tests/declare/mistakes.py"
    assert set(MISTAKES) - codes == set(), "these codes are not told any more"


def test_a_project_without_mistakes_has_no_faults() -> None:
    delayed = windows(s=hr.sum("won", "30d", delay="7d"), c=hr.count(["1d", "7d"]))
    learned = cases(delayed, now(ratio="amount / nullif(f.s, 0.0)", night="hour(at) < 6"), label=truth())
    service = hr.Service("desk", model(cases_=learned), decide={"block": "score > 0.9 and amount > 10"})
    assert check(hr.Project("p", services=[service])) == []


def test_all_faults_are_told_at_once() -> None:
    wrong = windows(a=hr.mean("amuont", "1d"), b=hr.mean("word", "1d"), c=hr.declare.aggregate("summ", "amount", "1d"))
    rows = now(d="usr", e="amount / 0", f="word + 1")
    codes = sorted(fault.code for fault in check(project(wrong, rows)))
    assert codes == [*["HR-EXPRESSION-002"] * 4, "HR-WINDOW-005", "HR-WINDOW-007"]


def test_declared_faults_are_told_at_once() -> None:
    wrong = windows(a=hr.mean("amount", "0d"), b=hr.count("7"), c=hr.sum("amount", "1d", delay="x"))
    assert [fault.code for fault in check(project(wrong))] == ["HR-TIME-001"] * 3
    with pytest.raises(HeadraceError) as refused:
        plan.compile_features([wrong])
    assert len(refused.value.faults) == 3


def test_a_fault_names_the_line_of_its_declaration() -> None:
    first = hr.count("0d")
    second = hr.count("1d", hop="0s")
    lines = [int(fault.place.rpartition(":")[2]) for fault in check(project(windows(a=first, b=second)))]
    assert lines[1] == lines[0] + 1


def test_a_service_rule_is_checked_against_score_row_and_features() -> None:
    service = hr.Service("desk", model(), decide={"block": "scor > 0.9", "review": "amount"})
    codes = [fault.code for fault in check(hr.Project("p", services=[service]))]
    assert codes == ["HR-EXPRESSION-002", "HR-EXPRESSION-003"]


def test_a_rule_may_not_reach_beyond_the_row() -> None:
    for text in ("(select true)", "score > 0.5; drop table x", "exists(select 1)", "getenv('HOME') = 'x'"):
        service = hr.Service("desk", model(), decide={"block": text})
        assert [fault.code for fault in check(hr.Project("p", services=[service]))] == ["HR-EXPRESSION-002"]


def test_values_are_frozen_and_equal_where_their_words_are() -> None:
    one, other = hr.mean("amount", "7d"), hr.mean("amount", "7d")
    assert one == other
    assert one != hr.mean("amount", "8d")
    assert events == hr.Stream("events", events.contract)
    assert hr.Entity("user") == user
    with pytest.raises(AttributeError):
        one.value = "ratio"  # type: ignore[misc]
