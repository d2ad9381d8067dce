"""Services and the charter: where a model acts, and the five answers that its project owes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from headrace.declare.base import Declared, here_within, name_faults, type_fault
from headrace.declare.durations import duration_faults
from headrace.declare.model import Model
from headrace.declare.sheet import Sheet
from headrace.declare.situations import situation_faults
from headrace.errors import Fault, nearest

RECORDS = ("durable", "best_effort")


@dataclass(frozen=True, repr=False)
class Service(Declared):
    """Answers decisions: a model's score and rules over score, row and features.

    Args:
        name: of the service, and in the path of its URL.
        model: whose champion scores.
        decide: decision to SQL condition over ``score``, the fields of the row and the features; the first that is
            true is the decision.
        otherwise: decision where none is true.
        record: ``"durable"``: no answer leaves before its record is on the disk, and where there is no room it is
            refused; ``"best_effort"``: it leaves at once, and a record that cannot be written is lost and told.
        stale_after: how long a stream that windows read may be without news, e.g. ``"15m"``; empty for ever.
        when: what is done in a situation: ``"answer"`` as well as can be, ``"refuse"``, or a decision, such as
            ``{"cold_key": "review", "stale": "refuse"}``. Situations are ``"cold_key"``, ``"missing_table"``,
            ``"stale"``, ``"future"`` (the row's time is more than an hour ahead), in which it answers if nothing else
            is said, and ``"rebuilding"``, in which it refuses. The answer and its record name them.
        shadow: another model over the same training set, whose champion is scored after each answer, beside it; what it
            would have decided is kept apart, see ``headrace shadow``.

    Example:
        ``hr.Service("fraud_desk", score, decide={"block": "score > 0.95", "review": "score > 0.7"})``
    """

    name: str
    model: Model
    decide: Mapping[str, str] = field(default_factory=dict)
    otherwise: str = "allow"
    record: str = "durable"
    stale_after: str = ""
    when: Mapping[str, str] = field(default_factory=dict)
    shadow: Model | None = None
    lines: Mapping[str, str] = field(default_factory=dict, init=False, compare=False)

    def _look(self) -> list[Fault]:
        self._set("lines", here_within())
        faults = name_faults(self.name, self.place, "service")
        if not isinstance(self.model, Model):
            faults.append(type_fault(self.place, f"model of {self.name}", self.model, "a Model"))
        elif self.model.task.name in ("multiclass", "quantiles"):
            found = f"service {self.name} of {self.model.name}, whose rows have several scores ({self.model.task!r})"
            cure = "decide by a model of one score, such as task=hr.binary() of the class that matters"
            faults.append(Fault("HR-SERVICE-002", self.place, found, "a model with one score", cure))
        if not isinstance(self.decide, Mapping):
            faults.append(
                type_fault(self.place, f"decide of {self.name}", self.decide, "a mapping of decision to rule")
            )
            self._set("decide", {})
        for decision, rule in self.decide.items():
            place = self.lines.get(decision, self.place)
            faults += name_faults(decision, place, f"decision of {self.name}")
            if not isinstance(rule, str):
                faults.append(type_fault(place, f"rule for {decision}", rule, "an SQL condition as text"))
        if not isinstance(self.otherwise, str):
            expected = "a decision as text, such as 'allow'"
            faults.append(type_fault(self.place, f"otherwise of {self.name}", self.otherwise, expected))
        elif self.otherwise in self.decide:
            found = f"service {self.name} decides {self.otherwise!r} by a rule and otherwise"
            cure = f"write otherwise='no_{self.otherwise}', or name the rule another way"
            faults.append(Fault("HR-SERVICE-001", self.place, found, "another name for otherwise=", cure))
        if not isinstance(self.when, Mapping):
            faults.append(type_fault(self.place, f"when of {self.name}", self.when, "a mapping of situation to word"))
            self._set("when", {})
        faults += situation_faults(self.when, (*self.decide, str(self.otherwise)), self.place, self.name)
        if not isinstance(self.stale_after, str):
            expected = "a duration as text, such as '15m'"
            faults.append(type_fault(self.place, f"stale_after of {self.name}", self.stale_after, expected))
        elif self.stale_after:
            faults += duration_faults(self.stale_after, self.place, f"stale_after of {self.name}")
        elif "stale" in self.when:
            found, cure = f"when={{'stale': …}} of service {self.name}", "write stale_after='15m' or so"
            faults.append(Fault("HR-SERVICE-004", self.place, found, "stale_after= beside it", cure))
        if self.record not in RECORDS:
            found, cure = f"record={self.record!r} of service {self.name}", nearest(str(self.record), RECORDS)
            faults.append(Fault("HR-SERVICE-003", self.place, found, " or ".join(map(repr, RECORDS)), cure))
        if self.shadow is not None:
            faults += self._shadow_faults(self.shadow)
        return faults

    def _shadow_faults(self, shadow: Model) -> list[Fault]:
        if not isinstance(shadow, Model):
            self._set("shadow", None)
            return [type_fault(self.place, f"shadow of {self.name}", shadow, "a Model")]
        if not isinstance(self.model, Model):
            return []
        if shadow.name == self.model.name:
            found = f"service {self.name}, whose shadow is its own model {shadow.name}"
            cure = f"leave it out; another version of it is set by headrace models shadow {shadow.name} VERSION"
            return [Fault("HR-SERVICE-005", self.place, found, "another model", cure)]
        if shadow.cases != self.model.cases:
            found = f"service {self.name}, whose shadow {shadow.name} has another training set than {self.model.name}"
            cure = f"hand both models {getattr(self.model.cases, 'name', 'one set')}"
            return [Fault("HR-SERVICE-005", self.place, found, "a model over the same training set", cure)]
        if shadow.task.name in ("multiclass", "quantiles"):
            found = f"service {self.name}, whose shadow {shadow.name} gives a row several scores ({shadow.task!r})"
            cure = "compare with a model of one score, such as task=hr.binary()"
            return [Fault("HR-SERVICE-005", self.place, found, "a model with one score", cure)]
        return []

    def _sheet(self) -> Sheet:
        rows = (*self.decide.items(), (self.otherwise, "otherwise"))
        return Sheet(f"Service {self.name}", f"decides by {self.model.name}", ("decision", "rule"), rows)

    def __hash__(self) -> int:
        return hash(("service", self.name))


@dataclass(frozen=True, kw_only=True)
class Charter(Declared):
    """The five answers that every project owes before it is relied on, and who gives them.

    Args:
        problem: what the business problem is.
        metric: label of the model metric that stands for it, e.g. ``"card_precision_100"``.
        data: which data, infrastructure and pipelines exist.
        quality: how data quality is measured, and what is good enough.
        deployment: how it is deployed.
        success: what counts as success.
        owner: who answers for it.
        currency: of all costs that no column of the set gives another unit, e.g. ``"EUR"``.
    """

    problem: str
    metric: str
    data: str
    quality: str
    deployment: str
    success: str
    owner: str = ""
    currency: str = ""

    def _look(self) -> list[Fault]:
        return [
            Fault("HR-CHARTER-001", self.place, f"the charter leaves {one.name!r} open", "one sentence", cure)
            for one in fields(self)
            if one.init and one.name not in ("owner", "currency") and not str(getattr(self, one.name)).strip()
            for cure in [f"write {one.name}='…': {_ASKED[one.name]}"]
        ]


_ASKED = {
    "problem": "what the business problem is",
    "metric": "the label of the model metric that stands for it, such as 'average_precision'",
    "data": "which data, infrastructure and pipelines exist",
    "quality": "how data quality is measured, and what is good enough",
    "deployment": "how it is deployed",
    "success": "what counts as success",
}
"""What each answer of a charter is about."""
