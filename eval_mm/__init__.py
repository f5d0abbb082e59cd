"""Measures vision-language models on the published benchmarks, and gives numbers one can trust."""

from eval_mm.errors import DataError, UserError
from eval_mm.run import evaluate
from eval_mm.schema import Result
from eval_mm.score import score

__all__ = ["DataError", "Result", "UserError", "evaluate", "score"]
