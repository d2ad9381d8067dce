"""The declared values with their verbs, for notebooks and scripts: ``spending.values(df)``, ``project.run()``."""

from headrace.workbench.features import Features, TrainingSet
from headrace.workbench.project import Project
from headrace.workbench.sources import Stream

__all__ = ["Features", "Project", "Stream", "TrainingSet"]
