"""Every path against the oracle on random worlds; thousands of them with HYPOTHESIS_PROFILE=thorough."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace.kernel.aggregates import catalogue
from headrace.plan import compile_features
from tests.conformance.paths import PATHS
from tests.plan.strategies import VALUES, logs, spines, versions, windows
from tests.plan.worlds import differences, events, examples, levels, others

COLUMNS = list(VALUES)


@pytest.mark.parametrize("path", [name for name in PATHS if name not in ("reference", "batch")])
def test_a_path_agrees_with_the_oracle(path: str) -> None:
    @given(st.data())
    @examples(30)
    def check(data: Any) -> None:
        kinds = st.sampled_from(list(catalogue()))
        mine = {name: data.draw(kinds.flatmap(windows)) for name in ("f", "g")}
        other = {"h": data.draw(kinds.flatmap(windows).filter(lambda one: not one.include_current))}
        by = hr.Entity(*data.draw(st.sampled_from([("user",), ("user", "shop")])))
        groups = [hr.Features("a", events, by=by, features=mine), hr.Features("b", others, by=by, features=other)]
        who = hr.Features("who", levels, by=hr.Entity("user"), features={"level": "level", "name": "name || '?'"})
        row = {"r": "ratio / 3", "c": "coalesce(word, 'none') || '!'", "l": "who.level * share", "n": "who.name = word"}
        plan = compile_features([*groups, who, hr.Features("now", events, features=row)], events)
        log = data.draw(logs(COLUMNS, most=8))
        sources = {"events": log, "others": data.draw(logs(COLUMNS, most=6)), "levels": data.draw(versions(most=6))}
        spine = data.draw(spines(log, COLUMNS))
        assert differences(PATHS["reference"](plan, spine, sources), PATHS[path](plan, spine, sources)) == []

    check()
