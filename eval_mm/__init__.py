"""Measures vision-language models on the published benchmarks, and gives numbers one can trust."""

from eval_mm.errors import DataError, UserError
from eval_mm.rescore import score
from eval_mm.run import evaluate
from eval_mm.schema import Result

__all__ = ["DataError", "Result", "UserError", "evaluate", "score"]
