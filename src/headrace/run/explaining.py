"""``explain``: what the score of one row is made of, of a training set or of a request as a service takes it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace import clock
from headrace.declare import Model
from headrace.declare.sheet import Sheet
from headrace.errors import Fault, HeadraceError, nearest
from headrace.run.champions import registry
from headrace.run.project import LoadedProject

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.learn import Version
    from headrace.learn.explain import Contributions
    from headrace.learn.trainingset import BuiltSet

_UNSEEN = 2**62
"""A sequence after all others: the row sees all that the lake has."""


@dataclass(frozen=True)
class Explained:
    """What one score is made of.

    Args:
        model: its name.
        version: number of the version that was asked.
        what: which row it is.
        features: of the row, as they leave, by name.
        contributions: of the row alone.
    """

    model: str
    version: int
    what: str
    features: Mapping[str, Any]
    contributions: Contributions

    def rows(self, output: int = 0) -> list[tuple[str, Any, float, float | None]]:
        """Return feature, value, contribution and its standard error where it is sampled; what moves most is first."""
        made = self.contributions
        values, error = made.values[0], None if made.error is None else made.error[0]
        if values.ndim == 2:
            values, error = values[:, output], None if error is None else error[:, output]
        return [
            (
                made.names[at],
                self.features[made.names[at]],
                float(values[at]),
                None if error is None else float(error[at]),
            )
            for at in made.order(0, output)
        ]

    def places(self, output: int = 0) -> int:
        """Return how many decimals show what moves the score most with four digits."""
        largest = max((abs(moved) for _, _, moved, _ in self.rows(output)), default=0.0)
        return 4 if largest >= 0.1 or largest == 0 else min(12, 4 + math.ceil(-math.log10(largest)))

    def sums(self) -> list[tuple[str, float, float, float]]:
        """Return of each output its name, the base, base and contributions together, and the score."""
        made = self.contributions
        several = made.base.ndim == 2
        each = (made.base[0], made.total[0], made.scores[0])
        columns = [one.tolist() if several else [float(one)] for one in each]
        return list(zip(made.outputs, *columns, strict=True))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        made = self.contributions
        outputs = []
        for at, (name, base, total, score) in enumerate(self.sums()):
            rows = [
                {"feature": one, "value": value, "contribution": moved} | ({} if error is None else {"error": error})
                for one, value, moved, error in self.rows(at)
            ]
            outputs.append({"output": name, "score": score, "base": base, "sum": total, "contributions": rows})
        said = {"model": self.model, "version": self.version, "row": self.what, "kind": made.kind, "space": made.space}
        said |= {"how": made.how, "means": made.means, "note": made.note, "evaluations": made.evaluations}
        return {"ok": True, **said, "outputs": outputs}

    def _sheet(self, output: int) -> Sheet:
        name, base, total, score = self.sums()[output]
        to = self.places(output)
        line = f"{name} {score:.6g} of {self.what}; {base:+.{to}f} and what follows make {total:+.{to}f}"
        line += f" ({self.contributions.space})"
        rows = tuple((one, _shown(value), f"{moved:+.{to}f}") for one, value, moved, _ in self.rows(output))
        return Sheet(f"{self.model}, version {self.version}", line, ("feature", "value", "moves it by"), rows)

    def __repr__(self) -> str:
        return "\n".join(self._sheet(at).text() for at in range(len(self.contributions.outputs)))

    def _repr_html_(self) -> str:
        return "".join(self._sheet(at).html() for at in range(len(self.contributions.outputs)))


def _shown(value: Any) -> str:
    return "null" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def explain(
    loaded: LoadedProject,
    model: str,
    *,
    row: str | None = None,
    request: bytes | None = None,
    version: int | None = None,
) -> Explained:
    """Say what the score of one row is made of.

    Args:
        loaded: the project.
        model: its name.
        row: the key of a row of the set that the version learned from; several fields with commas between them.
        request: a row as a service takes it, a JSON object; its features are computed from the lake as it is.
        version: number of the version; by default the champion.

    Raises:
        HeadraceError: HR-RUN-005 for an unknown model; HR-LEARN-014 no such version, 011 an altered file, 049 no
            explanation is kept, 050 no such row, 051 no set to find it in; HR-REQUEST and HR-DATA for a wrong request.
        CheckFailed: HR-LEARN-046 for contributions that do not add up to the score.
    """
    from headrace.learn.explain import load

    declared = loaded.project.all_models
    if model not in declared:
        cure = nearest(model, declared) or "declare one"
        raise HeadraceError(Fault("HR-RUN-005", "", f"no model {model!r}", "a declared one", cure))
    kept, chosen = registry(loaded), _version(loaded, model, version)
    content = kept.file(chosen, "explain.json")
    if content is None:
        found = f"version {chosen.number} of {model}, with which no explanation is kept"
        cure = f"headrace train {model} --again, which makes one"
        raise HeadraceError(Fault("HR-LEARN-049", "", found, "a version with an explain.json", cure))
    scorer = kept.load(chosen)
    explainer = load(content, scorer)
    if request is None:
        what, values = _of_set(loaded, declared[model], chosen, explainer.names, row or "")
    else:
        what, values = "the request", _of_request(loaded, declared[model], explainer.names, request)
    from headrace.serve.values import vector

    found_ = explainer.explain(vector(values, scorer))
    return Explained(model, chosen.number, what, values, found_)


def _version(loaded: LoadedProject, model: str, number: int | None) -> Version:
    kept = registry(loaded)
    if number is not None:
        return kept.version(model, number)
    champion = kept.champion(model)
    if champion is None:
        known = [str(one.number) for one in kept.versions(model)]
        cure = f"name one: {', '.join(known)}" if known else "headrace train, which registers the first"
        fault = Fault("HR-LEARN-014", "", f"no champion of model {model!r}", "a version that serves", cure)
        raise HeadraceError(fault)
    return champion


def _of_set(
    loaded: LoadedProject, model: Model, version: Version, names: tuple[str, ...], key: str
) -> tuple[str, dict[str, Any]]:
    """The features of one row of the set that a version learned from."""
    built = _set_of(loaded, model, version)
    contract = model.cases.spine.contract
    keys = [name for name in contract.key_fields() if name in built.manifest["columns"]]
    if not keys:
        found = f"{model.cases.name}, whose rows have no key"
        cure = f"write hr.key() in {contract.name}, or explain a request: --request FILE"
        raise HeadraceError(Fault("HR-LEARN-050", "", found, "rows that can be told apart", cure))
    parts = [one.strip() for one in key.split(",")] if len(keys) > 1 else [key]
    table = _found(built, keys, parts, names) if len(parts) == len(keys) else None
    if table is None or table.num_rows == 0:
        found = f"no row of {model.cases.name} with this key"
        cure = f"give {', '.join(keys)} as the set has it; a row whose label has not matured is no case: --request FILE"
        raise HeadraceError(Fault("HR-LEARN-050", "", found, f"the {', '.join(keys)} of one row", cure))
    (one, *_) = table.select(list(names)).to_pylist()
    return f"a row of {model.cases.name}", {name: _plain(value) for name, value in one.items()}


def _set_of(loaded: LoadedProject, model: Model, version: Version) -> BuiltSet:
    from headrace.learn.trainingset import open_set

    path = loaded.state_dir / "sets" / model.cases.name / version.record.origin.training_set[:16]
    if not (path / "manifest.json").exists():
        found = f"version {version.number} of {model.name}, whose training set is no longer there"
        cure = "explain a request: --request FILE; or train again"
        raise HeadraceError(Fault("HR-LEARN-051", "", found, "the set that it learned from", cure))
    return open_set(path)


def _found(built: BuiltSet, keys: list[str], parts: list[str], names: tuple[str, ...]) -> pa.Table | None:
    """The rows that have a key, which is text as a user wrote it; None where it cannot be one."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    kinds = pq.read_schema(built.files[0])
    try:
        wanted = [pa.array([part]).cast(kinds.field(name).type)[0] for name, part in zip(keys, parts, strict=True)]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    chosen = pc.field(keys[0]) == wanted[0]
    for name, value in list(zip(keys, wanted, strict=True))[1:]:
        chosen &= pc.field(name) == value
    tables = [pq.read_table(file, columns=[*keys, *names], filters=chosen) for file in built.files]
    return pa.concat_tables(tables)


def _plain(value: Any) -> Any:
    """A feature as it leaves: decimals as float64."""
    return value if value is None or isinstance(value, bool | int | float | str) else float(value)


def _of_request(loaded: LoadedProject, model: Model, names: tuple[str, ...], request: bytes) -> dict[str, Any]:
    """The features that a service would give a row now, from what is in the lake."""
    from headrace.kernel.column import held
    from headrace.plan import compile_set
    from headrace.serve.fields import RowReader
    from headrace.serve.history import recomputed
    from headrace.serve.values import leaving

    plan, lake = compile_set(model.cases), loaded.lake()
    row = RowReader(model.cases.spine.contract).read(request)
    known = max(clock.now_us(), row[model.cases.spine.event_time])
    seen = {
        source: _UNSEEN if "_seq" in lake.schema(source).names else lake.version(source)
        for source in plan.sources
        if lake.exists(source)
    }
    made = recomputed(plan, [row], [seen], [known], lake)
    return {name: leaving(held(made[name], 0), made[name].type) for name in names}
