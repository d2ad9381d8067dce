"""Engines: run a plan over tables, in memory or partition by partition."""
