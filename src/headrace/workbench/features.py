"""Features that can be asked for their values, and training sets that can be built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headrace import declare

if TYPE_CHECKING:
    import pandas as pd

    from headrace.explore import Explored
    from headrace.learn.trainingset import BuiltSet
    from headrace.workbench.frames import Frame


class Features(declare.Features):
    """A group of features of one source; see ``headrace.declare.Features`` for the arguments."""

    __hash__ = declare.Features.__hash__

    def values(
        self,
        spine: Frame,
        events: Frame | Mapping[str, Frame] | None = None,
        *,
        using: declare.Features | Sequence[declare.Features] = (),
        folder: Path | str | None = None,
    ) -> pd.DataFrame:
        """Return the features as they were at each row of a spine, computed by the engine that builds training sets.

        Args:
            spine: rows to ask about: keys of the entity, event time with a zone, fields that row features read, and
                the known time if the contract has one: a row sees what was known by then, else by its event time.
            events: what happened: a frame of this group's source, or a frame for each source by name. By default
                the frame of ``Stream.from_frame``, else the lake of the project in ``folder``.
            using: the other groups that features of the row name, as in ``"amount / spending.mean_7d"``.
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
            >>> now = hr.Features("now", payments, features={"share": "amount / spending.sum_7d"})
            >>> now.values(df, using=spending)["now.share"].round(3).tolist()
            [nan, 0.105]
        """
        from headrace.workbench.values import values

        return values(self, using, spine, events, folder)

    def plot(
        self,
        feature: str = "",
        *,
        by: str = "",
        of: str = "",
        using: declare.Features | Sequence[declare.Features] = (),
        folder: Path | str | None = None,
    ) -> Explored:
        """Return what the features are like, as of the time of each row; a notebook shows it as a page.

        The values are those of a training set of the project, which is built where it is not yet; where none has the
        group, or the project declares it otherwise, what it was at each event of its stream. Of a stream that was made
        from a frame, what it was at each row of that.

        Args:
            feature: name of one feature in the group; all of them by default.
            by: a column of the spine, or a feature, by whose values all is told once more.
            of: name of the training set, where several have the group.
            using: as in ``values``, where the project does not declare the group as it stands here.
            folder: of a project; by default the nearest one from the working folder upwards.

        Returns:
            A value with ``as_dict()``, ``html()`` and ``text()``; times in it are microseconds UTC.

        Raises:
            HeadraceError: HR-EXPLORE-001 to 006; HR-PROJECT-001 where there is no project.

        Example:
            >>> import pandas as pd, headrace as hr
            >>> at = pd.to_datetime(["2026-01-01T00:00Z", "2026-01-02T00:00Z", "2026-01-03T00:00Z"])
            >>> df = pd.DataFrame({"at": at, "card": [7, 7, 7], "amount": [9.5, 1.0, 2.0]})
            >>> payments = hr.Stream.from_frame("payments", df, event_time="at")
            >>> spending = hr.Features("spending", payments, hr.Entity("card"), {"sum_7d": hr.sum("amount", "7d")})
            >>> spending.plot("sum_7d").facets[0].spread.quantiles[0.5]
            10.0
        """
        from headrace.workbench.explored import plot

        return plot(self, feature, by, of, folder, using, lambda frame: self.values(frame, using=using))


class TrainingSet(declare.TrainingSet):
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
        target = read_settings(at).chosen
        from headrace.lake import Lake

        return build(self, Lake(target.lake_in(at)), at / target.path)

    def plot(self, feature: str = "", *, by: str = "", folder: Path | str | None = None) -> Explored:
        """Return what the features of the set are like, and against its label; a notebook shows it as a page.

        Args:
            feature: whole name of one feature, such as ``"spending.mean_7d"``; all of them by default.
            by: a feature or a column of the spine by whose values all is told once more.
            folder: of a project; by default the nearest one upwards.

        Raises:
            HeadraceError: HR-EXPLORE-001 to 005; HR-PROJECT-001 where there is no project.
        """
        from headrace.workbench.explored import plot

        return plot(self, feature, by, "", folder)
