"""Benchmarks: each compares results first, then prints how many times faster or slower, in one run."""
