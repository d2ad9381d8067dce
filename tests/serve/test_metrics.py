"""Figures: counted right, added up over workers, and text that Prometheus' own parsers read."""

import signal
import subprocess
import sys
import timeit
from itertools import pairwise
from pathlib import Path

import httpx
import prometheus_client.openmetrics.parser as openmetrics
import prometheus_client.parser as prometheus
import pytest

from headrace.errors import HeadraceError
from headrace.serve.app import start
from headrace.serve.metrics import Board, Meters, clear
from headrace.serve.metrics.exposition import OPENMETRICS, PROMETHEUS, exposition, wants_openmetrics
from headrace.serve.metrics.families import BOUNDS, FAMILIES
from headrace.serve.metrics.reading import read
from tests.shop import DECIDE, payment

DESK = {"desk": ["block", "review", "allow"]}


def samples(text, parser=prometheus):
    return {
        (one.name, tuple(sorted(one.labels.items()))): one
        for family in parser.text_string_to_metric_families(text)
        for one in family.samples
    }


def value(found, name, **labels):
    return found[name, tuple(sorted(labels.items()))].value


def counted():
    meters = Meters(DESK)
    for seconds in (0.00005, 0.00006, 0.003, 30.0):
        meters.answered("desk", "block", seconds, f"3f0c-{seconds}")
    meters.answered("desk", "allow", 0.0001, "3f0c-9")
    meters.refused("desk", "HR-REQUEST-002", 400)
    meters.refused("desk", "HR-REQUEST-004", 400)
    meters.took("payments", 12)
    meters.stage("score", 0.0008, count=8)
    meters.gauge("headrace_model_info", lambda: {("desk", "score", 3, "sha256:ab"): 1})
    meters.gauge("headrace_state_age_seconds", lambda: {"payments": 1.5, 'odd"\\\nname': 2})
    return meters


@pytest.mark.parametrize("parser", [prometheus, openmetrics])
def test_prometheus_reads_what_was_counted(parser):
    found = samples(exposition(counted().figures(), parser is openmetrics), parser)
    requests = "headrace_requests_total"
    assert value(found, requests, service="desk", outcome="block", code="200") == 4
    assert value(found, requests, service="desk", outcome="allow", code="200") == 1
    assert value(found, requests, service="desk", outcome="review", code="200") == 0, "there before it happens"
    assert value(found, requests, service="desk", outcome="refused", code="400") == 2
    assert value(found, "headrace_refused_total", service="desk", code="HR-REQUEST-004") == 1
    assert value(found, "headrace_events_total", stream="payments") == 12
    assert value(found, "headrace_request_seconds_count", service="desk") == 5
    assert value(found, "headrace_request_seconds_sum", service="desk") == pytest.approx(30.00321)
    bucket = "headrace_request_seconds_bucket"
    assert value(found, bucket, service="desk", le="6.8e-05") == 2
    assert value(found, bucket, service="desk", le="10.0") == 4
    assert value(found, bucket, service="desk", le="+Inf") == 5
    assert value(found, "headrace_stage_seconds_count", stage="score") == 8
    assert value(found, "headrace_stage_seconds_bucket", stage="score", le="0.0001") == 8
    assert value(found, "headrace_state_age_seconds", source='odd"\\\nname') == 2
    assert value(found, "headrace_model_info", service="desk", model="score", version="3", digest="sha256:ab") == 1
    assert value(found, "process_open_fds") == pytest.approx(len(list(Path("/proc/self/fd").iterdir())), abs=3)
    assert value(found, "process_start_time_seconds") < 4e9


def test_examples_are_the_newest_record_of_each_bucket_and_only_in_openmetrics():
    text = exposition(counted().figures(), True)
    found = samples(text, openmetrics)
    exemplar = found["headrace_request_seconds_bucket", (("le", "6.8e-05"), ("service", "desk"))].exemplar
    assert exemplar.labels == {"record_id": "3f0c-6e-05"}
    assert exemplar.value == 0.00006
    assert float(exemplar.timestamp) > 1.7e9
    assert "record_id" not in exposition(counted().figures())
    kinds = {one.name: (one.type, one.unit) for one in openmetrics.text_string_to_metric_families(text)}
    assert kinds["headrace_model"] == ("info", "")
    assert kinds["headrace_request_seconds"] == ("histogram", "seconds")


def test_what_a_client_sends_never_becomes_a_label():
    meters = Meters(DESK)
    meters.refused("no such service, 4111111111111111", "HR-SERVE-007", 404)
    meters.refused("desk", "4111111111111111", 400)
    text = exposition(meters.figures())
    assert "4111" not in text
    assert value(samples(text), "headrace_refused_total", service="", code="HR-SERVE-007") == 1


def test_a_figure_that_cannot_be_read_costs_no_other(caplog):
    meters = counted()
    meters.gauge("headrace_spool_bytes", lambda: 1 / 0)
    meters.gauge("headrace_state_bytes", lambda: float("nan"))
    meters.gauge("headrace_spool_records", lambda: 7)
    found = samples(exposition(meters.figures()))
    meters.figures()
    assert value(found, "headrace_spool_records") == 7
    assert not {"headrace_spool_bytes", "headrace_state_bytes"} & {name for name, _ in found}
    assert caplog.text.count("headrace_spool_bytes cannot be read (ZeroDivisionError)") == 1
    with pytest.raises(KeyError):
        meters.gauge("headrace_unheard_of", lambda: 1)


def test_the_bounds_are_the_preferred_numbers():
    assert len(BOUNDS) == 43
    assert (BOUNDS[0], BOUNDS[-1]) == (1e-6, 10.0)
    ratios = [high / low for low, high in pairwise(BOUNDS)]
    assert min(ratios) > 1.4
    assert max(ratios) <= 1.5 + 1e-9


def test_a_count_costs_microseconds():
    meters = Meters(DESK)
    one = min(timeit.repeat(lambda: meters.answered("desk", "allow", 6e-5, "3f0c-1"), number=20_000, repeat=5)) / 20_000
    assert one < 10e-6, "1.5 µs where the machine is idle"


def test_workers_are_added_up_and_those_that_died_stay_counted(tmp_path):
    first, second = Meters(DESK, Board(tmp_path, 0)), Meters(DESK, Board(tmp_path, 1))
    for meters, count in ((first, 2), (second, 3)):
        meters.gauge("headrace_under_way", lambda: 5)
        meters.gauge("headrace_spool_records", lambda: 40)
        meters.gauge("headrace_spool_bytes", lambda: 4_096)
        meters.gauge("headrace_parity_compared_total", lambda: 70)
        for _ in range(count):
            meters.answered("desk", "block", 0.001, "3f0c-1")
        meters.post()
    for meters in (first, second):
        figures = meters.figures()
        assert figures.numbers["headrace_requests_total"]["desk", "block", "200"] == 5
        assert sum(figures.spreads["headrace_request_seconds"]["desk",].counts) == 5
        assert figures.numbers["headrace_under_way"][()] == 10, "each has its own"
        assert figures.numbers["headrace_spool_records"][()] == 80, "each has a journal of its own"
        assert figures.numbers["headrace_spool_bytes"][()] == 4_096, "all have the same"
        assert figures.numbers["headrace_parity_compared_total"][()] == 70, "who compares next goes on from there"
        assert figures.numbers["headrace_workers"][()] == 2
    third = "from headrace.serve.metrics import *; from pathlib import Path; import sys, time\n"
    third += "m = Meters({'desk': ['block']}, Board(Path(sys.argv[1]), 2))\n"
    third += "for _ in range(7): m.answered('desk', 'block', 0.001, 'x')\n"
    third += "m.gauge('headrace_under_way', lambda: 5); m.post(); print('posted', flush=True); time.sleep(60)\n"
    process = subprocess.Popen([sys.executable, "-c", third, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"posted\n"
    alive = first.figures()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    dead = first.figures()
    assert [one.numbers["headrace_requests_total"]["desk", "block", "200"] for one in (alive, dead)] == [12, 12]
    assert [one.numbers["headrace_under_way"][()] for one in (alive, dead)] == [15, 10]
    assert [one.numbers["headrace_workers"][()] for one in (alive, dead)] == [3, 2]
    heir = Meters(DESK, Board(tmp_path, 2))
    heir.answered("desk", "block", 0.001, "x")
    heir.post()
    assert first.figures().numbers["headrace_requests_total"]["desk", "block", "200"] == 13
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    clear(tmp_path)
    assert first.figures().numbers["headrace_requests_total"]["desk", "block", "200"] == 2


def test_a_board_with_a_file_of_another_kind_or_none_at_all(tmp_path):
    (tmp_path / "1.figures").write_bytes(b"\x93garbage")
    (tmp_path / "0.figures").write_bytes(b"")
    meters = Meters(DESK, Board(tmp_path, 0))
    meters.answered("desk", "block", 0.001, "x")
    assert meters.figures().numbers["headrace_requests_total"]["desk", "block", "200"] == 1


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain;version=0.0.4", False),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", True),
        ("text/plain;q=0.9, application/openmetrics-text;q=0.5", False),
        ("application/openmetrics-text;q=nonsense", False),
        (";;;,,;q=", False),
    ],
)
def test_the_form_is_the_one_that_is_preferred(accept, expected):
    assert wants_openmetrics(accept) is expected


def test_a_service_answers_with_its_figures(shop):
    with start(shop) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        decided = [client.post(DECIDE, json=payment(number)).json() for number in range(5)]
        client.post(DECIDE, content=b"{")
        client.post("/events/payments", json=payment(1))
        plain = client.get("/metrics")
        assert plain.headers["content-type"] == PROMETHEUS.decode()
        found = samples(plain.text)
        assert value(found, "headrace_request_seconds_count", service="desk") == 5
        assert value(found, "headrace_requests_total", service="desk", outcome="refused", code="400") == 1
        assert value(found, "headrace_refused_total", service="desk", code="HR-REQUEST-002") == 1
        assert value(found, "headrace_events_total", stream="payments") == 1
        assert value(found, "headrace_stage_seconds_count", stage="score") == 5
        assert value(found, "headrace_spool_records") == 5
        info = next(dict(labels) for name, labels in found if name == "headrace_model_info")
        assert (info["service"], info["model"], info["version"]) == ("desk", "score", "1")
        rich = client.get("/metrics", headers={"accept": "application/openmetrics-text"})
        assert rich.headers["content-type"] == OPENMETRICS.decode()
        named = {one.exemplar.labels["record_id"] for one in samples(rich.text, openmetrics).values() if one.exemplar}
        assert named <= {one["record_id"] for one in decided}
        assert decided[-1]["record_id"] in named


def test_what_we_read_is_what_prometheus_reads():
    text = exposition(counted().figures())
    theirs = samples(text)
    ours = {(one.name, tuple(sorted(one.labels.items()))): one.value for one in read(text)}
    assert {key: one.value for key, one in theirs.items()} == ours
    with pytest.raises(HeadraceError, match="HR-CLIENT-003"):
        read("<html>a proxy</html>")


def test_every_family_is_told_in_the_docs():
    from tests.docs.blocks import ROOT

    page = (ROOT / "docs" / "metrics.md").read_text()
    assert [name for name in FAMILIES if f"`{name}`" not in page and not name.startswith("process_")] == []
