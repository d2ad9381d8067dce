"""``python -m bench.handbook``: the whole road on the Fraud Detection Handbook's payments, into docs/handbook.md."""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import statistics
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headrace import clock
from headrace.learn import TrainReport
from headrace.learn.report import Candidate
from headrace.run import LoadedProject, RunReport, load_project, run, train
from headrace.serve import parity
from headrace.serve.app import start
from headrace.serve.parity import ParityReport

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "handbook.md"
DATA = Path(os.environ.get("HEADRACE_DATA", ROOT.parent / "shared" / "data")) / "payments" / "transactions.parquet"
LEARNED_BY = datetime.datetime(2018, 8, 22, tzinfo=datetime.UTC)
"""When the labels of the Handbook's test week, which ends on 14 August, have matured."""
LIVE = 500
"""Payments after that moment which go through the service; the rest arrives as a second file."""
PUBLISHED = {
    "logistic": ("logistic regression", 0.606, 0.871, 0.291),
    "small_tree": ("decision tree of depth two", 0.496, 0.763, 0.241),
    "whole_tree": ("decision tree, unlimited", 0.309, 0.788, 0.243),
    "forest": ("random forest", 0.658, 0.867, 0.287),
    "boosting": ("boosting (XGBoost)", 0.639, 0.862, 0.273),
}
"""Average precision, AUC ROC and card precision at 100 of the Handbook, chapter "Baseline fraud detection system"."""
TRIALS = 8
"""Of parameters of the forest and of boosting each, where the model is chosen."""
_BLOCK = re.compile(r"(<!-- figures:begin -->\n).*?(<!-- figures:end -->)", re.DOTALL)


@dataclass(frozen=True)
class Served:
    """What the service answered to payments, features too, in the order of asking, and the seconds of each answer."""

    answers: tuple[Mapping[str, Any], ...]
    seconds: tuple[float, ...]


def laid(folder: Path) -> LoadedProject:
    """Lay the example into an empty folder, with the payments until the test week's labels have matured."""
    shutil.copytree(ROOT / "examples" / "handbook", folder, dirs_exist_ok=True)
    (folder / "data").mkdir()
    pq.write_table(payments(before=True), folder / "data" / "until-08-21.parquet")
    return load_project(folder)


def serve_live(loaded: LoadedProject) -> Served:
    """Replay the next payments: each is asked about over HTTP as it happens, then told to the stream."""
    answers, seconds = [], []
    now = clock.to_us(LEARNED_BY)
    with start(loaded, now_us=lambda: now) as running:
        for payment in payments(before=False).slice(0, LIVE).to_pylist():
            now = clock.to_us(payment["TX_DATETIME"].replace(tzinfo=datetime.UTC))
            row = payment | {"TX_DATETIME": payment["TX_DATETIME"].isoformat()}
            begun = clock.monotonic_s()
            asked = {name: value for name, value in row.items() if name != "TX_FRAUD"}
            answers.append(_post(f"{running.url}/services/desk/decide?features=1", asked))
            seconds.append(clock.monotonic_s() - begun)
            _post(f"{running.url}/events/transactions", row)
    return Served(tuple(answers), tuple(seconds))


def add_rest(loaded: LoadedProject) -> RunReport:
    """Put all later payments beside the first ones, as a second file, and run again."""
    pq.write_table(payments(before=False).slice(LIVE), loaded.folder / "data" / "from-08-22.parquet")
    return run(loaded)


def payments(before: bool) -> pa.Table:
    """The payments before the service begins, or those after, in the order in which they happened."""
    rows = pq.read_table(DATA).drop_columns(["TX_FRAUD_SCENARIO"])
    rows = rows.set_column(1, "TX_DATETIME", rows["TX_DATETIME"].cast(pa.timestamp("us")))
    early = pc.less(rows["TX_DATETIME"], pa.scalar(LEARNED_BY.replace(tzinfo=None)))
    return rows.filter(early if before else pc.invert(early))


def _post(url: str, row: Mapping[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(row).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def road(folder: Path) -> str:
    """Go the whole road in an empty folder and return its figures as Markdown."""
    loaded = laid(folder)
    first = run(loaded)
    report, alone = learned(loaded)
    served = serve_live(loaded)
    begun = clock.monotonic_s()
    proof = parity(loaded)
    taken = clock.monotonic_s() - begun
    assert proof.compared
    assert not proof.differing
    steps = [*_run_rows(first), _train_row(report), *_served_rows(served, proof, taken)]
    steps += _run_rows(add_rest(loaded), ", with the rest")
    return f"""Written by `python -m bench.handbook` on {datetime.datetime.now(datetime.UTC).date()}, on a machine with
{os.cpu_count()} cores that others use, too. Compiled code was in its cache.

{_table(("step", "what came of it", "seconds"), steps)}
{_table(("on the test week", *report.metrics, "the Handbook's"), _metric_rows(report, alone))}"""


def learned(loaded: LoadedProject, trials: int = TRIALS) -> tuple[TrainReport, dict[str, TrainReport]]:
    """Train each way alone as the Handbook does, and the model that is chosen among them; return its report first."""
    alone = train(loaded, [one for one in loaded.project.all_models if one.startswith("only_")])
    (chosen,) = train(loaded, ["score"], tune=trials)
    reports = {one.report.model.removeprefix("only_"): one.report for one in alone if one.report is not None}
    assert chosen.report is not None
    return chosen.report, reports


def _run_rows(report: RunReport, also: str = "") -> Iterator[tuple[str, ...]]:
    for step in report.steps:
        kind, name = step.id.split(":")
        said = step.figures
        if kind == "ingest":
            what = ", ".join(f"{said[one]:,} {one}" for one in ("received", "accepted", "quarantined"))
        else:
            what = f"{said['rows']:,} cases of {said['features']} features"
            what += "".join(f"; {count:,} left out: {why}" for why, count in said["excluded"].items() if count)
        yield f"{kind.replace('_', ' ')} {name}{also}", what, f"{step.seconds:.1f}"


def _train_row(report: TrainReport) -> tuple[str, ...]:
    passed = sum(gate.passed for gate in report.gates)
    what = f"{report.cases()}; {passed} of {len(report.gates)} gates passed"
    return f"train {report.model}", what, f"{sum(report.seconds.values()):.1f}"


def _served_rows(served: Served, proof: ParityReport, taken: float) -> Iterator[tuple[str, ...]]:
    cuts = statistics.quantiles(served.seconds, n=100)
    what = f"{len(served.answers):,} payments decided over HTTP one after another, half of them within"
    what += f" {1000 * cuts[49]:.1f} ms, 99 of 100 within {1000 * cuts[98]:.1f} ms"
    yield "serve desk", what, f"{sum(served.seconds):.1f}"
    said = f"{proof.compared:,} values compared, {proof.equal:,} equal, {proof.differing:,} differing"
    yield "parity", said, f"{taken:.1f}"


def _metric_rows(report: TrainReport, alone: Mapping[str, TrainReport]) -> Iterator[tuple[str, ...]]:
    for one in (one for one in report.candidates if one.role == "baseline"):
        yield f"{one.name} (baseline)", *_cells(one), ""
    for fit, (name, *published) in PUBLISHED.items():
        found = next(one for one in alone[fit].candidates if one.role == "model")
        yield f"{name}, alone", *_cells(found), " / ".join(f"{value:.3f}" for value in published)
    chosen = next(one for one in report.candidates if one.role == "model")
    yield f"**chosen on the weeks before: {chosen.name}**", *_cells(chosen), ""


def _cells(one: Candidate) -> Iterator[str]:
    for label, value in one.metrics.items():
        span = one.intervals.get(label)
        yield f"{value:.3f}" + ("" if span is None else f" ({span[0]:.3f} to {span[1]:.3f})")


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main() -> int:
    """Go the road in a folder that is removed, and write the figures between the marks of the page."""
    if not DATA.exists():
        print(
            "the Handbook's payments are not here: say with HEADRACE_DATA which folder has payments/", file=sys.stderr
        )
        return 1
    with tempfile.TemporaryDirectory() as folder:
        figures = road(Path(folder))
    print(figures)
    PAGE.write_text(_BLOCK.sub(lambda found: found[1] + figures + found[2], PAGE.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
