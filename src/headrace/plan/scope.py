"""What expressions over a row may name: its fields, and features of groups, each typed when it is first named."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from headrace.errors import closest, nearest
from headrace.plan.functions import Refusals
from headrace.types import Domain


@dataclass(frozen=True)
class Unknown:
    """What a declaration that has faults of its own leaves open: naming it is no fault again."""

    fields: bool = False
    groups: bool = False


class RowScope(Mapping[str, Domain]):
    """The names that expressions over a row may use.

    Args:
        fields: of the row.
        ready: features that are typed already.
        features: all that are declared; what cannot be typed among them is told where it is declared, not where named.
        unread: names of groups of which nothing can be read, for faults that are told already.
        unknown: whether fields, and whether groups, may be missing here for faults that are told already.
        derive: types a feature of the row, given its name, if it can be.
        trail: features that are being typed now.
    """

    def __init__(
        self,
        fields: Mapping[str, Domain],
        ready: Mapping[str, Domain],
        features: Collection[str],
        unread: Collection[str],
        unknown: Unknown,
        derive: Callable[[str], None],
        trail: Sequence[str],
    ) -> None:
        self._fields, self._ready, self._features, self._unread = fields, ready, features, unread
        self._unknown, self._derive, self._trail = unknown, derive, trail

    def __getitem__(self, name: str) -> Domain:
        if name in self._fields:
            return self._fields[name]
        if name not in self._ready:
            self._derive(name)
        if name not in self._ready:
            raise Refusals(())
        return self._ready[name]

    def __contains__(self, name: object) -> bool:
        group, dot, _ = str(name).partition(".")
        known = any(one.startswith(f"{group}.") for one in self._features)
        unread = group in self._unread or (self._unknown.groups and not known) if dot else self._unknown.fields
        return name in self._fields or name in self._features or unread

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._fields, *self._features)))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def cure(self, name: str) -> str:
        """Return what to write instead of a name that is none: the closest, or how to bring its group along."""
        names = [one for one in self if one not in self._trail]
        group, dot, _ = name.partition(".")
        known = any(one.startswith(f"{group}.") for one in self._features)
        if not dot or known or closest(name, names):
            return nearest(name, names)
        along = f"in features=[…] of the training set or the project, or with values(…, using=[{group}])"
        return f"give the group {group!r} along: {along}"
