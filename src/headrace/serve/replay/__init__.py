"""Replay: past requests through another version of a model."""
