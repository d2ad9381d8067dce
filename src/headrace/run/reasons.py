"""Why a step must be done again: what differs between the inputs it had and those it has now, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_SHOWN = 3
_WORDS = {
    "file": ("new file {}", "{} new files: {}", "file {} changed", "file {} is gone"),
    "rows": ("now reads {}", "now reads {1}", "new rows in {}", "no longer reads {}"),
    "declaration": ("now uses {}", "now uses {1}", "declaration of {} changed", "no longer uses {}"),
}
"""Kind of input to the words for: one new, several new, a changed one, one that is gone."""

FIRST = ("not built yet",)
GONE = ("its output is gone",)
FORCED = ("asked to",)


def reasons(before: Mapping[str, str] | None, now: Mapping[str, str]) -> tuple[str, ...]:
    """Return why a step with these inputs must be done again; empty when nothing changed.

    Args:
        before: inputs of the last time, ``"kind name"`` to a value that changes when the input does; None for never.
        now: inputs of this time.

    Example:
        >>> reasons({"file a.csv": "1"}, {"file a.csv": "1", "file b.csv": "1"})
        ('new file b.csv',)
    """
    if before is None:
        return FIRST
    new = [key for key in now if key not in before]
    changed = [key for key in now if key in before and before[key] != now[key]]
    gone = [key for key in before if key not in now]
    said = [_new(kind, names) for kind, names in _by_kind(new)]
    said += [_words(kind)[2].format(name) for kind, names in _by_kind(changed) for name in names]
    said += [_words(kind)[3].format(name) for kind, names in _by_kind(gone) for name in names]
    return tuple(said[:10] + ([f"and {len(said) - 10} more reasons"] if len(said) > 10 else []))


def _new(kind: str, names: list[str]) -> str:
    if len(names) == 1:
        return _words(kind)[0].format(names[0])
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return _words(kind)[1].format(len(names), ", ".join(names[:_SHOWN]) + rest)


def _by_kind(keys: Iterable[str]) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for key in keys:
        kind, _, name = key.partition(" ")
        found.setdefault(kind, []).append(name)
    return list(found.items())


def _words(kind: str) -> tuple[str, str, str, str]:
    return _WORDS.get(kind, ("new {}", "{} new: {}", "{} changed", "{} is gone"))
