"""Drawing the next token by lot, for chat alone: what is measured is greedy (generate.py).

Temperature, then the top_k likeliest, then the likeliest that together hold top_p: order and masks of the
library the published chat runs on (https://github.com/huggingface/transformers, logits warpers). Deviations:
computed in float64 whatever the compute dtype; drawn on the CPU from a generator of its own, so the same seed
gives the same text beside any other work, and nothing else is disturbed.

Shapes: V vocab_size.
"""

import json
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from qwen_vl.chat import MAX_WINDOW
from qwen_vl.errors import CheckpointError
from qwen_vl.generate import DenseCache, image_features
from qwen_vl.model import QwenVL
from qwen_vl.prompt import TokenPrompt

MAX_NEW_TOKENS = 512
"""The published length limit of an answer."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen: at temperature 0 always the likeliest; top_p 1 and top_k 0 leave all in."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ValueError(f"temperature is a number of at least 0, not {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is above 0 and at most 1, not {self.top_p}")
        if self.top_k < 0:
            raise ValueError(f"top_k is at least 0, not {self.top_k}")

    def changed(self, temperature: float | None, top_p: float | None, top_k: int | None) -> "Sampling":
        """With what is not None. To name top_p or top_k is to draw: at temperature 1 where it would be 0."""
        if temperature is None:
            drawn = self.temperature == 0 and (top_p is not None or top_k is not None)
            temperature = 1.0 if drawn else self.temperature
        top_p, top_k = self.top_p if top_p is None else top_p, self.top_k if top_k is None else top_k
        return replace(self, temperature=temperature, top_p=top_p, top_k=top_k)


@dataclass(frozen=True, slots=True)
class ChatDefaults:
    """What a checkpoint's generation_config.json says about a chat."""

    sampling: Sampling = Sampling()
    max_new_tokens: int = MAX_NEW_TOKENS
    max_window: int = MAX_WINDOW


def read_defaults(path: Path) -> ChatDefaults:
    """The defaults of a generation_config.json; greedy where it is missing or does not say `do_sample`.

    Read are do_sample, temperature (1), top_p (1), top_k (0), max_new_tokens (512), max_window_size (6144).
    CheckpointError names a field that is no fitting number.
    """
    if not path.is_file():
        return ChatDefaults()
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: must hold an object")

    def number(name: str, default: float) -> float:
        value = values.get(name)
        if value is None:
            return default
        whole = isinstance(default, int)
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or value < 0:
            kind = "a whole number" if whole else "a number"
            raise CheckpointError(f"{path}: field {name} is {value!r:.40}; must be {kind} of at least 0")
        return value

    try:
        drawn = Sampling(number("temperature", 1.0), number("top_p", 1.0), int(number("top_k", 0)))
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return ChatDefaults(
        drawn if values.get("do_sample") is True else Sampling(),
        int(number("max_new_tokens", MAX_NEW_TOKENS)),
        int(number("max_window_size", MAX_WINDOW)),
    )


def probabilities(logits_V: Tensor, sampling: Sampling) -> Tensor:
    """Probabilities (V,), float64 on the CPU, that a token is drawn with; temperature must be above 0.

    Of equal logits at the edge of top_k all stay; at the edge of top_p those with the lowest ids.
    """
    assert sampling.temperature > 0, sampling
    logits_V = logits_V.detach().cpu().double()
    scaled_V = (logits_V - logits_V.max()) / sampling.temperature
    if 0 < sampling.top_k < len(scaled_V):
        least = scaled_V.topk(sampling.top_k).values[-1]
        scaled_V = scaled_V.masked_fill(scaled_V < least, -torch.inf)
    probabilities_V = scaled_V.softmax(dim=-1)
    if sampling.top_p < 1:
        ordered_V, ids_V = probabilities_V.sort(descending=True, stable=True)
        # A token stays while those above it hold less than top_p, so the first always does.
        outside_V = ordered_V.cumsum(dim=-1) - ordered_V >= sampling.top_p
        probabilities_V[ids_V[outside_V]] = 0.0
    return probabilities_V / probabilities_V.sum()


def choose(logits_V: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """The next token."""
    if sampling.temperature == 0:
        return int(logits_V.argmax())
    return int(torch.multinomial(probabilities(logits_V, sampling), 1, generator=generator))


def stream(
    model: QwenVL,
    prompt: TokenPrompt,
    *,
    max_new_tokens: int,
    stop_ids: Collection[int],
    sampling: Sampling,
    seed: int,
) -> Iterator[int]:
    """The answer's ids one by one, without the stop id. Greedy ones equal generate.generate's."""
    generator = torch.Generator().manual_seed(seed)
    cache = DenseCache(model)
    with torch.inference_mode():
        features_NQC = image_features(model, prompt.images)
    row, features = list(prompt.ids), features_NQC
    for step in range(max_new_tokens):
        # Entered step by step: a mode that is on across a yield would be the caller's, too.
        with torch.inference_mode():
            ids_1T = torch.tensor([row], device=model.device)
            hidden_1TC = cache.advance(ids_1T, features) if step == 0 else cache.advance(ids_1T)
            logits_V = model.lm_head(hidden_1TC[0, -1])
            if not bool(logits_V.isfinite().all()):
                raise FloatingPointError(
                    "the model's output is not finite: broken weights, or a dtype too small"
                )
            token = choose(logits_V, sampling, generator)
        if token in stop_ids:
            return
        yield token
        row = [token]
