"""The judge's tests."""
