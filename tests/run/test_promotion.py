"""Who serves: a champion of another declaration is told and never given other features; promotion by a person."""

import pytest

from headrace.errors import CheckFailed, HeadraceError
from headrace.run import load_project, plan_changes, promote, registry, run, status, train
from headrace.serve.app import serve
from headrace.serve.office import office
from tests.run.bank import WITH_MODEL, edit, make_bank

pytestmark = pytest.mark.filterwarnings("ignore")
SHORT, LONG = 'hr.mean("amount", "7d")', 'hr.mean("amount", "14d")'


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """Two versions, of windows of 7 and 14 days; the second is champion, and the declaration is that of the first."""
    folder = make_bank(tmp_path_factory.mktemp("promotion") / "bank", WITH_MODEL.replace("0.1)", "0.0)"), (1, 2))
    for old, new in ((SHORT, SHORT), (SHORT, LONG)):
        edit(folder, old, new)
        run(load_project(folder))
        train(load_project(folder))
    promote(load_project(folder), "score", 2)
    edit(folder, LONG, SHORT)
    return folder


def _champion(folder):
    return registry(load_project(folder)).champion("score").number


def test_after_a_revert_everybody_says_that_the_champion_is_of_another_declaration(bank):
    told = [*plan_changes(load_project(bank)).warnings, *status(load_project(bank)).warnings]
    assert [fault.code for fault in told] == ["HR-LEARN-022"] * 2
    for fault in told:
        assert fault.severity == "warning"
        assert fault.place.startswith("project.py:")
        assert "version 2 as champion of score" in fault.found
        assert "version 1 was trained from this one" in fault.found
        assert fault.cure.startswith("headrace models promote score 1")


def test_the_features_of_one_declaration_are_not_served_to_a_model_of_another(bank):
    with pytest.raises(HeadraceError) as caught, office(load_project(bank)):
        pass
    fault = caught.value.faults[0]
    assert fault.code == "HR-SERVE-003"
    assert fault.found == "version 2 of score, trained on features that are declared otherwise: spending.mean_7d"
    assert fault.cure.startswith("headrace models promote score 1")


def test_what_was_trained_before_is_not_trained_again_and_promotion_makes_it_serve(bank):
    assert plan_changes(load_project(bank)).training == {}
    assert run(load_project(bank)).ok
    again = train(load_project(bank))[0]
    assert (again.step.action, again.report) == ("kept", None)
    assert again.step.why == ("version 1 was trained from this declaration and data",)
    assert [fault.code for fault in again.warnings] == ["HR-LEARN-022"]
    assert _champion(bank) == 2, "who serves is not changed by a training that did not happen"
    promoted = promote(load_project(bank), "score", 1, "back to seven days")
    assert (promoted.replaced, promoted.changed, promoted.warnings) == (2, True, ())
    last = registry(load_project(bank)).champion("score").promotions[-1]
    assert (last["reason"], last["replaced"]) == ("back to seven days", 2)
    assert last["by"]
    assert last["at_us"] > 0
    assert not promote(load_project(bank), "score", 1).changed
    with office(load_project(bank)) as opened:
        assert opened.desks["desk"].version.number == 1
        assert opened.warnings == ()
    assert plan_changes(load_project(bank)).warnings == ()
    assert train(load_project(bank))[0].warnings == ()


def test_a_model_of_the_same_features_serves_and_is_told(bank):
    edit(bank, "C=1.0", "C=0.9")
    promote(load_project(bank), "score", 1)
    with office(load_project(bank)) as opened:
        assert [fault.code for fault in opened.warnings] == ["HR-LEARN-022"]
        assert "no version was trained from this one" in opened.warnings[0].found
        assert opened.warnings[0].cure.startswith("headrace run && headrace train")
    edit(bank, "C=0.9", "C=1.0")


def test_what_cannot_be_promoted(bank):
    loaded = load_project(bank)
    with pytest.raises(HeadraceError, match=r"HR-LEARN-014.*no version 9 .*versions: 1, 2"):
        promote(loaded, "score", 9)
    with pytest.raises(HeadraceError, match=r"HR-RUN-005.*no model 'scor'.*did you mean 'score'\?"):
        promote(loaded, "scor", 1)
    kept = registry(loaded)
    path, before = kept.path(kept.version("score", 2)), _champion(bank)
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    try:
        with pytest.raises(HeadraceError, match=r"HR-LEARN-011.*altered since it was registered"):
            promote(loaded, "score", 2)
    finally:
        path.write_bytes(content)
    assert _champion(bank) == before


def test_failed_gates_ask_for_a_reason(bank):
    gate = 'hr.at_least("roc_auc", 0.0)'
    edit(bank, gate, 'hr.at_least("roc_auc", 1.1)')
    run(load_project(bank))
    train(load_project(bank))
    newest = registry(load_project(bank)).versions("score")[-1]
    assert not newest.passed
    told = plan_changes(load_project(bank)).warnings[0]
    assert f"version {newest.number} was trained from this one and failed its gates" in told.found
    with pytest.raises(CheckFailed, match="HR-LEARN-015.*--reason"):
        promote(load_project(bank), "score", newest.number)
    assert load_project(bank).project.promote("score", newest.number, "a pilot", folder=bank).changed
    assert _champion(bank) == newest.number
    edit(bank, 'hr.at_least("roc_auc", 1.1)', gate)


def test_serve_says_it_when_it_starts(bank, monkeypatch, capsys):
    class Closing:
        def __init__(self, opened, *_):
            self.opened = opened

        def run(self, sockets):
            self.opened.close()

    edit(bank, "C=1.0", "C=0.8")
    promote(load_project(bank), "score", 1)
    monkeypatch.setattr("headrace.serve.app._server", Closing)
    serve(load_project(bank), port=0)
    said = capsys.readouterr().err.splitlines()
    assert "/services/NAME/decide" in said[0]
    assert said[1].startswith("warning HR-LEARN-022 project.py:")
    edit(bank, "C=0.8", "C=1.0")


QUERY = "select customer_id, min(at) as since, max(amount) as top from payments group by all"
BY_QUERY = f'''
class Peak(hr.Contract):
    customer_id: int = hr.key()
    since: hr.Timestamp = hr.valid_from()
    top: hr.Decimal(12, 2) = hr.field(ge=0, le=100_000)

peaks = hr.Table("peaks", Peak, query="{QUERY}")
peak = hr.Features("peak", peaks, by=hr.Entity("customer_id"), features={{"top": "top"}})
'''


def _told_by_all(folder):
    """What plan, status and training say of the champion, and why the service refuses; None where it does not."""
    plan, now = plan_changes(load_project(folder)), status(load_project(folder))
    told = [tuple(fault.code for fault in one.warnings) for one in (plan, now)]
    try:
        with office(load_project(folder)):
            return told, None
    except HeadraceError as error:
        return told, error.faults[0]


def test_a_query_that_is_changed_and_put_back_is_told_by_all_alike(tmp_path):
    ending = BY_QUERY + WITH_MODEL.replace("0.1)", "0.0)").replace("[now, spending]", "[now, spending, peak]")
    folder = make_bank(tmp_path / "bank", ending, (1, 2))
    run(load_project(folder))
    train(load_project(folder))
    assert _told_by_all(folder) == ([(), ()], None)
    edit(folder, "max(amount) as top", "min(amount) as top")
    told, refused = _told_by_all(folder)
    assert told == [("HR-LEARN-022",)] * 2
    assert refused.found == "version 1 of score, trained on features that are declared otherwise: peak.top"
    assert refused.cure.startswith("headrace run && headrace train")
    assert refused.cure.endswith("declare again what version 1 was trained from")
    run(load_project(folder))
    train(load_project(folder))
    if _champion(folder) == 1:
        promote(load_project(folder), "score", 2)
    assert _told_by_all(folder) == ([(), ()], None)
    edit(folder, "min(amount) as top", "max(amount) as top")
    told, refused = _told_by_all(folder)
    assert told == [("HR-LEARN-022",)] * 2
    assert refused.found == "version 2 of score, trained on features that are declared otherwise: peak.top"
    assert refused.cure == "headrace models promote score 1; or declare again what version 2 was trained from"
    promote(load_project(folder), "score", 1)
    assert _told_by_all(folder) == ([(), ()], None)
