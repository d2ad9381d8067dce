"""Every mistake has its code, its place, and words that help; and all are told at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import headrace as hr
from headrace import declare, plan, sql
from headrace.errors import HeadraceError
from headrace.plan import check
from tests.declare.mistakes import MISTAKES, cases, contract, events, model, now, project, truth, user, windows

EVERY = [(code, position) for code, made in MISTAKES.items() for position in range(len(made))]
ROOMS = [Path(str(room.__file__)).parent for room in (declare, plan)]
SOURCES = [*(path for room in ROOMS for path in room.rglob("*.py")), Path(str(sql.__file__))]


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
        assert fault.cure, fault


def test_every_code_of_declarations_and_plans_has_its_mistake() -> None:
    sources = [path.read_text() for path in SOURCES]
    codes = {code for text in sources for code in re.findall(r"\"(HR-[A-Z]+-\d+)\"", text)}
    assert codes - set(MISTAKES) == set(), "these codes have no mistake in tests/declare/mistakes.py"
    assert set(MISTAKES) - codes == set(), "these codes are not told any more"


def test_a_project_without_mistakes_has_no_faults() -> None:
    delayed = windows(s=hr.sum("won", "30d", delay="7d"), c=hr.count(["1d", "7d"]))
    learned = cases(delayed, now(ratio="amount / nullif(f.s, 0.0)", night="hour(at) < 6"), label=truth())
    service = hr.Service("desk", model(cases_=learned), decide={"block": "score > 0.9 and amount > 10"})
    assert check(hr.Project("p", services=[service])) == []


def test_all_faults_are_told_at_once() -> None:
    wrong = windows(a=hr.mean("amuont", "1d"), b=hr.mean("word", "1d"), c=hr.aggregate("summ", "amount", "1d"))
    rows = now(d="usr", e="amount / 0", f="word + 1")
    codes = sorted(fault.code for fault in check(project(wrong, rows)))
    assert codes == [*["HR-EXPRESSION-002"] * 4, "HR-WINDOW-005", "HR-WINDOW-007"]


def test_declared_faults_are_told_at_once() -> None:
    wrong = windows(a=hr.mean("amount", "0d"), b=hr.count("7"), c=hr.sum("amount", "1d", delay="x"))
    assert [fault.code for fault in check(project(wrong))] == ["HR-TIME-001"] * 3
    with pytest.raises(HeadraceError) as refused:
        plan.compile_features([wrong])
    assert len(refused.value.faults) == 3


def test_what_calls_lack_is_told_with_all_other_faults() -> None:
    wrong = windows(
        a=hr.quantile("amuont", 0.5, "0d"),  # type: ignore[misc,arg-type,call-arg]
        b=hr.top_k(),  # type: ignore[call-arg]
        c=hr.sum("amuont + wrod", "1x", delya="1d"),  # type: ignore[call-arg]
    )
    codes = [fault.code for fault in check(project(wrong, now(d="usr")))]
    assert sorted(codes) == [
        *["HR-EXPRESSION-002"] * 4,  # amuont, amuont, wrod, usr
        *["HR-TIME-001"] * 2,  # 0.5, 1x
        "HR-WINDOW-001",
        "HR-WINDOW-006",
        "HR-WINDOW-010",
        *["HR-WINDOW-011"] * 2,  # q, k
        "HR-WINDOW-012",
    ]


def test_what_a_model_lacks_is_told_with_all_other_faults() -> None:
    wrong = windows(a=hr.mean("amuont", "1d"))
    bare = hr.Model("m", cases(wrong, label=truth()), gates=[hr.at_least("average_precisoin", 0.5)])
    faults = check(hr.Project("p", services=[hr.Service("desk", bare, decide={"block": "scoer > 0.9"})]))
    codes = {fault.code for fault in faults}
    assert {"HR-DECLARE-001", "HR-MODEL-003", "HR-EXPRESSION-002"} <= codes, faults
    assert any("'scoer' in rule for block" in fault.found for fault in faults), faults
    assert {fault.found for fault in faults if fault.code == "HR-DECLARE-001"} == {
        "model m without fit=",
        "model m without split=",
    }


def test_a_model_that_names_no_metric_is_judged_by_average_precision() -> None:
    silent = hr.Model("m", cases(label=truth()), fit=print, split=hr.time_split("30d", "7d"))
    assert silent.faults == ()
    assert silent.metrics == (hr.average_precision(),)
    assert plan.model_fingerprint(silent) == plan.model_fingerprint(model(cases_=silent.cases, metrics=silent.metrics))
    assert [fault.code for fault in model(metrics=[]).faults] == ["HR-MODEL-002"]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("amuont + usr * 2", ["amuont", "usr"]),
        ("amuont > 1 and usr = 2 or wrod = 'a'", ["amuont", "usr", "wrod"]),
        ("amuont in (usr, 1)", ["amuont", "usr"]),
        ("amuont between usr and wrod", ["amuont", "usr", "wrod"]),
        ("case amuont when usr then wrod else ratoi end", ["amuont", "usr", "wrod", "ratoi"]),
        ("if(amuont > 1, usr, wrod)", ["amuont", "usr", "wrod"]),
        ("nullif(amuont, usr)", ["amuont", "usr"]),
        ("coalesce(amuont, amuont, usr)", ["amuont", "usr"]),
        ("nosuch(amuont, usr)", ["nosuch", "amuont", "usr"]),
        ("-amuont", ["amuont"]),
    ],
)
def test_all_faults_of_an_expression_are_told_at_once(text: str, wrong: list[str]) -> None:
    faults = check(project(now(a=text), windows(b=hr.count("1d", where=text))))
    for where in ("in now.a:", "in where of f.b:"):
        told = [fault.found for fault in faults if where in fault.found]
        assert len(told) == len(wrong)
        assert all(name in found for name, found in zip(wrong, told, strict=True)), told


def test_a_fault_is_told_where_it_is_made_and_not_where_its_feature_is_named() -> None:
    unread = hr.Features("unread", "events", by=user, features={"c": hr.count("1d")})  # type: ignore[arg-type]
    wrong = windows(s=hr.sum("amuont", "1d"), t=hr.sum("amount", ["0d", "7d"]))
    rows = now(a="f.s + f.t_7d + unread.c", b="now.a > 1 and f.s > 1", c="f.u")
    service = hr.Service(
        "desk", model(cases_=cases(wrong, rows, label=truth())), decide={"block": "now.b and scor > 1"}
    )
    faults = check(hr.Project("p", features=[unread], services=[service]))
    told = {(fault.code, fault.found.split(":")[0]) for fault in faults if fault.code != "HR-LEAK-001"}
    assert told == {
        ("HR-DECLARE-001", "source of unread = str"),
        ("HR-TIME-001", "window of hr.sum"),
        ("HR-EXPRESSION-002", "unknown column 'amuont' in f.s"),
        ("HR-EXPRESSION-002", "unknown column 'unread.c' in now.a"),  # it is not in the training set
        ("HR-EXPRESSION-002", "unknown column 'f.u' in now.c"),
        ("HR-EXPRESSION-002", "unknown column 'scor' in rule for block"),
    }


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("HR-CONTRACT-001", {"x": (complex, None)}),
        ("HR-CONTRACT-002", {"gift": (bool, False)}),
        ("HR-CONTRACT-003", {"b": (hr.Timestamp, hr.event_time())}),
        ("HR-CONTRACT-006", {"x": (int, hr.field(ge=2, le=1))}),
        ("HR-CONTRACT-008", {"k": (int | None, hr.key())}),
        ("HR-CONTRACT-009", {"x": (int, hr.field(ge="0"))}),
        ("HR-STREAM-001", {"at": (hr.Timestamp, hr.field())}),
    ],
)
def test_a_faulty_contract_is_told_once_and_not_where_its_fields_are_named(code: str, fields: dict[str, Any]) -> None:
    sound = {"at": (hr.Timestamp, hr.event_time()), "user": (int, None), "total": (int, None), "won": (bool, None)}
    source = hr.Stream("s", contract(**(sound | fields)))
    rows = hr.Features("now", source, features={"a": "total"})
    counts = hr.Features("f", source, by=user, features={"c": hr.sum("total", "1d", delay="7d")})
    learned = hr.TrainingSet("cases", source, [rows, counts], hr.label(source, "won", on="user", matures="7d"))
    rules = {"mail": "total > 5 and now.a > 1 and f.c > 2"}
    desk = hr.Service("desk", model(cases_=learned, metrics=[hr.card_precision(5, by="user")]), decide=rules)
    assert [fault.code for fault in check(hr.Project("p", services=[desk]))] == [code]


def test_a_group_that_is_no_group_or_empty_is_told_once_and_not_where_it_is_named() -> None:
    also = hr.Features("also", events, features={"b": "now.a + 1"})
    for first, code in (("now", "HR-DECLARE-001"), (now(), "HR-FEATURE-001")):
        learned = hr.TrainingSet("cases", events, [first, also], truth())  # type: ignore[list-item]
        desk = hr.Service("desk", model(cases_=learned), decide={"mail": "now.a > 5 and also.b > 5"})
        assert [fault.code for fault in check(hr.Project("p", services=[desk]))] == [code]
        loose = hr.Project("p", features=[first, also])  # type: ignore[list-item]
        assert [fault.code for fault in check(loose)] == [code]
    desk = hr.Service("desk", model(cases_=cases(also, label=truth())), decide={"mail": "amuont > 5 and also.c > 5"})
    found = [fault.found for fault in check(hr.Project("p", services=[desk]))]
    assert [text.split(" in ")[0] for text in found] == [
        f"unknown column '{name}'" for name in ("now.a", "amuont", "also.c")
    ]


def test_a_cure_is_never_what_failed() -> None:
    faults = check(project(now(a="amount / spending.mean_7d", b="now.c", d="nosuch")))
    assert len(faults) == 3
    for fault, name in zip(faults, ("spending.mean_7d", "now.b", "now.d"), strict=True):
        assert name not in fault.cure, fault
    assert "using=[spending]" in faults[0].cure


def test_a_circle_is_told_once_wherever_it_is_met() -> None:
    one = hr.Features("one", events, features={"a": "two.b + 1"})
    two = hr.Features("two", events, features={"b": "one.a", "c": "one.a > two.b"})
    sets = [hr.TrainingSet("first", events, [one, two]), hr.TrainingSet("second", events, [two, one])]
    desk = hr.Service("desk", model(cases_=cases(two, one, label=truth())), decide={"block": "two.c"})
    for whole in (project(one, two), hr.Project("p", training_sets=sets), hr.Project("p", services=[desk])):
        (fault,) = check(whole)
        assert fault.code == "HR-FEATURE-004"
        assert fault.found == f"a circle: one.a → two.b → one.a ({one.place}, {two.place})"
        assert fault.place == one.place
        assert fault.cure == "compute one.a without two.b, or another without the one that it names"


def test_a_fault_names_the_line_of_its_declaration() -> None:
    first = hr.count("0d")
    second = hr.count("1d", hop="0s")
    lines = [int(fault.place.rpartition(":")[2]) for fault in check(project(windows(a=first, b=second)))]
    assert lines[1] == lines[0] + 1


def test_a_fault_names_the_line_of_its_field_expression_or_rule() -> None:
    class Odd(hr.Contract):
        at: hr.Timestamp = hr.event_time()
        user: complex
        total: int = 5
        word: str = hr.field(isin="web")

    rows = hr.Features(
        "now",
        events,
        features={
            "a": "amuont",
            "b": 5,  # type: ignore[dict-item]
            "c": "amount + ratoi",
        },
    )
    rules = {"review": "scor > 0.5"}  # written elsewhere, so it is told where the service is
    desk = hr.Service(
        "desk",
        model(cases_=cases(rows, label=truth())),
        decide={
            "mail": "amuont > 5",
        },
    )
    other = hr.Service("other", desk.model, rules)
    faults = check(hr.Project("p", sources=[hr.Stream("odd", Odd)], services=[desk, other]))
    begins = [int(one.place.rpartition(":")[2]) for one in (Odd, rows, desk, other)]
    lines = [int(fault.place.rpartition(":")[2]) for fault in faults]
    fields, features, rule, elsewhere = (
        [begin + n for n in after] for begin, after in zip(begins, ([2, 3, 4], [4, 5, 6], [4], [0]), strict=True)
    )
    assert sorted(lines) == [*fields, *features, *rule, *elsewhere], faults


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
