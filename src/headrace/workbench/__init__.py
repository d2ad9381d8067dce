"""The declared values with their verbs, for notebooks and scripts: ``spending.values(df)``, ``project.run()``."""

from headrace.workbench.features import Features, TrainingSet
from headrace.workbench.project import Model, Project, Service
from headrace.workbench.sources import Stream, Table

__all__ = ["Features", "Model", "Project", "Service", "Stream", "Table", "TrainingSet"]
