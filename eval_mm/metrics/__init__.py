"""Metrics: pure functions on strings, numbers and lists."""
