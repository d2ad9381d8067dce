"""Short forms: one shape for all, and one for every aggregate of the catalogue, without an edit elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import headrace as hr
from headrace.declare.short import short_form
from headrace.kernel.aggregates import catalogue

COUNT_ABOVE = '''
"""count_above: how many values lie above a whole number."""

from dataclasses import replace

from headrace.kernel.aggregate import FREE, prepare_value
from headrace.kernel.aggregates import count


def settle(setting, domain, params):
    setting[FREE] = params["above"]


def plain(events, moment, setting):
    return sum(value > setting[FREE] for _, value in events)


def update(state, table, value, time, setting, reals):
    state[0] += value > setting[2]


def remove(state, table, value, time, setting, reals):
    state[0] -= value > setting[2]


FORM = {"plain": plain, "prepare": prepare_value, "update": update, "remove": remove, "settle": settle}
AGGREGATE = replace(
    count.AGGREGATE, name="count_above", takes=("int",), value_optional=False, needs=("above",), **FORM
)
'''
ASK = """
import json, sys
import headrace as hr
made = hr.count_above("n", ["1d", "7d"], above=3, where="n < 9")
light = not {"numpy", "numba"} & set(sys.modules)
import pandas as pd
days = pd.to_datetime([f"2026-01-0{day}T00:00Z" for day in range(1, 6)])
df = pd.DataFrame({"at": days, "card": 7, "n": [1, 4, 9, 5, 6]})
payments = hr.Stream.from_frame("payments", df, event_time="at")
values = hr.Features("f", payments, hr.Entity("card"), {"c": made}).values(df)
wrong = hr.Features("f", payments, hr.Entity("card"), {"c": hr.count_above("n", "1d", abov=3)})
cures = [fault.cure for fault in hr.Project("p", features=[wrong]).check()]
listed = "count_above" in dir(hr), dir(hr) == sorted(set(dir(hr)))
print(json.dumps([light, listed, values.T.values.tolist(), cures, made.place]))
"""


def test_a_file_in_the_catalogue_is_all_that_a_new_aggregate_takes(tmp_path: Path) -> None:
    shutil.copytree(Path(str(hr.__file__)).parent, tmp_path / "headrace", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "headrace" / "kernel" / "aggregates" / "count_above.py").write_text(COUNT_ABOVE)
    (tmp_path / "ask.py").write_text(ASK)
    paths = os.environ | {"PYTHONPATH": str(tmp_path), "HEADRACE_CACHE": str(tmp_path / "compiled")}
    ran = subprocess.run([sys.executable, "ask.py"], cwd=tmp_path, env=paths, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    light, listed, values, cures, place = json.loads(ran.stdout)
    assert light, "naming an aggregate loads what only computing needs"
    assert listed == [True, True]
    assert values == [[0, 0, 1, 0, 1], [0, 0, 1, 1, 2]]  # of 4, 5, 6: in the day before, in the week before
    assert cures == ["hr.count_above(…, above=…)", "did you mean 'above'?"]
    assert place == "ask.py:4"


def test_every_aggregate_has_its_short_form_and_its_name() -> None:
    for name in catalogue():
        assert getattr(hr, name).__name__ == name
        assert getattr(hr, name)("x", "1d") == hr.aggregate(name, "x", "1d")
        assert name in dir(hr)


def test_a_name_that_is_none_is_told_with_the_nearest() -> None:
    with pytest.raises(AttributeError, match="no attribute 'quantil'; did you mean 'quantile'"):
        hr.quantil  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute '_ipython_display_'$"):
        hr._ipython_display_  # noqa: B018


def test_words_in_any_order_are_one_window() -> None:
    assert hr.count("7d") == hr.count(window="7d") == hr.count(None, "7d")
    assert hr.count("x", "7d") == hr.count(window="7d", value="x")
    assert hr.time_since_last() == hr.time_since_last("lifetime") == hr.time_since_last(window="lifetime")
    assert hr.time_since_last("x", "7d") == hr.aggregate("time_since_last", "x", "7d")
    assert hr.decayed_sum("x", half_life="1h") == hr.decayed_sum("x", "lifetime", half_life="1h")
    assert hr.decayed_mean("x", ["1d", "7d"], half_life="1h").names("m") == ("m_1d", "m_7d")
    assert hr.quantile(q=0.5, window="7d", value="x") == hr.quantile("x", "7d", q=0.5)


def test_a_short_form_of_a_file_takes_a_window_alone_as_count_does() -> None:
    form = short_form("longest_gap")
    for windows in ("7d", ["7d", "lifetime"], "lifetime"):
        assert form(windows) == form(None, windows) == hr.aggregate("longest_gap", None, windows)
    assert form("amount", "7d").value == "amount"
    assert [fault.code for fault in form("amount").faults] == ["HR-WINDOW-001"]
