"""The shadow of a second model: scored after the answer, each record once, whatever is killed and when."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from headrace import clock
from headrace.errors import HeadraceError
from headrace.plan import fingerprints
from headrace.run import load_project, train
from headrace.run.shadowing import end_shadow, set_shadow
from headrace.serve import parity
from headrace.serve.app import start
from headrace.serve.replay import replay
from headrace.serve.replay.rows import Reader, Replay
from headrace.serve.shadow import Follower, shadow_of, shadowed
from headrace.serve.shadow.spans import Span, Timeline
from tests.run.bank import edit
from tests.serve.decided import until
from tests.serve.server import Server
from tests.serve.test_why import said
from tests.shop import DECIDE, payment, rows_of

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def often(monkeypatch):
    """Looks often, so that tests need not wait."""
    monkeypatch.setattr("headrace.serve.shadow.keeping.EVERY_S", 0.2)
    monkeypatch.setattr("headrace.serve.shadow.keeping._AGAIN_S", 0.1)


def ask(url, first, last):
    with httpx.Client(base_url=url, timeout=60) as client:
        return [client.post(DECIDE, json=payment(number)).raise_for_status().json() for number in range(first, last)]


def begun(loaded, model, number, service="desk"):
    """Wait until a version is the shadow of a service."""
    until(
        lambda: [(one.model, one.version) for one in Timeline(loaded.state_dir).of(service)][-1:] == [(model, number)]
    )
    until(lambda: Timeline(loaded.state_dir).of(service)[-1].since < clock.now_us())


def shadows(loaded):
    return rows_of(loaded, "shadow_desk")


def told(folder, *words, exit_code=0):
    document = json.loads(said(folder, *words, "--json", command="shadow", exit_code=exit_code).stdout)
    assert document["ok"] is (exit_code == 0)
    return document


def test_answers_are_the_same_and_each_record_is_scored_once_as_replay_scores_it(another, often):
    loaded, _, first, second = another
    with start(loaded, settle_s=0.1) as running:
        before = ask(running.url, 0, 30)
        set_shadow(loaded, "score", "challenger", "is it better?")
        begun(loaded, "score", second.number)
        answers = ask(running.url, 30, 90)
        until(lambda: len(shadows(loaded)) == 60)
        seen = {"agree": 0.0, "flip": 0.0}

        def counted():
            for line in httpx.get(f"{running.url}/metrics").text.splitlines():
                if line.startswith("headrace_shadow_records_total{"):
                    seen[line.split('outcome="')[1].split('"')[0]] = float(line.split()[-1])
            return sum(seen.values()) == 60

        until(counted)
        again = [{**one, "repeated": True} for one in before]
        assert ask(running.url, 0, 30) == again
    rows = {one["record_id"]: one for one in shadows(loaded)}
    assert Counter(one["record_id"] for one in answers) == Counter(one["record_id"] for one in shadows(loaded))
    assert {one["model"]["version"] for one in (*before, *answers)} == {first.number}
    service, whole = loaded.project.all_services["desk"], loaded.lake().read("decisions_desk")
    part = Reader(Replay(loaded, service, second), ()).part(whole)
    expected = {one: (new, after) for one, new, after in zip(part.ids, part.new.tolist(), part.after, strict=True)}
    assert {one: (row["shadow_score"], row["shadow_decision"]) for one, row in rows.items()} == {
        one["record_id"]: expected[one["record_id"]] for one in answers
    }
    assert {one["record_id"]: (one["score"], one["decision"]) for one in rows.values()} == {
        one["record_id"]: (one["score"], one["decision"]) for one in answers
    }
    flips = sum(row["shadow_decision"] != row["decision"] for row in rows.values())
    assert flips
    assert seen == {"agree": 60 - flips, "flip": flips}
    assert parity(loaded).passed


def test_what_it_would_have_decided_is_told_as_by_replay(grown):
    loaded, answers = grown
    service, version = loaded.project.all_services["desk"], loaded.registry().version("score", 2)
    Timeline(loaded.state_dir).turn("desk", Span.of(version, 1))
    until_us = clock.now_us() + 1
    found = shadowed(loaded, service, 0, until_us)
    assert found.seen == replay(loaded, service, version, 0, until_us)
    assert found.seen.records == len(answers)
    assert found.seen.flips > 0
    assert found.seen.labelled.metrics
    assert (found.shadow["version"], found.others, found.failing) == (2, (), "")


SPANS = {40: 2, 90: None, 150: 1, 200: 2}
"""Which version is the shadow from which record on."""


def set_spans(loaded):
    """Write spans down among the records; return by record the version that is to score it."""
    decided = sorted((one["decided_at"], one["record_id"]) for one in rows_of(loaded, "decisions_desk"))
    timeline, registry = Timeline(loaded.state_dir), loaded.registry()
    for at, number in SPANS.items():
        version = None if number is None else registry.version("score", number)
        span = Span.of(version, clock.to_us(decided[at][0]))
        assert timeline.turn("desk", span)
        assert not timeline.turn("desk", replace(span, since=span.since + 1))
    numbers = [SPANS[max((at for at in SPANS if at <= place), default=90)] for place in range(len(decided))]
    return {one: number for (_, one), number in zip(decided, numbers, strict=True) if number is not None}


def scored(loaded):
    """By record the versions that have scored it."""
    found = {}
    for one in shadows(loaded):
        found.setdefault(one["record_id"], []).append(one["shadow_version"])
    return found


def once(expected):
    return {one: [number] for one, number in expected.items()}


def test_when_a_record_was_decided_says_which_version_scores_it(grown):
    loaded, _ = grown
    expected = set_spans(loaded)
    follower = Follower(loaded)
    assert follower.step() == len(expected)
    assert follower.step() == 0
    assert scored(loaded) == once(expected)
    counts = Counter(expected.values())
    for number in (1, 2):
        assert sum(count for *_, version, _, count in follower.counts() if version == number) == counts[number]
    found = told(loaded.folder)
    assert (found["version"], found["records"]) == (2, counts[2])
    assert found["others"] == [{"model": "score", "version": 1, "records": counts[1]}]
    other = told(loaded.folder, "--version", 1)
    assert (other["version"], other["records"], other["flips"]) == (1, counts[1], 0)


def test_two_that_work_at_once_score_each_record_once(grown, monkeypatch):
    monkeypatch.setattr("headrace.serve.shadow.following.AT_ONCE", 7)
    loaded, _ = grown
    expected = set_spans(loaded)
    both = [threading.Thread(target=Follower(loaded).step) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert scored(loaded) == once(expected)


FOLLOW = """
import sys
from headrace.run import load_project
from headrace.serve.shadow import following

following.AT_ONCE = 3
following.follow(load_project(sys.argv[1]), sys.stdin, 0.01)
"""


def test_killed_at_any_time_it_scores_each_record_once(grown):
    loaded, _ = grown
    expected, rng = set_spans(loaded), random.Random(11)
    seen = [0]
    while seen[-1] < len(expected) or len(seen) < 5:
        with subprocess.Popen([sys.executable, "-c", FOLLOW, str(loaded.folder)], stdin=subprocess.PIPE) as process:
            until(lambda: process.poll() is not None or len(shadows(loaded)) > seen[-1] or seen[-1] == len(expected))
            assert process.poll() is None
            time.sleep(rng.random() / 4)
            process.kill()
        seen.append(len(shadows(loaded)))
        assert all(len(versions) == 1 for versions in scored(loaded).values())
    assert len(seen) > 3
    assert scored(loaded) == once(expected)


def children(parent):
    """The numbers of the processes that a process has begun."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if path.read_text().rpartition(")")[2].split()[1] == str(parent):
                yield int(path.parent.name)


def test_it_ends_with_the_service_however_that_ends_and_its_rest_is_scored_later(another):
    loaded, _, _, second = another
    set_shadow(loaded, "score", str(second.number))
    server = Server(loaded.folder)
    child = None

    def following():
        nonlocal child
        child = next(children(server.process.pid), None)
        return child is not None

    try:
        until(following)
        begun(loaded, "score", second.number)
        ids = [server.client.post(DECIDE, json=payment(number)).json()["record_id"] for number in range(20)]
        until(lambda: os.sched_getscheduler(child) == os.SCHED_IDLE)
    finally:
        server.kill()
    until(lambda: not Path(f"/proc/{child}").exists())
    assert told(loaded.folder)["records"] == 20
    assert scored(loaded) == {one: [second.number] for one in ids}


def test_killing_what_scores_costs_no_answer_and_no_record(another, often):
    loaded, _, first, second = another
    set_shadow(loaded, "score", str(second.number))
    answers = []
    with start(loaded, settle_s=0.1) as running:
        begun(loaded, "score", second.number)
        for turn in range(4):
            answers += ask(running.url, 20 * turn, 20 * turn + 20)
            until(lambda: running.office.shadows.process is not None)
            os.kill(running.office.shadows.process, signal.SIGKILL)
        until(lambda: len(shadows(loaded)) == 80)
    assert {one["model"]["version"] for one in answers} == {first.number}
    assert scored(loaded) == {one["record_id"]: [second.number] for one in answers}


def test_what_was_set_before_the_service_began_holds_from_its_first_answer(another, often):
    loaded, _, _, second = another
    set_shadow(loaded, "score", str(second.number))
    with start(loaded, settle_s=0.1) as running:
        on = ask(running.url, 0, 5)
        until(lambda: len(shadows(loaded)) == 5)
    end_shadow(loaded, "score")
    with start(loaded, settle_s=0.1) as running:
        ask(running.url, 5, 10)
    Follower(loaded).step()
    assert scored(loaded) == {one["record_id"]: [second.number] for one in on}


def test_off_on_and_another_version_while_it_runs(another, often):
    loaded, registry, first, second = another
    with start(loaded, settle_s=0.1) as running:
        ask(running.url, 0, 5)
        assert running.office.shadows.process is None
        set_shadow(loaded, "score", str(second.number))
        begun(loaded, "score", second.number)
        on = ask(running.url, 5, 15)
        assert repr(end_shadow(loaded, "score")) == "score: version 2 is the shadow no more of desk"
        begun(loaded, "", 0)
        ask(running.url, 15, 25)
        registry.promote("score", second.number)
        until(lambda: running.office.changes)
        set_shadow(loaded, "score", str(first.number))
        begun(loaded, "score", first.number)
        other = ask(running.url, 25, 35)
        until(lambda: len(shadows(loaded)) == 20)
    expected = {one["record_id"]: [second.number] for one in on}
    assert scored(loaded) == expected | {one["record_id"]: [first.number] for one in other}
    assert {one["model"]["version"] for one in other} == {second.number}


def test_a_shadow_whose_file_was_altered_waits_and_is_told_once(grown, caplog):
    loaded, answers = grown
    registry = loaded.registry()
    version = registry.version("score", 2)
    timeline, path = Timeline(loaded.state_dir), registry.path(version)
    timeline.turn("desk", Span.of(version, 1))
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    follower = Follower(loaded)
    assert [follower.step(), follower.step()] == [0, 0]
    assert follower.failed == {"desk": "HR-LEARN-011"}
    assert len([one for one in caplog.records if "the shadow of desk waits" in one.message]) == 1
    assert shadows(loaded) == []
    path.write_bytes(content)
    assert follower.step() == len(answers)
    assert follower.failed == {}


def test_a_shadow_that_is_gone_keeps_no_other_from_its_turn(grown):
    loaded, answers = grown
    registry, timeline = loaded.registry(), Timeline(loaded.state_dir)
    decided = sorted(clock.to_us(one["decided_at"]) for one in rows_of(loaded, "decisions_desk"))
    timeline.turn("desk", replace(Span.of(registry.version("score", 2), 1), version=7))
    timeline.turn("desk", Span.of(registry.version("score", 2), decided[100]))
    assert Follower(loaded).step() == len(answers)
    found = Counter((one["shadow_version"], one["skipped"], one["shadow_score"] is None) for one in shadows(loaded))
    assert found == {(7, "its shadow failed (HR-LEARN-014)", True): 100, (2, None, False): len(answers) - 100}
    assert told(loaded.folder)["records"] == len(answers) - 100


def test_an_altered_file_of_spans_is_told_and_keeps_nobody_from_answering(another, often, caplog):
    loaded, _, first, second = another
    path = loaded.state_dir / "shadow" / "spans.json"
    set_shadow(loaded, "score", str(second.number))
    with start(loaded, settle_s=0.1) as running:
        begun(loaded, "score", second.number)
        path.write_text('{"desk": [1')
        assert ask(running.url, 0, 3)[0]["model"]["version"] == first.number
        until(lambda: any("HR-SHADOW-005" in one.message for one in caplog.records))
        path.unlink()
        begun(loaded, "score", second.number)
        (answer,) = ask(running.url, 3, 4)
        until(lambda: answer["record_id"] in scored(loaded))


def test_what_it_cannot_score_is_said_for_each_record(grown):
    loaded, answers = grown
    edit(loaded.folder, '"review": "score > 0.02', '"review": "score > 0.03')
    changed = load_project(loaded.folder)
    Timeline(loaded.state_dir).turn("desk", Span.of(loaded.registry().version("score", 2), 1))
    assert Follower(changed).step() == len(answers)
    (why,) = {one["skipped"] for one in shadows(loaded)}
    assert why.startswith("decided by other rules of the service")
    found = told(loaded.folder)
    assert (found["records"], found["skipped"]) == (0, {why: len(answers)})
    assert "Nothing was compared" in said(loaded.folder, command="shadow").stdout


OTHER = """
other = hr.Model("other", cases, boosting, hr.time_split(train="10d", test="7d"), [hr.roc_auc()])
desk = hr.Service("desk", score, shadow=other, """


def test_a_shadow_that_is_declared_is_the_champion_of_its_model(another, often):
    loaded, registry, _, second = another
    before = fingerprints(loaded.project)["service:desk"]
    edit(loaded.folder, '\ndesk = hr.Service("desk", score, ', OTHER)
    loaded = load_project(loaded.folder)
    service = loaded.project.all_services["desk"]
    assert fingerprints(loaded.project)["service:desk"] == before
    assert shadow_of(service, registry) is None
    train(loaded, ["other"])
    with start(loaded, settle_s=0.1) as running:
        begun(loaded, "other", 1)
        ids = [one["record_id"] for one in ask(running.url, 0, 10)]
        until(lambda: len(shadows(loaded)) == 10)
        assert repr(set_shadow(loaded, "score", str(second.number))).endswith("of desk (in place of other)")
        begun(loaded, "score", second.number)
        assert repr(end_shadow(loaded, "score")).endswith("of desk (other is again)")
        begun(loaded, "other", 1)
    assert {(one["record_id"], one["shadow_model"]) for one in shadows(loaded)} == {(one, "other") for one in ids}
    found = told(loaded.folder)
    assert (found["model"], found["records"], found["shadow"]["model"]) == ("other", 10, "other")


def test_the_registry_keeps_who_was_a_shadow_when_and_why(another):
    _, registry, first, second = another
    with pytest.raises(HeadraceError, match="which is the champion"):
        registry.set_shadow("score", first.number)
    assert registry.end_shadow("score") is None
    registry.set_shadow("score", second.number, "a trial", "ann")
    registry.set_shadow("score", second.number, "again", "ann")
    assert registry.shadow("score").number == second.number
    registry.end_shadow("score", "seen enough", "bob")
    assert registry.shadow("score") is None
    registry.set_shadow("score", second.number, "a trial", "ann")
    registry.promote("score", second.number)
    assert registry.shadow("score") is None
    found = registry.set_shadow("score", first.number).shadows
    assert [(one["what"], one["reason"]) for one in found] == [("begins", "")]
    known = registry.version("score", second.number)
    assert [(one["what"], one["by"], one["reason"]) for one in known.shadows[:3]] == [
        ("begins", "ann", "a trial"), ("ends", "bob", "seen enough"), ("begins", "ann", "a trial"),
    ]  # fmt: skip
    assert (known.shadows[3]["what"], known.shadows[3]["reason"]) == ("ends", "it serves")
    assert [one["at_us"] for one in known.shadows] == sorted(one["at_us"] for one in known.shadows)


def test_mistakes_of_the_command_are_told(grown):
    loaded, _ = grown
    found = told(loaded.folder, exit_code=2)
    assert [one["code"] for one in found["faults"]] == ["HR-SHADOW-003"]
    set_spans(loaded)
    assert "HR-SHADOW-003" in said(loaded.folder, "--version", 9, command="shadow", exit_code=2).output
    assert "HR-SHADOW-004" in said(loaded.folder, "--fail-above", "0.1%", command="shadow", exit_code=1).output
    assert told(loaded.folder, "--fail-above", "0.1%", exit_code=1)["flips"] > 0
    assert "exit_code" not in told(loaded.folder, "--fail-above", "100%")
    printed = said(loaded.folder, command="shadow").output
    assert "score version 2 in the shadow of desk" in printed
    assert "score version 1 was the shadow of 50 records in this time" in printed


def test_a_fallback_is_no_flip(another):
    loaded, _, _, second = another
    edit(
        loaded.folder,
        'desk = hr.Service("desk", score, ',
        'desk = hr.Service("desk", score, when={"cold_key": "block"}, ',
    )
    loaded = load_project(loaded.folder)
    with start(loaded) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        row = payment(1, customer_id=999_999, amount="3.10")
        answer = client.post(DECIDE, json=row).raise_for_status().json()
    assert answer["decision"] == "block"
    assert answer["score"] < 0.5
    service = loaded.project.all_services["desk"]
    for as_declared in (False, True):
        found = replay(loaded, service, second, 0, clock.now_us() + 1, as_declared=as_declared)
        assert (found.records, found.flips) == (1, 0)
