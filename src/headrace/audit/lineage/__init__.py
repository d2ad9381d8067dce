"""Lineage as people and programs see it: a tree of text, a picture, events of OpenLineage."""

from headrace.audit.lineage.openlineage import events
from headrace.audit.lineage.picture import picture
from headrace.audit.lineage.traced import Traced, trace
from headrace.audit.lineage.tree import tree

__all__ = ["Traced", "events", "picture", "trace", "tree"]
