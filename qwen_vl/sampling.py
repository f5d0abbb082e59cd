"""Drawing the next token by lot, for chat alone: what is measured is greedy (generate.py).

Temperature, then the top_k likeliest, then the likeliest that together hold top_p: order and masks of the
library the published chat runs on (https://github.com/huggingface/transformers, logits warpers). Deviations:
computed in float64 whatever the compute dtype; drawn on the CPU from a generator of its own, so the same seed
gives the same text beside any other work, and nothing else is disturbed.

Shapes: V vocab_size.
"""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from numbers import Integral, Real
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
MAX_SEED = 2**63 - 1
"""The largest seed that a torch generator and the command line take."""


def check_whole(name: str, value: object, least: int, most: int | None = None) -> None:
    """ValueError unless the setting of this name is a whole number within bounds; a bool is none."""
    fits = isinstance(value, Integral) and not isinstance(value, bool)
    if not fits or int(value) < least or (most is not None and int(value) > most):  # type: ignore[call-overload]
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} is a whole number {bounds}, not {value!r:.40}")


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen: at temperature 0 always the likeliest; top_p 1 and top_k 0 leave all in."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0

    def __post_init__(self) -> None:
        if not _is_number(self.temperature) or not 0 <= self.temperature <= 1e30:
            raise ValueError(f"temperature is a number from 0 to 1e30, not {self.temperature!r:.40}")
        if not _is_number(self.top_p) or not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is a number above 0 and at most 1, not {self.top_p!r:.40}")
        check_whole("top_k", self.top_k, 0)

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

    def number(name: str, default: float, least: int = 0) -> float:
        value = values.get(name)
        if value is None:
            return default
        whole = isinstance(default, int)
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or value < least:
            kind = "a whole number" if whole else "a number"
            raise CheckpointError(
                f"{path}: field {name} is {value!r:.40}; must be {kind} of at least {least}"
            )
        return value

    try:
        drawn = Sampling(number("temperature", 1.0), number("top_p", 1.0), int(number("top_k", 0)))
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return ChatDefaults(
        drawn if values.get("do_sample") is True else Sampling(),
        int(number("max_new_tokens", MAX_NEW_TOKENS, 1)),
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
