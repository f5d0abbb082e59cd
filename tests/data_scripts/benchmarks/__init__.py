"""Tests of data_scripts/benchmarks and of the forms they read."""
