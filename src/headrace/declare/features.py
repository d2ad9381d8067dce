"""Features, labels and training sets: what a model may know of a row, and what it shall learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import cast

from headrace.declare.base import Declared, here_within, name_faults, type_fault
from headrace.declare.contract import ContractType
from headrace.declare.durations import duration_faults
from headrace.declare.sheet import Sheet, call_of
from headrace.declare.source import Entity, Stream, Table
from headrace.declare.window import Window
from headrace.errors import Fault
from headrace.types import duration_us


@dataclass(frozen=True, repr=False)
class Features(Declared):
    """A group of features of one source, computed alike in batch, stream and request.

    Args:
        name: of the group; a feature is called ``group.feature``.
        source: a stream or a state table.
        by: entity. With it, features of a stream are windowed aggregates of the entity's events, and features of
            a table are expressions over the row that was valid at the moment. Without it, they are expressions
            over the row itself, which may use features of other groups.
        features: name to window or SQL scalar expression. One whose name begins with an underscore is an inner
            feature: others and rules may use it, no model learns from it.
        privacy: tag of those of its features that are made of tagged columns, e.g. ``"personal"``, which lets models
            learn from them, or ``"public"`` where nothing of a person is left in them; by default those of the columns.

    Example:
        >>> from headrace.types import Timestamp
        >>> from headrace.declare import Contract, Entity, Stream, event_time, count
        >>> class Click(Contract):
        ...     at: Timestamp = event_time()
        ...     user_id: int
        >>> clicks = Stream("clicks", Click)
        >>> Features("habit", clicks, by=Entity("user_id"), features={"clicks_1d": count("1d")}).name
        'habit'
    """

    name: str
    source: Stream | Table
    by: Entity | None = None
    features: Mapping[str, Window | str] = field(default_factory=dict)
    privacy: str = field(default="", kw_only=True)
    lines: Mapping[str, str] = field(default_factory=dict, init=False, compare=False)

    def _look(self) -> list[Fault]:
        self._set("lines", here_within())
        faults = name_faults(self.name, self.place, "feature group")
        if not isinstance(self.privacy, str):
            faults.append(type_fault(self.place, f"privacy of {self.name}", self.privacy, "text such as 'personal'"))
        if not isinstance(self.source, Stream | Table):
            faults.append(type_fault(self.place, f"source of {self.name}", self.source, "a Stream or a Table"))
            return faults
        if self.by is not None and not isinstance(self.by, Entity):
            faults.append(type_fault(self.place, f"by of {self.name}", self.by, "an Entity"))
        elif self.by is not None:
            faults += self.by.faults
        if not isinstance(self.features, Mapping):
            return [*faults, type_fault(self.place, f"features of {self.name}", self.features, "a mapping")]
        windowed = isinstance(self.source, Stream) and self.by is not None
        if not self.features:
            example = "{'count_7d': hr.count('7d')}" if windowed else "{'amount': 'amount'}"
            cure = f"write features={example}, with names and expressions of yours"
            faults.append(Fault("HR-FEATURE-001", self.place, f"{self.name} has no features", "at least one", cure))
        if isinstance(self.source, Table) and self.by is None:
            found = f"features {self.name} of table {self.source.name} without an entity"
            cure = f"add by=hr.Entity({_key(self.source)})"
            faults.append(Fault("HR-FEATURE-002", self.place, found, "by=Entity(…): whose row is to be read", cure))
        for name, one in self.features.items():
            faults += self._feature_faults(name, one, windowed)
        return faults + self._twice()

    def place_of(self, name: str) -> str:
        """Return where a feature is written, by the name that the group declares it under."""
        one = self.features[name]
        return one.place if isinstance(one, Window) else self.lines.get(name, self.place)

    def called(self) -> tuple[str, ...]:
        """Return what its features are called, a series by each of its windows."""
        each = self.features.items()
        return tuple(
            called for name, one in each for called in (one.names(name) if isinstance(one, Window) else (name,))
        )

    def _twice(self) -> list[Fault]:
        """A series makes a feature for each of its windows, and another may have that name already."""
        owners: dict[str, str] = {}
        faults = []
        for name, one in self.features.items():
            for called in one.names(name) if isinstance(one, Window) else (name,):
                other = owners.setdefault(called, name)
                if other != name:
                    found = f"two features named {called!r} in {self.name}, of {other!r} and of {name!r}"
                    expected, cure = "one name for one feature", f"rename {name!r}, or {other!r}"
                    faults.append(Fault("HR-NAME-002", self.place, found, expected, cure))
        return faults

    def _feature_faults(self, name: str, one: object, windowed: bool) -> list[Fault]:
        spoken = name.removeprefix("_") if isinstance(name, str) else name
        what = f"feature in {self.name}"
        place = self.lines.get(name, self.place)
        faults = name_faults(name, place, what) if name_faults(spoken, place, what) else []
        wanted: type = Window if windowed else str
        if not isinstance(one, wanted):
            expected = "an aggregate such as hr.mean(…)" if windowed else "an SQL scalar expression as text"
            faults.append(type_fault(place, f"{self.name}.{name}", one, expected))
        elif isinstance(one, Window):
            faults += one.faults
        return faults

    def _sheet(self) -> Sheet:
        by = f" by {', '.join(self.by.keys)}" if self.by is not None else ""
        rows = tuple(row for name, one in self.features.items() for row in _rows(name, one))
        tag = f", {self.privacy}" if self.privacy else ""
        return Sheet(
            f"Features {self.name}", f"of {self.source.name}{by}{tag}", ("feature", "value", "window", "how"), rows
        )

    def __hash__(self) -> int:
        return hash(("features", self.name))


def _key(source: Stream | Table) -> str:
    """The column that most likely names what rows of a source are about, for cures."""
    fields = source.contract.fields().values() if isinstance(source.contract, ContractType) else ()
    keys = [one.name for one in fields if one.role == "key"]
    return repr(next(iter([*keys, *(one.name for one in fields if one.type.name in ("int", "str"))]), "customer_id"))


def _rows(name: str, one: Window | str) -> list[tuple[str, ...]]:
    if isinstance(one, str):
        return [(name, one, "", "")]
    return [(called, *row) for called, row in zip(one.names(name), one.rows(), strict=False)]


@dataclass(frozen=True)
class Label(Declared):
    """What a model shall learn to foretell: a value of a later event with the same key.

    Args:
        source: stream that brings the truth; may be the spine itself.
        value: SQL scalar expression over its fields.
        on: key columns shared by the spine and the source.
        matures: how long to wait before the truth can be relied on; events known later do not count.
        default: value of a row for which no event came until then; without one such a row is excluded.
        skew: how much earlier than the row its truth may be said to have happened, where clocks differ. An earlier one
            is no truth about the row; where the label is joined by the spine's own key the row is then excluded, since
            nobody knows what the truth about it is.
        privacy: tag of the label where its value is made of tagged columns, e.g. ``"personal"``, which lets models
            learn it, or ``"public"`` where nothing of a person is left in it.
    """

    source: Stream
    value: str
    on: tuple[str, ...]
    matures: str
    default: object = None
    skew: str | None = None
    privacy: str = field(default="", kw_only=True)

    def _look(self) -> list[Fault]:
        faults = duration_faults(self.matures, self.place, "matures of the label")
        if self.skew is not None:
            faults += duration_faults(self.skew, self.place, "skew of the label")
        if not isinstance(self.privacy, str):
            faults.append(type_fault(self.place, "privacy of the label", self.privacy, "text such as 'personal'"))
        if not isinstance(self.source, Stream):
            faults.append(type_fault(self.place, "source of the label", self.source, "a Stream"))
        if not isinstance(self.value, str):
            faults.append(type_fault(self.place, "value of the label", self.value, "an SQL expression as text"))
        mistyped = self._several("on", str, "the label", "a name of a column, or several")
        if not self.on and not mistyped:
            expected = "the key that joins it to the spine"
            cure = f"add on={_key(self.source) if isinstance(self.source, Stream) else '…'}"
            faults.append(Fault("HR-LABEL-001", self.place, "a label without on=", expected, cure))
        return faults + mistyped

    @property
    def matures_us(self) -> int:
        return duration_us(self.matures)

    @property
    def skew_us(self) -> int:
        return 0 if self.skew is None else duration_us(self.skew)

    def __repr__(self) -> str:
        on = self.on[0] if isinstance(self.on, tuple) and len(self.on) == 1 else self.on
        more = {"default": self.default, "skew": self.skew, "privacy": self.privacy or None}
        return call_of("label", self.source, self.value, on=on, matures=self.matures, **more)

    def holding(self, default: object) -> Label:
        """Return the same label with its default as the type of its value has it."""
        label = copy(self)
        label._set("default", default)
        return label


def label(
    source: Stream,
    value: str,
    *,
    on: str | Sequence[str],
    matures: str,
    default: bool | int | float | str | None = None,
    skew: str | None = None,
    privacy: str = "",
) -> Label:
    """Return a label; see ``Label`` for the arguments."""
    keys = cast("tuple[str, ...]", on)  # it makes a tuple of it, or a fault
    return Label(source, value, keys, matures, default, skew, privacy=privacy)


@dataclass(frozen=True, repr=False)
class TrainingSet(Declared):
    """Exactly the rows of a spine, in order, each with the features that serving would have given, and a label.

    Args:
        name: of the set.
        spine: stream whose rows are the cases.
        features: groups to compute.
        label: what to learn; rows whose label has not matured are excluded and counted.
        where: SQL condition over the fields of the spine; only rows for which it is true become cases.
    """

    name: str
    spine: Stream
    features: Sequence[Features]
    label: Label | None = None
    where: str | None = None

    def _look(self) -> list[Fault]:
        faults = name_faults(self.name, self.place, "training set")
        if not isinstance(self.spine, Stream):
            faults.append(type_fault(self.place, f"spine of {self.name}", self.spine, "a Stream"))
        mistyped = self._several("features", Features, self.name, "Features")
        if not self.features and not mistyped:
            found, cure = f"{self.name} has no features", "name a group: features=[hr.Features(…)]"
            faults.append(Fault("HR-TRAINING-001", self.place, found, "at least one group", cure))
        faults += mistyped
        if self.where is not None and not isinstance(self.where, str):
            faults.append(type_fault(self.place, f"where of {self.name}", self.where, "an SQL expression as text"))
        if self.label is not None and not isinstance(self.label, Label):
            faults.append(type_fault(self.place, f"label of {self.name}", self.label, "hr.label(…)"))
        elif self.label is not None:
            faults += self.label.faults
        return faults

    def _sheet(self) -> Sheet:
        label = f"label {self.label.value} of {self.label.source.name}" if self.label is not None else "no label"
        rows = tuple((one.name, one.source.name, str(len(one.features))) for one in self.features)
        line = f"rows of {self.spine.name}, {label}"
        return Sheet(f"TrainingSet {self.name}", line, ("group", "source", "features"), rows)

    def __hash__(self) -> int:
        return hash(("training_set", self.name))
