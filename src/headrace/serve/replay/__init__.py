"""Replay: past requests through another version of a model, which decisions flip, where, and how good both were."""

from headrace.serve.replay.replayed import Replayed, replay, service_named

__all__ = ["Replayed", "replay", "service_named"]
