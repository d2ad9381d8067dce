"""What became of the rows of a batch scoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headrace.declare.sheet import Sheet
from headrace.errors import Fault
from headrace.serve.scoring.targets import Target

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class ScoredTable:
    """Scores and decisions of a service for the rows of a table: ``received`` is always ``rows`` + refused + left out.

    Args:
        service: its name.
        model, version, digest: which model scored; the digest is SHA-256 of its file.
        declaration, features_declaration: fingerprints of the service, and of all that decides its features.
        source: what was scored: a table with its version, or files.
        to: table or file that holds the scores; empty where they are in memory alone.
        rows: how many were scored.
        decisions: how many rows got each decision, in the order of the rules.
        refused: how many rows break each rule, and are in the quarantine beside the scores.
        quarantined: how many rows are in quarantine; one row may break several rules.
        left_out: rows of which ``where`` was not true.
        seconds: spent on features, on the model and its rules, and in all.
        warnings: about the rows as a whole, such as a column that is ignored.
    """

    service: str
    model: str
    version: int
    digest: str
    declaration: str
    features_declaration: str
    source: str
    to: str
    rows: int
    decisions: Mapping[str, int]
    refused: Mapping[str, int]
    quarantined: int
    left_out: int
    seconds: Mapping[str, float]
    warnings: tuple[Fault, ...] = ()
    target: Target | None = field(default=None, repr=False, compare=False)

    @property
    def received(self) -> int:
        """How many rows were looked at."""
        return self.rows + self.quarantined + self.left_out

    def to_arrow(self) -> pa.Table:
        """Return the scores: identity of each row, score, decision, features, and what scored it."""
        assert self.target is not None
        return self.target.read()

    def to_pandas(self) -> pd.DataFrame:
        """Return the scores as a pandas DataFrame; times are UTC."""
        found: pd.DataFrame = self.to_arrow().to_pandas()
        return found

    def record(self) -> dict[str, Any]:
        """Return what stands with the scores for good: what was scored, by what, and with what result."""
        names = ("service", "model", "version", "digest", "declaration", "features_declaration", "source")
        told = {name: getattr(self, name) for name in names}
        counts = {"rows": self.rows, "quarantined": self.quarantined, "left_out": self.left_out}
        return told | counts | {"decisions": dict(self.decisions), "refused": dict(self.refused)}

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        told = self.record() | {"received": self.received, "to": self.to, "seconds": dict(self.seconds)}
        return told | {"faults": [fault.as_dict() for fault in self.warnings]}

    def __repr__(self) -> str:
        told = ", ".join(f"{name} {count:,}" for name, count in self.decisions.items())
        where = f" in {self.to}" if self.to else ""
        aside = f"; {self.quarantined:,} in quarantine" if self.quarantined else ""
        return f"ScoredTable({self.rows:,} rows by {self.model} {self.version}{where}: {told}{aside})"

    def _repr_html_(self) -> str:
        rows = tuple((name, f"{count:,}") for name, count in self.decisions.items())
        return Sheet(f"Scores of {self.service}", repr(self), ("decision", "rows"), rows).html()
