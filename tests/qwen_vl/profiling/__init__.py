"""Tests of `python -m qwen_vl profile`."""
