"""Shadows: a second model scores what was answered, after the answer and in a process of its own; what it would say."""

from headrace.serve.shadow.following import Follower, follow
from headrace.serve.shadow.keeping import Shadows
from headrace.serve.shadow.report import Shadowed, shadowed
from headrace.serve.shadow.spans import shadow_of

__all__ = ["Follower", "Shadowed", "Shadows", "follow", "shadow_of", "shadowed"]
