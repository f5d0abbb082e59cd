"""What steers the generation of transformers: options that are forced, texts that end an answer.

Shapes: B rows of a batch, T tokens of prompt and answer, V vocabulary.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, StoppingCriteria


class Forced(LogitsProcessor):  # type: ignore[misc]
    """Lets a row write nothing but its given tokens, then the end."""

    def __init__(self, rows: Sequence[Sequence[int]], start: int, end: int):
        self._rows, self._start, self._end = rows, start, end

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores (B, V) with all but one token of every row ruled out."""
        step = input_ids.shape[1] - self._start
        tokens = [row[step] if step < len(row) else self._end for row in self._rows]
        forced_BV = torch.full_like(scores, -torch.inf)
        forced_BV[torch.arange(len(tokens)), tokens] = 0
        return forced_BV


class Stopped(StoppingCriteria):  # type: ignore[misc]
    """Ends a row once a stop text stands in its answer, so that nobody waits for what is cut off."""

    def __init__(self, text: Callable[[list[int]], str], stops: Sequence[str], start: int):
        self._text, self._stops, self._start = text, stops, start

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        """Which rows (B,) of the ids (B, T) are done."""
        texts = [self._text(row) for row in input_ids[:, self._start :].tolist()]
        done = [any(stop in text for stop in self._stops) for text in texts]
        return torch.tensor(done, device=input_ids.device)
