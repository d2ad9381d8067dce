"""Features that can be asked for their values, and training sets that can be built."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headrace import declare
from headrace.declare import Window
from headrace.workbench.shows import Sheet, Shown

if TYPE_CHECKING:
    import pandas as pd

    from headrace.learn.trainingset import BuiltSet
    from headrace.workbench.frames import Frame


class Features(Shown, declare.Features):
    """A group of features of one source; see ``headrace.declare.Features`` for the arguments."""

    __hash__ = declare.Features.__hash__

    def values(
        self,
        spine: Frame,
        events: Frame | Mapping[str, Frame] | None = None,
        *,
        also: Sequence[declare.Features] = (),
        folder: Path | str | None = None,
    ) -> pd.DataFrame:
        """Return the features as they were at each row of a spine, computed by the engine that builds training sets.

        Args:
            spine: rows to ask about: keys of the entity, event time with a zone, fields that row features read.
            events: what happened: a frame of this group's source, or a frame for each source by name. By default
                the frame of ``Stream.from_frame``, else the lake of the project in ``folder``.
            also: groups that features of the row name.
            folder: of a project; by default the nearest one from the working folder upwards.

        Returns:
            One column for each feature, named ``group.feature``, with the index of the spine; nulls are NaN or None.

        Raises:
            HeadraceError: faults of the declaration, or HR-WORKBENCH for frames that do not fit it.

        Example:
            >>> import pandas as pd, headrace as hr
            >>> at = pd.to_datetime(["2026-01-01T00:00Z", "2026-01-02T00:00Z"])
            >>> df = pd.DataFrame({"at": at, "card": [7, 7], "amount": [9.5, 1.0]})
            >>> payments = hr.Stream.from_frame("payments", df, event_time="at")
            >>> spending = hr.Features("spending", payments, hr.Entity("card"), {"sum_7d": hr.sum("amount", "7d")})
            >>> spending.values(df)["spending.sum_7d"].tolist()
            [nan, 9.5]
        """
        from headrace.workbench.values import values

        return values(self, tuple(also), spine, events, folder)

    def _sheet(self) -> Sheet:
        by = f" by {', '.join(self.by.keys)}" if self.by is not None else ""
        rows = tuple(row for name, one in self.features.items() for row in _feature_rows(name, one))
        return Sheet(f"Features {self.name}", f"of {self.source.name}{by}", ("feature", "value", "window", "how"), rows)


def _feature_rows(name: str, one: Window | str) -> Iterable[tuple[str, ...]]:
    if isinstance(one, str):
        return [(name, one, "", "")]
    how = [f"where {one.where}" if one.where else "", f"delay {one.delay}" if one.delay else ""]
    how += [f"hop {one.hop}" if one.hop else "", "including the row" if one.include_current else ""]
    params = "".join(f", {key}={value}" for key, value in one.params)
    value = f"{one.kind}({one.value or ''}{params})"
    said = ", ".join(word for word in how if word)
    return [(f"{name}_{label}" if one.series else name, value, label, said) for label in one.labels]


class TrainingSet(Shown, declare.TrainingSet):
    """Rows of a spine with features and a label; see ``headrace.declare.TrainingSet`` for the arguments."""

    __hash__ = declare.TrainingSet.__hash__

    def build(self, folder: Path | str | None = None) -> BuiltSet:
        """Build the set from the project's lake, or return it where it was built from the same before.

        Args:
            folder: of a project whose data has been loaded; by default the nearest one upwards.

        Raises:
            HeadraceError: when there is no project, or its tables are not loaded yet.

        Example:
            ``cases.build().to_pandas()``
        """
        from headrace.learn.trainingset import build
        from headrace.run import find_folder, read_settings

        at = find_folder(Path.cwd() if folder is None else Path(folder))
        state = at / read_settings(at).targets["local"].path
        from headrace.lake import Lake

        return build(self, Lake(state / "lake"), state)

    def _sheet(self) -> Sheet:
        label = f"label {self.label.value} of {self.label.source.name}" if self.label is not None else "no label"
        rows = tuple((one.name, one.source.name, str(len(one.features))) for one in self.features)
        line = f"rows of {self.spine.name}, {label}"
        return Sheet(f"TrainingSet {self.name}", line, ("group", "source", "features"), rows)
