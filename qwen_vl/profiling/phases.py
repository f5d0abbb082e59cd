"""Where the time of an engine goes, seen from outside: by hooks on the parts of the model.

For engines that do one thing after another; engine.py keeps its own account. The clock runs on in the last
phase entered:

    read a picture | vision tower | the first block, many rows | the first block, one row each
    "waiting"      | "vision"     | "prefill"                  | "decode"

A picture is read when it is needed, so reading is waiting. Choosing tokens counts as what follows the pass
before it. The output layer is part of both prefill and decode, and is also timed by itself.
"""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from qwen_vl.model import QwenVL
from qwen_vl.pictures import Load

PHASES = ("read", "vision", "prefill", "decode", "waiting")
LOGITS = "logits"


class Clock:
    """Seconds by phase. Use as a context: the hooks end with it."""

    def __init__(self, model: QwenVL) -> None:
        self.seconds = dict.fromkeys((*PHASES, LOGITS), 0.0)
        self._model, self._phase = model, "prefill"
        self._since = self._logits_since = 0.0
        self._hooks: list[Any] = []

    def __enter__(self) -> "Clock":
        transformer, head = self._model.transformer, self._model.lm_head
        self._hooks = [
            transformer.visual.register_forward_pre_hook(lambda *_: self._enter("vision")),
            transformer.visual.register_forward_hook(lambda *_: self._enter("prefill")),
            transformer.h[0].register_forward_pre_hook(self._begin_pass),
            head.register_forward_pre_hook(self._begin_logits),
            head.register_forward_hook(self._end_logits),
        ]
        self._since = self._now()
        return self

    def __exit__(self, *_: object) -> None:
        self._enter(self._phase)
        for hook in self._hooks:
            hook.remove()

    def timed(self, load: Load) -> Callable[[Any], Tensor]:
        """The same `load`, its time taken."""

        def read(key: Any) -> Tensor:
            self._enter("waiting")
            before = self._since
            pixels = load(key)
            self._enter("prefill")
            self.seconds["read"] += self._since - before
            return pixels

        return read

    def _now(self) -> float:
        if self._model.device.type == "cuda":
            torch.cuda.synchronize(self._model.device)
        return time.perf_counter()

    def _enter(self, phase: str) -> None:
        now = self._now()
        self.seconds[self._phase] += now - self._since
        self._phase, self._since = phase, now

    def _begin_pass(self, _: object, inputs: tuple[Tensor, ...]) -> None:
        """The rows of a pass are (B, T, C), one for each answer if they are being decoded."""
        phase = "decode" if inputs[0].shape[-2] == 1 else "prefill"
        if phase != self._phase:
            self._enter(phase)

    def _begin_logits(self, *_: object) -> None:
        self._logits_since = self._now()

    def _end_logits(self, *_: object) -> None:
        self.seconds[LOGITS] += self._now() - self._logits_since
