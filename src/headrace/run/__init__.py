"""Plan and apply: loads a project, brings it up to date, redoes only what changed, and says why."""

from headrace.run.applying import Applied, apply, proposed
from headrace.run.attaching import attach
from headrace.run.champions import registry
from headrace.run.changes import Change, Changes, plan_changes
from headrace.run.checks import check, require_sound
from headrace.run.journal import Journal
from headrace.run.pipeline import RunFailed, RunReport, run
from headrace.run.progress import SILENT, Progress, Silent, StepReport
from headrace.run.project import LoadedProject, load_project
from headrace.run.promotion import Promoted, promote
from headrace.run.restoring import restore
from headrace.run.settings import Settings, find_folder, read_settings
from headrace.run.status import Status, status
from headrace.run.training import Trained, Trainings, train
from headrace.run.upkeep import compact, vacuum

__all__ = [
    "SILENT",
    "Applied",
    "Change",
    "Changes",
    "Journal",
    "LoadedProject",
    "Progress",
    "Promoted",
    "RunFailed",
    "RunReport",
    "Settings",
    "Silent",
    "Status",
    "StepReport",
    "Trained",
    "Trainings",
    "apply",
    "attach",
    "check",
    "compact",
    "find_folder",
    "load_project",
    "plan_changes",
    "promote",
    "proposed",
    "read_settings",
    "registry",
    "require_sound",
    "restore",
    "run",
    "status",
    "train",
    "vacuum",
]
