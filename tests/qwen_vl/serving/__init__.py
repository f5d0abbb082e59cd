"""Tests of the native model."""
