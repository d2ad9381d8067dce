"""Plan and apply: loads a project, brings it up to date, redoes only what changed, and says why."""

from headrace.run.applying import Applied, apply, proposed
from headrace.run.asked import Asked
from headrace.run.attaching import attach
from headrace.run.backfill import Period
from headrace.run.champions import registry
from headrace.run.changes import Change, Changes, plan_changes
from headrace.run.checks import check, require_sound
from headrace.run.explaining import Explained, explain
from headrace.run.journal import Journal
from headrace.run.past import past_run, past_runs
from headrace.run.pipeline import RunFailed, RunReport, run
from headrace.run.progress import SILENT, Progress, Silent, StepReport
from headrace.run.project import LoadedProject, load_project
from headrace.run.promotion import Promoted, promote
from headrace.run.restoring import restore
from headrace.run.retry import Retry
from headrace.run.schedule import Schedule, schedule_of
from headrace.run.scheduler import Beat, Tick, beat_of, scheduled
from headrace.run.settings import Settings, find_folder, read_settings
from headrace.run.status import Status, status
from headrace.run.stopping import Stop, Stopped, on_signals
from headrace.run.training import Trained, TrainFailed, Trainings, train
from headrace.run.upkeep import compact, drop, vacuum

__all__ = [
    "SILENT",
    "Applied",
    "Asked",
    "Beat",
    "Change",
    "Changes",
    "Explained",
    "Journal",
    "LoadedProject",
    "Period",
    "Progress",
    "Promoted",
    "Retry",
    "RunFailed",
    "RunReport",
    "Schedule",
    "Settings",
    "Silent",
    "Status",
    "StepReport",
    "Stop",
    "Stopped",
    "Tick",
    "TrainFailed",
    "Trained",
    "Trainings",
    "apply",
    "attach",
    "beat_of",
    "check",
    "compact",
    "drop",
    "explain",
    "find_folder",
    "load_project",
    "on_signals",
    "past_run",
    "past_runs",
    "plan_changes",
    "promote",
    "proposed",
    "read_settings",
    "registry",
    "require_sound",
    "restore",
    "run",
    "schedule_of",
    "scheduled",
    "status",
    "train",
    "vacuum",
]
