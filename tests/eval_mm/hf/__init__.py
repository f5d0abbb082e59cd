"""Tests of models of transformers."""
