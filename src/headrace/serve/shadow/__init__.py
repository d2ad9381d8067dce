"""Shadows: a second model scores what was answered, after the answer and in a process of its own; what it would say."""

from headrace.serve.shadow.following import Follower, follow
from headrace.serve.shadow.keeping import Shadows
from headrace.serve.shadow.report import Saw, Shadowed, saw, shadowed
from headrace.serve.shadow.spans import shadow_of

__all__ = ["Follower", "Saw", "Shadowed", "Shadows", "follow", "saw", "shadow_of", "shadowed"]
