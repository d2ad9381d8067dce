"""Projects with the verbs of the command line."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headrace import declare
from headrace.errors import Fault, HeadraceError

if TYPE_CHECKING:
    import pandas as pd

    from headrace.audit.data import DataReport
    from headrace.audit.lineage import Traced
    from headrace.explore import Explored
    from headrace.run import (
        Applied,
        Changes,
        Explained,
        LoadedProject,
        Progress,
        Promoted,
        RunReport,
        Status,
        Trainings,
    )
    from headrace.serve.scoring import ScoredTable
    from headrace.workbench.frames import Frame


class Project(declare.Project):
    """What a team runs; see ``headrace.declare.Project`` for the arguments.

    The verbs are those of the command line; ``folder`` is the project's, by default the nearest one upwards.
    """

    __hash__ = declare.Project.__hash__

    def check(self) -> tuple[Fault, ...]:
        """Return every fault of the declarations, errors first; empty when all is well."""
        from headrace.run import check

        return check(self)

    def plan(self, folder: Path | str | None = None) -> Changes:
        """Return what would change against the last run, and what that invalidates."""
        from headrace.run import plan_changes

        return plan_changes(self._loaded(folder))

    def run(
        self,
        folder: Path | str | None = None,
        progress: Progress | None = None,
        *,
        names: Sequence[str] = (),
        full: bool = False,
    ) -> RunReport:
        """Bring lake and training sets up to date, redoing only what changed.

        Args:
            folder: of the project.
            progress: told of each step.
            names: only these streams, tables and sets; ``"+name"`` with what it needs, ``"name+"`` with what follows.
            full: whether what is named is made anew, though nothing changed.

        Raises:
            HeadraceError: faults of the declarations, or another run is going on.
            RunFailed: steps failed; it carries the report.
        """
        from headrace.run import SILENT, Asked, run

        return run(self._loaded(folder), progress or SILENT, Asked(tuple(names), full))

    def apply(
        self,
        nodes: Sequence[str] = (),
        accept: Sequence[str] = (),
        folder: Path | str | None = None,
        progress: Progress | None = None,
    ) -> Applied:
        """Carry out what ``plan`` shows, on record with who did it; it does not ask.

        Args:
            nodes: to which it is confined, with all that they are made from; by default all.
            accept: nodes whose contracts may change in ways that are not compatible.
            folder: of the project.
            progress: told of each step.

        Raises:
            CheckFailed: HR-EVOLVE-001 for each change that is neither compatible nor accepted; nothing was done.
            HeadraceError: faults of the declarations, an unknown node, or another run is going on.
            RunFailed: steps failed; it carries the report.
        """
        from headrace.run import SILENT, apply

        return apply(self._loaded(folder), nodes, accept, progress or SILENT)

    def train(
        self,
        names: Sequence[str] = (),
        folder: Path | str | None = None,
        *,
        again: bool = False,
        tune: int = 0,
        seconds: float = math.inf,
    ) -> Trainings:
        """Train the models of these names, or all, and register them.

        Args:
            names: of models.
            folder: of the project.
            again: also what has not changed.
            tune: how many trials of parameters there shall be, those of earlier searches among them; 0 for none.
            seconds: after which no further trial begins.

        Raises:
            HeadraceError: what goes wrong; where some of several models were trained, it is a ``TrainFailed`` that
                carries what became of each as ``trained``.
        """
        from headrace.run import train

        return train(self._loaded(folder), names, again=again, tune=tune, seconds=seconds)

    def promote(
        self, model: str, version: int, reason: str | None = None, folder: Path | str | None = None
    ) -> Promoted:
        """Make a version of a model its champion, and keep on record who did it, when and why.

        Args:
            model: its name.
            version: number of the version.
            reason: why; must be given for a version that failed a gate.
            folder: of the project.

        Raises:
            HeadraceError: no such version, or its file is missing or was altered.
            CheckFailed: it failed a gate, and no reason is given.
        """
        from headrace.run import promote

        return promote(self._loaded(folder), model, version, reason)

    def explain(
        self,
        model: str,
        row: str | Mapping[str, object],
        version: int | None = None,
        folder: Path | str | None = None,
    ) -> Explained:
        """Return what the score of one row is made of; a notebook shows it as a table.

        Args:
            model: its name.
            row: the key of a row of the set that the version learned from, or a row as a service takes it, by field;
                times have a zone.
            version: number of the version; by default the champion.
            folder: of the project.

        Returns:
            A value with ``contributions``, ``rows()`` (feature, value, contribution), ``features`` and ``as_dict()``.

        Raises:
            HeadraceError: no such model, version or row; the model's file is missing or was altered.
            CheckFailed: HR-LEARN-046 for contributions that do not add up to the score.
        """
        import json

        from headrace.run import explain

        if isinstance(row, Mapping):
            body = json.dumps(dict(row), default=lambda one: getattr(one, "isoformat", one.__str__)()).encode()
            return explain(self._loaded(folder), model, request=body, version=version)
        return explain(self._loaded(folder), model, row=str(row), version=version)

    def score(
        self,
        table: str | Path | Frame,
        service: str = "",
        *,
        to: str = "",
        where: str = "",
        limit: int | None = None,
        explain: int = 0,
        folder: Path | str | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> ScoredTable:
        """Decide every row of a table as a service does, with the features that a request would have had at its moment.

        Args:
            table: name of a table of the lake, a path of files of rows, or a frame of pandas, Polars or PyArrow, with
                the fields of the service's stream; times have a zone. Where there is a column ``_known_at``, each row
                sees what was known by then, else by its event time.
            service: its name; the only one by default.
            to: table or file (``.parquet``, ``.csv``) for the scores; by default ``scores_<service>``, and for a frame
                memory alone.
            where: SQL condition on fields of the row.
            limit: rows at most.
            explain: how many reasons for each row.
            folder: of the project.
            progress: told what is done, how many, and of how many.

        Returns:
            A value with ``decisions`` (rows of each), ``refused``, ``to_pandas()`` and ``to_arrow()``: identity of each
            row, score, decision, features, and the model that scored it; rows are in the order given.

        Raises:
            HeadraceError: HR-SCORE-001 to 006, HR-SERVE-002 and 003, HR-DATA-1xx columns that are missing,
                HR-WORKBENCH-001 to 003 and 011 for a frame that is none, or whose values no column holds.
        """
        from headrace.serve.scoring import score_table
        from headrace.workbench.frames import to_arrow

        given = table if isinstance(table, str | Path) else to_arrow(table, "the rows")
        loaded = self._loaded(folder)
        return score_table(loaded, given, service, to=to, where=where, limit=limit, explain=explain, progress=progress)

    def lineage(self, name: str = "", *, up: bool = True, down: bool = True, direct: bool = False) -> Traced:
        """Return what a thing is made of and what is made of it; a notebook draws it.

        Args:
            name: of a column (``payments.amount``), feature, model, decision (``fraud_desk.block``), or of a whole
                stream, table, group, training set or service; empty for everything.
            up: whether to follow what it is made of.
            down: whether to follow what is made of it.
            direct: only what values are computed from, without keys, filters, joins and orders.

        Returns:
            A value with ``upstream`` and ``downstream`` (names), ``nodes`` (with types, privacy, units, owners),
            ``edges``, and ``as_dict()``; as text it is a tree.

        Raises:
            HeadraceError: faults of the declarations; HR-LINEAGE-001 no such name.
        """
        from headrace.audit.lineage import trace

        return trace(self, name, up=up, down=down, direct=direct)

    def query(self, sql: str, folder: Path | str | None = None) -> pd.DataFrame:
        """Return the result of one SELECT over the tables of the lake.

        Raises:
            HeadraceError: HR-LAKE for a query that cannot be run, 008 for a column that pandas cannot hold.
        """
        import pyarrow as pa

        table = self._loaded(folder).lake().sql(sql)
        try:
            found: pd.DataFrame = table.to_pandas()
        except pa.ArrowNotImplementedError as error:
            kinds = ", ".join(f"{field.name} {field.type}" for field in table.schema)
            cure = "cast it in the query, for example to text"
            fault = Fault("HR-LAKE-008", "", f"a column that pandas cannot hold among {kinds}", "another type", cure)
            raise HeadraceError(fault) from error
        return found

    def quality(self, table: str, folder: Path | str | None = None) -> pd.DataFrame:
        """Return the quality history of a stream or table: how each load kept each rule, and what its columns are like.

        Args:
            table: name of the stream or table.
            folder: of the project.

        Returns:
            One row for each load and rule: ``_load`` (as in ``loads_<table>``; empty for a verdict on the table as it
            was), ``at`` (UTC), ``rule``, ``severity``, ``checked`` and ``failed`` rows, ``value`` (share of rows that
            keep it; for rules of loads what was measured), ``ok``. Rows of the rule ``profile`` tell a field of the
            accepted rows: nulls as ``failed``, ``least``, ``most``, and ``edges`` and ``bins`` of its distribution.

        Raises:
            HeadraceError: HR-LAKE-001 when nothing was loaded under this name.
        """
        found: pd.DataFrame = self._loaded(folder).lake().read(f"quality_{table}").to_pandas()
        return found

    def data_report(
        self, *tables: str, output: Path | str | None = None, folder: Path | str | None = None
    ) -> DataReport:
        """Write what the data is like as one HTML file, and return it; a notebook shows the page.

        Args:
            tables: names of streams and tables; all of them by default.
            output: file to write; by default ``reports/data.html`` in the project's state.
            folder: of the project.

        Returns:
            A value with ``path``, and ``as_dict()``: for each table its rows, age of the newest row (seconds), last
            loads, broken promises, reasons of quarantine, and for each column counts, range, mean and quantiles (times
            in microseconds UTC). Personal columns tell only how many values are missing and distinct.

        Raises:
            HeadraceError: HR-REPORT-001 for a name that is no stream or table.
        """
        from headrace.audit.data import data_report

        return data_report(self._loaded(folder), tables, None if output is None else Path(output))

    def explore(self, name: str, *, by: str = "", of: str = "", folder: Path | str | None = None) -> Explored:
        """Return what a column or a feature is like, or all of a stream, table, group or training set.

        Args:
            name: such as ``"payments.amount"``, ``"spending.mean_7d"`` or ``"fraud_cases"``.
            by: a column by whose values all is told once more.
            of: name of the training set that brings features and label, where there are several.
            folder: of the project.

        Returns:
            A value that a notebook shows as a page, with ``as_dict()``, ``html()`` and ``text()``.

        Raises:
            HeadraceError: HR-EXPLORE-001 to 006.
        """
        from headrace.explore import explore

        return explore(self._loaded(folder), name, by=by, of=of)

    def status(self, folder: Path | str | None = None) -> Status:
        """Return what there is: tables, training sets, models, past runs."""
        from headrace.run import status

        return status(self._loaded(folder))

    def _loaded(self, folder: Path | str | None) -> LoadedProject:
        from headrace.run import LoadedProject, find_folder, read_settings

        at = find_folder(Path.cwd() if folder is None else Path(folder))
        return LoadedProject(at, read_settings(at), self)
