"""``check`` tells all faults at once, those of single declarations and those of how they fit together."""

import headrace as hr
from headrace import plan
from headrace.errors import nearest


class Payment(hr.Contract):
    """A payment."""

    at: hr.Timestamp = hr.event_time()
    customer_id: int
    amount: float


payments = hr.Stream("payments", Payment)
customer = hr.Entity("customer_id")


def codes(*groups):
    return sorted(fault.code for fault in plan.check(hr.Project("p", features=groups)))


def test_a_sum_of_floats_without_bounds_is_refused_with_its_cure():
    loose = hr.Features("loose", payments, by=customer, features={"sum": hr.sum("amount", "1d")})
    (fault,) = plan.check(hr.Project("p", features=[loose]))
    assert fault.code == "HR-WINDOW-009"
    assert "hr.field(ge=…, le=…)" in fault.cure
    bound = {"sum": hr.sum("least(greatest(amount, 0), 100)", "1d")}
    assert codes(hr.Features("tight", payments, by=customer, features=bound)) == []


def test_what_is_neither_number_nor_text_is_told_before_anything_is_trained_unless_it_is_an_inner_feature():
    class Refund(hr.Contract):
        at: hr.Timestamp = hr.event_time()
        customer_id: int
        reason: str
        wrong: bool

    refunds = hr.Stream("refunds", Refund)

    def told(**features):
        said = hr.Features("said", refunds, customer, {name: hr.last_n("reason", "7d", n=2) for name in features})
        now = hr.Features("now", refunds, features={"length": "length(reason)"} | features)
        cases = hr.TrainingSet("cases", refunds, [now, said], hr.label(refunds, "wrong", on="at", matures="1d"))
        model = hr.Model(
            "m", cases, fit=print, split=hr.time_split(train="9d", test="1d"), metrics=[hr.average_precision()]
        )
        return [(one.code, one.found, one.cure) for one in plan.check(hr.Project("p", models=[model]))]

    faults = told(why="reason")
    assert [code for code, _, _ in faults] == ["HR-LEARN-003"]
    assert faults[0][1] == "m learns from said.why, which is list[str] | None"
    assert faults[0][2].startswith("call it '_why', if only other features or rules use it")
    assert told(_why="reason") == []


def test_every_circle_is_told_with_its_way():
    group = hr.Features("f", payments, features={"a": "f.b + 1", "b": "f.c", "c": "f.a", "d": "f.e", "e": "f.d"})
    found = [fault.found for fault in plan.check(hr.Project("p", features=[group]))]
    assert [one.partition(" (")[0] for one in found] == [
        "a circle: f.a → f.b → f.c → f.a",
        "a circle: f.d → f.e → f.d",
    ]


def test_names_are_found_whatever_their_case():
    assert nearest("AMOUNT", ["amount", "at"]) == "did you mean 'amount'?"


def test_a_unit_is_part_of_the_meaning_of_a_source_and_a_description_is_not():
    def prints(**said):
        fields = {"at": hr.Field(type=hr.Timestamp, role="event_time"), "who": hr.field(), "n": hr.field(**said)}
        stream = hr.Stream("s", hr.contract_of("S", fields))
        group = hr.Features("f", stream, hr.Entity("who"), {"m": hr.max("n", "1d")})
        cases = hr.TrainingSet("cases", stream, [group])
        found = plan.fingerprints(hr.Project("p", training_sets=[cases]))
        return found["stream:s"], found["features:f"], plan.set_fingerprint(cases)

    euros, described, dollars = prints(unit="EUR"), prints(unit="EUR", description="Gross."), prints(unit="USD")
    assert described == euros
    assert dollars[0] != euros[0]  # who reads the plan is told; what is downstream is listed as invalidated
    assert dollars[1:] == euros[1:]  # the numbers are the same, so nothing is computed or trained anew


def test_fingerprints_change_with_meaning_only():
    def one(window, text):
        group = hr.Features("f", payments, by=customer, features={"n": hr.count(window, where=text)})
        return plan.fingerprints(hr.Project("p", features=[group]))["features:f"]

    assert one("7d", "amount > 5") == one("168h", "amount>5")
    assert one("7d", "amount > 5") != one("8d", "amount > 5")
    assert one("7d", "amount > 5") != one("7d", "amount > 6")


def test_the_fingerprint_of_a_feature_covers_what_it_reads_and_nothing_else():
    def prints(window, also=()):
        seen = {"mean": hr.mean("least(greatest(amount, 0), 100)", window), "n": hr.count("7d")}
        group = hr.Features("f", payments, by=customer, features=seen | dict(also))
        now = hr.Features(
            "now", payments, features={"ratio": "amount / f.mean", "twice": "now.ratio * 2", "own": "amount"}
        )
        return plan.feature_fingerprints(plan.compile_set(hr.TrainingSet("cases", payments, [now, group])))

    was, other = prints("7d"), prints("8d")
    assert {name for name in was if was[name] != other[name]} == {"f.mean", "now.ratio", "now.twice"}
    more = prints("168h", {"k": hr.count("9d")})
    assert {name: more[name] for name in was} == was
