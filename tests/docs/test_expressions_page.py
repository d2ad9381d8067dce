"""The page of expressions lists every function that they can call, and no other."""

from __future__ import annotations

import re

from headrace.plan.calls import KNOWN
from tests.docs.blocks import ROOT

_WORDS = {"in", "is", "like", "between", "and", "or", "not", "double", "int", "date"}
"""What stands alone in code on the page and is no function; ``date`` is a type too."""


def test_the_page_lists_the_functions() -> None:
    page = (ROOT / "docs" / "expressions.md").read_text(encoding="utf-8")
    listed = page.partition("## What there is")[2].partition("Differences")[0]
    found = {name for name in re.findall(r"`(\w+)`", listed) if name not in _WORDS - set(KNOWN)}
    assert found == set(KNOWN)
