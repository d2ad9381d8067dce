"""Labels against the oracle and by hand: the newest truth that was known when the row matured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace.engines.frame import frame
from headrace.engines.labels import labels
from headrace.plan import compile_set, reference
from headrace.plan.meaning import LabelPlan
from tests.plan.strategies import logs, row
from tests.plan.worlds import HOUR, START, Event, bits, events, examples, others, table

GROUP = hr.Features("g", events, by=hr.Entity("user"), features={"c": hr.count("1d")})


def plan_of(value: str, on: Any = "user", default: Any = None, skew: str | None = None, own: bool = False) -> LabelPlan:
    truth = hr.label(others, value, on=on, matures="6h", default=default, skew=skew)
    label = compile_set(hr.TrainingSet("cases", events, [GROUP], label=truth)).label
    assert label is not None
    return replace(label, own=own)


def made(plan: LabelPlan, spine: list[dict[str, Any]], truth: list[dict[str, Any]]) -> list[Any]:
    rows = frame(table(spine, Event), ("at", "user", "shop"), Event, "rows")
    return labels(plan, rows, "at", frame(table(truth, Event), plan.columns, Event, "truth"))["label"].to_python()


@given(st.data())
@examples(60)
def test_labels_agree_with_the_oracle(data: Any) -> None:
    defaults = {"flag": False, "n": 0, "share": 0.0, "share > 0": True, "word": "none"}
    value = data.draw(st.sampled_from(list(defaults)))
    default = data.draw(st.sampled_from([None, defaults[value]]))
    skew, own = data.draw(st.sampled_from([None, "1h", "6h"])), data.draw(st.booleans())
    plan = plan_of(value, data.draw(st.sampled_from(["user", ("user", "shop")])), default, skew, own)
    truth = data.draw(logs(["flag", "n", "share", "word"]))
    spine = data.draw(st.lists(row([]), max_size=8))
    expected = reference.labels(plan, spine, Event, truth)
    assert [bits(one) for one in made(plan, spine, truth)] == [bits(one) for one in expected]


def at(hours: float, known: float | None = None, **fields: Any) -> dict[str, Any]:
    base = {"user": 1, "shop": None, "n": None} | fields
    late = hours if known is None else known
    return base | {"at": START + int(hours * HOUR), "_known_at": START + int(late * HOUR)}


def test_by_hand() -> None:
    truth = [at(-1, n=1), at(2, n=2), at(6, n=3), at(7, n=4), at(3, known=6.5, n=5), at(12, user=2, n=6)]
    numbered = [{**one, "_seq": seq} for seq, one in enumerate(sorted(truth, key=lambda one: one["_known_at"]), 1)]
    spine = [at(0), at(0.5), at(1), at(6.5), at(8), at(-20), at(6, user=2), at(0, user=None)]
    asked = [{name: one[name] for name in ("at", "user", "shop")} for one in spine]
    # [0, 6] sees 3 at its very end; [1, 7] sees 4; what is known at 6.5 lies before 6 and is not the newest
    expected = [3, 3, 4, 4, None, None, 6, None]
    assert made(plan_of("n"), asked, numbered) == expected
    assert reference.labels(plan_of("n"), asked, Event, numbered) == expected
    assert made(plan_of("n", default=0), asked, numbered) == [0 if one is None else one for one in expected]


def test_a_truth_from_before_its_row_is_taken_within_the_skew_and_never_guessed_about() -> None:
    truth = [{**at(-0.5, n=1), "_seq": 1}, {**at(-2, user=2, n=1), "_seq": 2}]
    asked = [{name: at(0, user=user)[name] for name in ("at", "user", "shop")} for user in (1, 2, 3)]
    assert made(plan_of("n", default=0), asked, truth) == [0, 0, 0], "of a customer: about earlier payments"
    assert made(plan_of("n", default=0, own=True), asked, truth) == [None, None, 0], "of the row itself"
    assert made(plan_of("n", default=0, skew="1h", own=True), asked, truth) == [1, None, 0]
    assert made(plan_of("n", skew="1h"), asked, truth) == [1, None, None]


def test_the_key_of_the_spine_is_its_own() -> None:
    class Payment(hr.Contract):
        payment_id: str = hr.key()
        at: hr.Timestamp = hr.event_time()
        user: int

    payments = hr.Stream("payments", Payment)
    group = hr.Features("now", payments, features={"u": "user"})
    for on, own in (("payment_id", True), ("user", False)):
        truth = hr.label(hr.Stream("truth", Payment), "1", on=on, matures="1d")
        label = compile_set(hr.TrainingSet("cases", payments, [group], label=truth)).label
        assert label is not None
        assert label.own is own
