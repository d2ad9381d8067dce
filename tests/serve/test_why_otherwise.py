"""What would have changed a decision: the nearest by brute force, and decided so by the service itself."""

import json
from itertools import product

import httpx
import numpy as np
import pytest

from headrace.contracts.json import column
from headrace.engines import compute
from headrace.engines.frame import Frame
from headrace.errors import HeadraceError
from headrace.kernel.column import held
from headrace.plan import compile_set
from headrace.run import load_project
from headrace.serve.app import start
from headrace.serve.fields import RowReader
from headrace.serve.history import recomputed
from headrace.serve.values import leaving, vector
from headrace.serve.why import why
from tests.run.bank import edit
from tests.serve.test_why import said, told
from tests.shop import DECIDE, payment

pytestmark = pytest.mark.filterwarnings("ignore")


class Brute:
    """Every value there is, by the batch path, each row scored alone and decided by rules in plain Python."""

    def __init__(self, loaded, record_id):
        service = loaded.project.all_services["desk"]
        cases = service.model.cases
        (record,) = [one for one in loaded.lake().read("decisions_desk").to_pylist() if one["record_id"] == record_id]
        self.plan, self.lake = compile_set(cases), loaded.lake()
        self.row = RowReader(cases.spine.contract).read(record["request"].encode())
        self.fields = cases.spine.contract.columns()
        self.horizon = json.loads(record["horizon"])
        self.known = int(record["_known_at"].timestamp() * 10**6 + 0.5)
        self.scorer = loaded.registry().scorer(record["model_digest"])
        self.decision = record["decision"]

    def decisions(self, rows, windows=({},)):
        """The decision of each row with each change of windowed features."""
        every = [(row, window) for row in rows for window in windows]
        rows = [row for row, _ in every]
        made = recomputed(self.plan, rows, [self.horizon] * len(rows), [self.known] * len(rows), self.lake)
        if any(window for _, window in every):
            derived = {one.name for one in self.plan.derived}
            found = {name: one for name, one in made.items() if name not in derived}
            for name in windows[-1]:
                found[name] = column(found[name].type, [window[name] for _, window in every])
            given = {
                name: column(self.fields[name].type, [row[name] for row in rows]) for name in self.plan.row_columns
            }
            made = found | compute.derived(self.plan, Frame(len(rows), given), found)
        return [self._decide(row, made, at) for at, row in enumerate(rows)]

    def _decide(self, row, made, at):
        values = {name: leaving(held(made[name], at), made[name].type) for name in self.scorer.features}
        score = float(self.scorer.score(vector(values, self.scorer))[0])
        if score > 0.5 or row["amount"] > 90_000:
            return "block"
        hinted = row["hint"] is not None and row["hint"] > 0.9
        return "review" if score > 0.02 or row["channel"] == "web" or hinted else "allow"


def deviation(values):
    return float(np.median(np.abs(values - np.median(values))))


def amounts(loaded):
    return np.array([int(one * 100) for one in loaded.lake().read("payments", version=2)["amount"].to_pylist()])


@pytest.mark.parametrize("at", [-1, -2, 251, 256, 263, 270, 277, 284])
def test_the_nearest_amount_is_that_of_brute_force(grown, at):
    """Every cent between the bounds is asked; that is exact for trees, and stays so with derived features and windows
    that include the row."""
    loaded, answers = grown
    record_id = answers[at]["record_id"]
    brute, found = Brute(loaded, record_id), why(loaded, record_id, vary=("amount",)).otherwise
    (varied,) = found.varied
    assert varied.exact
    low, high = (round(one * 100) for one in (varied.low, varied.high))
    cents = np.arange(low, high + 1, 1 if high - low < 30_000 else 3)
    rows = [{**brute.row, "amount": int(one)} for one in cents]
    others = [abs(int(one) - brute.row["amount"]) for one, decision in zip(cents, brute.decisions(rows), strict=True)
              if decision != brute.decision]  # fmt: skip
    if not others:
        assert not found.changes
        return
    (change,) = found.changes
    (only,) = change.changes
    step = int(cents[1] - cents[0])
    assert 0 <= min(others) - abs(round(only.after * 100) - brute.row["amount"]) < step
    assert change.exact
    assert brute.decisions([{**brute.row, "amount": round(only.after * 100)}]) == [change.decision]
    assert only.distance == pytest.approx(abs(only.after * 100 - brute.row["amount"]) / deviation(amounts(loaded)))


def test_the_service_itself_decides_so(grown):
    """Rows that differ in nothing but what is said are sent to the service."""
    loaded, answers = grown
    edit(loaded.folder, "max_iter=6", "max_iter=40")
    loaded = load_project(loaded.folder)
    asked = [(answers[at], found) for at in (-1, -2, -3) if (found := why(loaded, answers[at]["record_id"])).otherwise]
    loaded.registry().promote("score", 1, "as it was", "a test")
    number = 0
    with start(loaded) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        for answer, found in asked:
            for one in found.otherwise.changes:
                number += 1
                changed = {each.name: str(each.after) if each.name == "amount" else each.after for each in one.changes}
                row = answer["row"] | changed | {"payment_id": f"otherwise-{number}"}
                again = client.post(f"{DECIDE}?features=1", json=row).json()
                assert (again["decision"], again["score"]) == (one.decision, one.score)
                assert {name: again["features"][name] for name in one.moved} == {
                    name: after for name, (_, after) in one.moved.items()
                }
    assert number >= 3


def test_two_changes_are_found_where_one_does_not_do(grown):
    loaded, answers = grown
    edit(loaded.folder, '"block": "score > 0.5 or amount > 900"', '"block": "amount > 123.45 and channel = \'web\'"')
    edit(loaded.folder, "score > 0.02 or channel = 'web' or hint > 0.9", "score > 0.9999")
    loaded = load_project(loaded.folder)
    answer = next(one for one in answers[250:290] if float(one["row"]["amount"]) < 100)
    found = why(loaded, answer["record_id"], to="block").otherwise
    (change,) = found.changes
    assert {one.name: one.after for one in change.changes} == {"amount": 123.46, "channel": "web"}
    assert change.exact
    assert [one.distance for one in change.changes if one.name == "channel"] == [1.0]
    text = said(loaded.folder, answer["record_id"], "--to", "block").stdout
    assert "block: " in text[text.index("What would have changed") :]
    assert "amount 123.46 instead of" in text


def test_two_windows_are_as_near_as_brute_force_finds(grown):
    """Counts are few: all pairs of them are asked, and only those that could be are counted."""
    loaded, answers = grown
    names = ("spending.count_1d", "spending.count_7d")
    checked = 0
    for at in range(251, 290, 3):
        record_id = answers[at]["record_id"]
        brute, found = Brute(loaded, record_id), why(loaded, record_id, vary=names).otherwise
        now = {name: why_value(loaded, record_id, name) for name in names}
        span = [range(round(one.low), round(one.high) + 1) for one in found.varied]
        steps = [one.deviation for one in found.varied]
        windows = [dict(zip(names, each, strict=True)) for each in product(*span) if each[0] <= each[1]]
        decided = zip(windows, brute.decisions([brute.row], windows), strict=True)
        far = [sum(abs(one[name] - now[name]) / step for name, step in zip(names, steps, strict=True))
               for one, decision in decided if decision != brute.decision]  # fmt: skip
        if not far:
            assert not found.changes
            continue
        assert found.changes[0].distance == pytest.approx(min(far))
        assert found.changes[0].exact
        checked += 1
    assert checked >= 3


def why_value(loaded, record_id, name):
    found = why(loaded, record_id, fixed=("amount", "channel", "hint"))
    return next(one.value for one in found.features if one.name == name)


def test_what_follows_from_a_change_follows(grown):
    loaded, answers = grown
    found = why(loaded, answers[-1]["record_id"], vary=("amount",))
    (change,) = found.otherwise.changes
    value = {one.name: one.value for one in found.features}
    amount = change.changes[0].after
    assert change.moved["now.amount"] == (950.5, amount)
    assert change.moved["now.ratio"] == (value["now.ratio"], amount / value["spending.mean_7d"])
    assert change.moved["spending.with_this"][1] == pytest.approx(value["spending.with_this"] - 950.5 + amount)
    assert not {"spending.count_7d", "who.student"} & set(change.moved)


def test_a_row_that_breaks_the_contract_is_no_way_out(grown):
    """Of an amount beyond 100 the channel cannot be app, whatever that would lead to."""
    loaded, answers = grown
    edit(loaded.folder, "score > 0.02 or channel = 'web' or hint", "score > 0.02 or channel = 'app' or hint")
    loaded = load_project(loaded.folder)
    large = next(one for one in answers[250:290] if float(one["row"]["amount"]) > 100 and one["decision"] == "allow")
    small = next(one for one in answers[250:290] if float(one["row"]["amount"]) < 100 and one["decision"] == "allow")
    assert why(loaded, large["record_id"], vary=("channel",)).otherwise.changes == ()
    (change,) = why(loaded, small["record_id"], vary=("channel",)).otherwise.changes
    assert (change.changes[0].after, change.decision) == ("app", "review")


def test_what_may_change_is_chosen(grown):
    loaded, answers = grown
    record_id = answers[-1]["record_id"]
    plain = why(loaded, record_id).otherwise
    assert [one.name for one in plain.varied] == ["amount", "channel"]
    assert [one.name for one in why(loaded, record_id, fixed=("channel",)).otherwise.varied] == ["amount"]
    nothing = why(loaded, record_id, fixed=("amount", "channel", "hint")).otherwise
    assert "--vary" in nothing.without
    windows = why(loaded, record_id, vary=("spending.mean_7d", "amount")).otherwise
    assert [(one.name, one.of) for one in windows.varied] == [("spending.mean_7d", "history"), ("amount", "request")]
    hinted = why(loaded, answers[-5]["record_id"]).otherwise
    assert [one.name for one in hinted.varied] == ["amount", "channel", "hint"]
    places = why(loaded, record_id, vary=("terminal_id",)).otherwise
    assert places.varied[0].values == 50


@pytest.mark.parametrize(
    ("words", "code", "cure"),
    [
        (("--vary", "amont"), "HR-WHY-002", "did you mean 'amount'?"),
        (("--fixed", "nothing.like_it"), "HR-WHY-002", ""),
        (("--vary", "now.ratio"), "HR-WHY-003", "vary what it is made of: amount, spending.mean_7d"),
        (("--vary", "who.student"), "HR-WHY-003", ""),
        (("--vary", "payment_id"), "HR-WHY-003", ""),
        (("--vary", "at"), "HR-WHY-003", ""),
        (("--to", "blok"), "HR-WHY-004", "did you mean 'block'?"),
    ],
)
def test_what_cannot_change_is_refused(grown, words, code, cure):
    loaded, answers = grown
    (fault,) = told(loaded.folder, answers[-1]["record_id"], *words, exit_code=2)["faults"]
    assert fault["code"] == code
    assert fault["cure"]
    assert cure in fault["cure"]


def test_a_decision_that_is_wanted_and_one_that_is_there(grown):
    loaded, answers = grown
    record_id = answers[-1]["record_id"]
    assert {one.decision for one in why(loaded, record_id, to="allow").otherwise.changes} == {"allow"}
    assert why(loaded, record_id, to="block").otherwise.without == "the decision is block as it is"
    with pytest.raises(HeadraceError, match="HR-WHY-004"):
        why(loaded, record_id, to="")


def test_a_model_without_thresholds_is_searched(shop):
    """Of a linear model nothing is exact, and what is shown is decided so all the same."""
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        answers = [client.post(DECIDE, json=payment(number)).json() for number in range(12)]
        rows = [payment(number) for number in range(12)]
        shown = 0
        for answer, row in zip(answers, rows, strict=True):
            for one in why(shop, answer["record_id"]).otherwise.changes:
                shown += 1
                (amount,) = one.changes
                assert not one.exact
                again = row | {"amount": str(amount.after), "payment_id": f"{row['payment_id']}-{shown}"}
                given = client.post(DECIDE, json=again).json()
                assert (given["decision"], given["score"]) == (one.decision, one.score)
                assert given["decision"] != answer["decision"]
    assert shown >= 10


def test_the_same_question_gets_the_same_answer(grown):
    loaded, answers = grown
    one, other = (why(loaded, answers[-1]["record_id"], vary=("amount", "spending.mean_7d")) for _ in range(2))
    assert one == other
