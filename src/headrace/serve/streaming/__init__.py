"""Decisions of events: a worker takes them from the log, decides each as of before it, and keeps that there."""

from headrace.serve.streaming.streaming import Streaming

__all__ = ["Streaming"]
