"""Metrics: pure functions on text, numbers and lists."""

NAMES = ("vqa", "textvqa", "anls", "relaxed", "exact", "gqa", "cider", "box", "choice")
"""What `--metric` calls them (eval_mm/own_data.py says what each takes)."""
