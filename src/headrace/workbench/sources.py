"""A stream made from a data frame."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from headrace import declare

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.explore import Explored
    from headrace.workbench.frames import Frame


class Stream(declare.Stream):
    """Events under a contract; see ``headrace.declare.Stream`` for the arguments."""

    __hash__ = declare.Stream.__hash__

    @classmethod
    def from_frame(cls, name: str, frame: Frame, event_time: str) -> Stream:
        """Return a stream whose events are the rows of a data frame, to try features on without a project.

        The contract is read off the data: types, nulls, and the bounds within which sums of these events are exact.
        The bounds are no promise about other rows: ``values`` takes keys and amounts that are in none of the events.

        Args:
            name: of the stream.
            frame: pandas, Polars or Arrow table; times must have a zone.
            event_time: column that says when each event happened.

        Raises:
            HeadraceError: HR-WORKBENCH-001 to 005, 010 to 012; see ``docs/errors.md``.

        Example:
            >>> import pandas as pd, headrace as hr
            >>> df = pd.DataFrame({"at": pd.to_datetime(["2026-01-01T00:00Z"]), "card": [7], "amount": [9.5]})
            >>> hr.Stream.from_frame("payments", df, event_time="at").contract.fields()["amount"].le
            9.5
        """
        from headrace.workbench.frames import contract_from, to_arrow

        table = to_arrow(frame, f"events of {name}")
        stream = cls(name, contract_from(name, table, event_time))
        object.__setattr__(stream, "_frame", table)
        return stream

    @property
    def frame(self) -> pa.Table | None:
        """The rows of ``from_frame``, or None."""
        return getattr(self, "_frame", None)

    def plot(self, field: str = "", *, by: str = "", of: str = "", folder: Path | str | None = None) -> Explored:
        """Return what the events are like; a notebook shows it as a page.

        Args:
            field: name of one field, or the path of one within another; all of them by default.
            by: a field by whose values all is told once more.
            of: name of the training set that brings the label, where several have the stream as their spine.
            folder: of a project; by default the frame of ``from_frame``, else the nearest project upwards.

        Raises:
            HeadraceError: HR-EXPLORE-001 to 005; HR-PROJECT-001 where there is no project.

        Example:
            >>> import pandas as pd, headrace as hr
            >>> df = pd.DataFrame({"at": pd.to_datetime(["2026-01-01T00:00Z"] * 3), "amount": [9.5, 2.0, 4.0]})
            >>> print(hr.Stream.from_frame("payments", df, event_time="at").plot("amount").text().splitlines()[3])
              missing 0 %  distinct 3  mean 5.167  standard deviation 3.884
        """
        from headrace.workbench.explored import plot

        return plot(self, field, by, of, folder)
