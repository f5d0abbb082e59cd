"""Measures vision-language models on the published benchmarks, and gives numbers one can trust."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eval_mm.errors import DataError, UserError
    from eval_mm.rescore import score
    from eval_mm.run import evaluate
    from eval_mm.schema import Result

__all__ = ["DataError", "Result", "UserError", "evaluate", "score"]

_HOMES = {
    "DataError": "errors",
    "UserError": "errors",
    "Result": "schema",
    "evaluate": "run",
    "score": "rescore",
}


def __getattr__(name: str) -> Any:
    """The public names, imported when they are used: `python -m eval_mm --help` needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'eval_mm' has no attribute '{name}'")
    return getattr(import_module(f"eval_mm.{_HOMES[name]}"), name)
