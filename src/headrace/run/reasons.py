"""Why a step must be done again: what differs between the inputs it had and those it has now, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

_SHOWN = 3
_NEW, _CHANGED, _GONE = range(3)
_WORDS = {
    "file": ("new file {}", "file {} changed", "file {} is gone"),
    "taken": ("file {} was taken in by a run that did not end well", "", ""),
    "read": ("reads {}", "reads {} again", "no longer reads {}"),
    "restore": ("{} was restored", "{} was restored", ""),
    "replay": ("rows of {} were replayed", "rows of {} were replayed", ""),
    "rows": ("now reads {}", "new rows in {}", "no longer reads {}"),
    "freshness": ("{} is broken", "{} is broken", "{} was broken"),
    "declaration": ("now uses {}", "declaration of {} changed", "no longer uses {}"),
}
"""Kind of input to the words for a new one, a changed one, and one that is gone."""
_MANY = {
    "file": ("{} new files: {}", "{} files changed: {}", "{} files are gone: {}"),
    "taken": ("{} files were taken in by a run that did not end well: {}", "", ""),
}
"""The same for several at once, where they are too many to be told one by one."""

BY_HAND = ("restore ", "replay ")
"""Kinds of input that count what a person did to a source."""
FIRST: tuple[str, ...] = ("not built yet",)
UNENDED: tuple[str, ...] = ("no run that ended well is on record",)
UNTRAINED: tuple[str, ...] = ("not trained yet",)
GONE = ("its output is gone",)
FOREIGN = ("somebody else wrote to its output",)
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
    said = [text for how, keys in ((_NEW, new), (_CHANGED, changed), (_GONE, gone)) for text in _told(how, keys)]
    return tuple(said[:10] + ([f"and {len(said) - 10} more reasons"] if len(said) > 10 else []))


def _told(how: int, keys: list[str]) -> Iterator[str]:
    for kind, names in _by_kind(keys):
        if len(names) > 1 and kind in _MANY:
            rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            yield _MANY[kind][how].format(len(names), ", ".join(names[:_SHOWN]) + rest)
        elif how == _NEW:
            yield _words(kind)[how].format(", ".join(names))
        else:
            yield from (_words(kind)[how].format(name) for name in names)


def _by_kind(keys: Iterable[str]) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for key in keys:
        kind, _, name = key.partition(" ")
        found.setdefault(kind, []).append(name)
    return list(found.items())


def _words(kind: str) -> tuple[str, str, str]:
    return _WORDS.get(kind, ("new {}", "{} changed", "{} is gone"))
