"""Runs that something happens to, as processes of their own; the long ones: tests/slow/test_faults.py."""
