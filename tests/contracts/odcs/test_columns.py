"""What a source calls its columns goes into a document of our own, and comes back as it was declared."""

from __future__ import annotations

from pathlib import Path

import headrace as hr
from headrace.contracts.odcs import exported, imported, read_document, yaml_text


class Visit(hr.Contract):
    """One visit."""

    visit_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()  # type: ignore[valid-type]
    customer_id: int


def _back(folder: Path, columns: dict[str, str]) -> str:
    visits = hr.Stream("visits", Visit, source="in/*.csv", columns=columns)
    (folder / "p.odcs.yaml").write_text(yaml_text(exported(hr.Project("p", sources=[visits]), folder)))
    return imported(read_document(folder / "p.odcs.yaml"), "p.odcs.yaml").python


def test_names_of_columns_come_back(tmp_path: Path) -> None:
    columns = {"customer_id": "Customer ID", "visit_id": 'Visit "No."'}
    names: dict[str, object] = {"__name__": "part"}
    exec(_back(tmp_path, columns), names)
    visits = names["visits"]
    assert isinstance(visits, hr.Stream)
    assert visits.columns == columns
    assert not visits.faults
    assert "columns" not in _back(tmp_path, {})
