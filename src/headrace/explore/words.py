"""How values, bins and shares are written, alike in the terminal and on the page."""

from __future__ import annotations

from headrace import clock
from headrace.audit.page import NONE, number, percent
from headrace.explore.against import Alone, Bin
from headrace.explore.rows import Column, Truth
from headrace.explore.segments import Segment

_LONGEST = 32
MEASURES = {
    "roc_auc": "ROC AUC",
    "spearman": "Spearman",
    "cramers_v": "Cramér's V",
    "correlation_ratio": "correlation ratio",
}
BY_TASK = {"binary": "roc_auc", "regression": "spearman", "multiclass": "cramers_v"}
"""What a column alone is measured by, for each task."""
_STRONG = ((0.02, "tells nothing"), (0.1, "weak"), (0.3, "medium"), (0.5, "strong"))
"""How an information value is commonly read (Siddiqi, 2006)."""


def value_said(value: float | None, column: Column, wide: float = 0.0) -> str:
    """Return a value of a column as people read it.

    Args:
        value: a number, or microseconds UTC of a time; None for none.
        column: that it is of.
        wide: between the first and the last of those that are told with it: times near one another have a clock.
    """
    if value is None:
        return NONE
    if column.kind != "time":
        return number(round(value, 12))
    near = 0 < wide < 3 * clock.DAY_US
    return f"{clock.from_us(int(value)):{'%Y-%m-%d %H:%M' if near else '%Y-%m-%d'}}"


def short(text: str, longest: int = _LONGEST) -> str:
    """Return a value as text that fits, on one line.

    Example:
        >>> short(""), short("  "), short("a" * 9, 5)
        ('(empty)', '(blank)', 'aaaa…')
    """
    if not text.strip():
        return "(blank)" if text else "(empty)"
    text = " ".join(text.split()) if text.isprintable() else repr(text)[1:-1]
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def bin_said(one: Bin | Segment, column: Column) -> str:
    """Return what a bin or segment is called."""
    if one.name or one.low is None or one.high is None:
        return short(one.name)
    wide = one.high - one.low
    low, high = value_said(one.low, column, wide), value_said(one.high, column, wide)
    return low if low == high else f"{low} to {high}"


def mean_said(mean: float | None, truth: Truth) -> str:
    """Return the mean of a label: of yes or no a percentage, fine enough for rare ones.

    Example:
        >>> truth = Truth("cases.label", "is_fraud", "binary", 1000, 0.0077)
        >>> mean_said(0.0077, truth), mean_said(0.31, truth), mean_said(0.00004, truth)
        ('0.77 %', '31.0 %', '0.004 %')
    """
    if mean is None:
        return NONE
    if truth.task != "binary":
        return number(mean)
    if mean >= 0.1 or mean == 0:
        return percent(mean)
    return f"{100 * mean:.2f} %" if mean >= 0.001 else f"{100 * mean:.2g} %"


def interval_said(least: float | None, most: float | None, truth: Truth) -> str:
    """Return a 95 % interval; empty where there is none."""
    return "" if least is None or most is None else f"{mean_said(least, truth)} to {mean_said(most, truth)}"


def alone_said(alone: Alone) -> str:
    """Return what a column is worth alone, with its interval."""
    ends = "" if alone.least is None or alone.most is None else f" ({alone.least:.3f} to {alone.most:.3f})"
    below = alone.measure == "roc_auc" and alone.most is not None and alone.most < 0.5
    way = " (low values mean yes)" if below else ""
    return f"{MEASURES[alone.measure]} {alone.value:.3f}{ends}{way}"


def information_said(value: float) -> str:
    """Return an information value, and how it is commonly read.

    Example:
        >>> information_said(0.05), information_said(0.7)
        ('information value 0.050 (weak)', 'information value 0.700 (suspiciously strong)')
    """
    word = next((word for most, word in _STRONG if value < most), "suspiciously strong")
    return f"information value {value:.3f} ({word})"


def label_said(truth: Truth) -> str:
    """Return which label it is, of how many cases, and its mean or classes."""
    head = f"{truth.name} ({truth.says}): {number(truth.rows)} cases"
    if truth.classes:
        return f"{head}, classes {', '.join(map(short, truth.classes))}"
    return (
        f"{head}, {mean_said(truth.mean, truth)} yes"
        if truth.task == "binary"
        else f"{head}, mean {number(truth.mean)}"
    )
