"""Models of the library transformers: `--model hf:FOLDER_OR_ID`, and LoRA adapters of peft on top.

Weights come from safetensors files and code from the installed library alone: a checkpoint that needs code of
its own is refused, and so is one whose weights do not fit its configuration. Answers are greedy; what a
checkpoint's generation_config.json says of sampling and repetition is not followed, so that numbers of two
models mean the same.

A batch holds prompts of like length, padded on the left. Ranked choices are forced token by token through the
model's own generation, so that whatever a family does with positions and pictures is done for them too.

Shapes: B rows of a batch, T tokens.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from threading import Event
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

from eval_mm.models import Settings
from eval_mm.models.endings import cut
from eval_mm.models.hf_checkpoint import GRID, HFCheckpoint, describe, load
from eval_mm.models.hf_prompts import Prompted, batch, can_stand_together, prompted
from eval_mm.models.hf_steering import Forced, Stopped
from eval_mm.schema import ModelInfo, Prediction, Request
from qwen_vl.errors import ImageError
from qwen_vl.image import load_image

log = logging.getLogger(__name__)

WINDOW = 64
"""Requests prepared at once; the next ones are prepared while these are answered."""
MAX_ROWS = 64
"""Most rows of a batch, however short."""
BATCH_TOKENS = {"cuda": 32_768, "cpu": 4_096}
"""Tokens of a batch, answers and padding counted, where the user names no other number."""


class HFBackend:
    """A processor and a model of transformers, asked in batches."""

    def __init__(self, checkpoint: HFCheckpoint, info: ModelInfo, batch_tokens: int | None):
        self.info = info
        self._model, self._processor = checkpoint.model, checkpoint.processor
        self._eos, self._pad = checkpoint.eos_ids, checkpoint.pad_id
        self._device = checkpoint.device
        self._batch_tokens = batch_tokens or BATCH_TOKENS["cpu" if self._device.type == "cpu" else "cuda"]

    @classmethod
    def describe(cls, spec: str, value: str, settings: Settings, fetch: bool = True) -> ModelInfo:
        """The folder or hub id `value`; UserError where it cannot be had."""
        return describe(value, settings, fetch)

    @classmethod
    def load(cls, spec: str, value: str, settings: Settings) -> "HFBackend":
        """The model as `describe` knows it, ready to be asked."""
        info = describe(value, settings)
        return cls(load(value, settings), info, settings.batch_tokens)

    def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
        """Answers a window of requests at a time, prompts of like length together."""
        stream, ended = iter(requests), Event()
        with ThreadPoolExecutor(max_workers=1) as worker:  # a tokenizer is not safe in two threads
            try:
                coming = worker.submit(self._prepare, list(islice(stream, WINDOW)), ended)
                while prepared := coming.result():
                    coming = worker.submit(self._prepare, list(islice(stream, WINDOW)), ended)
                    waiting = [one for one in prepared if isinstance(one, Prompted)]
                    yield from (one for one in prepared if isinstance(one, Prediction))
                    for group in self._batches(waiting):
                        yield from self._answer(group)
            finally:
                ended.set()

    def _prepare(self, requests: Sequence[Request], ended: Event) -> list[Prompted | Prediction]:
        return [self._prompted(request) for request in requests if not ended.is_set()]

    def _prompted(self, request: Request) -> Prompted | Prediction:
        try:
            return prompted(request, self._processor, load_image)
        except Exception as error:  # the one boundary per sample: recorded, counted, the run goes on
            return _failed(request, error)

    def _batches(self, prompts: Sequence[Prompted]) -> Iterator[list[Prompted]]:
        """Prompts by length, cut where limits differ or the budget of tokens ends."""
        group: list[Prompted] = []
        for one in sorted(prompts, key=lambda one: (_limits(one.request), one.num_tokens)):
            rows = sum(_num_rows(other) for other in [*group, one])
            cost = rows * (one.num_tokens + one.request.max_new_tokens)
            if group and (
                rows > MAX_ROWS or cost > self._batch_tokens or not can_stand_together(group[0], one)
            ):
                yield group
                group = []
            group.append(one)
        if group:
            yield group

    def _answer(self, prompts: Sequence[Prompted]) -> Iterator[Prediction]:
        """Answers a batch; one that fails, such as for want of memory, is halved, down to single requests."""
        predictions = None
        try:
            predictions = (self._ranked if prompts[0].request.choices else self._written)(prompts)
        except Exception as error:  # the one boundary per call of the model
            if len(prompts) == 1:
                predictions = [_failed(prompts[0].request, error)]
        if predictions is not None:
            yield from predictions
            return
        half = len(prompts) // 2  # not within `except`: an error holds on to what was computed
        log.warning("a batch of %d could not be answered at once, halved", len(prompts))
        yield from self._answer(prompts[:half])
        yield from self._answer(prompts[half:])

    def _written(self, prompts: Sequence[Prompted]) -> list[Prediction]:
        """Greedy answers."""
        limits = prompts[0].request
        start = max(one.num_tokens for one in prompts)
        stopped = Stopped(self._text, limits.stop, start) if limits.stop else None
        ids_BT = self._generate(prompts, limits.min_new_tokens, limits.max_new_tokens, stopped).sequences
        return [
            self._prediction(one, row.tolist()) for one, row in zip(prompts, ids_BT[:, start:], strict=True)
        ]

    def _ranked(self, prompts: Sequence[Prompted]) -> list[Prediction]:
        """The mean log-probability per token of every choice, each a row of its own."""
        encode = self._processor.tokenizer
        choices = [
            [encode(choice, add_special_tokens=False)["input_ids"] for choice in one.request.choices]
            for one in prompts
        ]
        assert all(ids for of_one in choices for ids in of_one), "a choice without tokens has no probability"
        rows = [(one, ids) for one, of_one in zip(prompts, choices, strict=True) for ids in of_one]
        means: list[float] = []
        step = max(1, min(MAX_ROWS, self._batch_tokens // max(one.num_tokens for one in prompts)))
        for begin in range(0, len(rows), step):
            part = rows[begin : begin + step]
            longest = max(len(ids) for _, ids in part)
            start = max(one.num_tokens for one, _ in part)
            forced = Forced([ids for _, ids in part], start, self._eos[0] if self._eos else self._pad)
            made = self._generate([one for one, _ in part], 0, longest, forced)
            logprobs = [logits.double().log_softmax(dim=-1) for logits in made.logits]  # (B, vocabulary)
            for row, (_, ids) in enumerate(part):
                chosen = [float(logprobs[place][row, token]) for place, token in enumerate(ids)]
                means.append(sum(chosen) / len(chosen))
        found = iter(means)
        return [
            Prediction(
                one.request.id,
                choice_logprobs=tuple(islice(found, len(of_one))),
                prompt_tokens=one.num_tokens,
            )
            for one, of_one in zip(prompts, choices, strict=True)
        ]

    @torch.inference_mode()
    def _generate(
        self, prompts: Sequence[Prompted], min_new: int, max_new: int, steered: Forced | Stopped | None = None
    ) -> Any:
        device, dtype = self._device, self._model.dtype
        inputs = {
            name: value.to(device, dtype) if value.is_floating_point() else value.to(device)
            for name, value in batch(prompts, self._pad).items()
        }
        forced = isinstance(steered, Forced)
        made = self._model.generate(
            **inputs,
            generation_config=GenerationConfig(
                do_sample=False,
                num_beams=1,
                min_new_tokens=min_new or None,
                max_new_tokens=max_new,
                eos_token_id=self._eos or None,
                pad_token_id=self._pad,
                return_dict_in_generate=True,
                output_logits=forced,
            ),
            logits_processor=LogitsProcessorList([steered] if forced else []),
            stopping_criteria=StoppingCriteriaList([steered] if isinstance(steered, Stopped) else []),
        )
        ids_BT = inputs["input_ids"]
        if not made.sequences[:, : ids_BT.shape[1]].equal(ids_BT):
            raise RuntimeError(f"{type(self._model).__name__} gives something else than prompt and answer")
        return made

    def _prediction(self, one: Prompted, ids: list[int]) -> Prediction:
        end = next((place for place, token in enumerate(ids) if token in self._eos), None)
        ids = ids[:end]
        whole = self._text(ids)
        text = cut(whole, one.request.stop)
        while text != whole and ids[-1] == self._pad:
            ids.pop()  # written while others of the batch went on
        ended = end is not None or text != whole
        return Prediction(
            one.request.id,
            text,
            stop_reason="stop" if ended else "length",
            prompt_tokens=one.num_tokens,
            new_tokens=len(ids),
            image_size=self._seen(one),
        )

    def _text(self, ids: Sequence[int]) -> str:
        decode = self._processor.tokenizer.decode
        text: str = decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def _seen(self, one: Prompted) -> tuple[int, int] | None:
        """Width and height of a single picture as the model saw it, where its processor resizes freely.

        Whatever the unit of boxes is now: the answer may be scored again in another.
        """
        grid = one.pictures.get(GRID)
        if grid is None or len(grid) != 1:
            return None
        side = self._processor.image_processor.patch_size
        _, rows, columns = grid[0].tolist()
        return columns * side, rows * side


def _limits(request: Request) -> tuple[Any, ...]:
    return bool(request.choices), request.min_new_tokens, request.max_new_tokens, request.stop


def _num_rows(one: Prompted) -> int:
    return max(1, len(one.request.choices))


def _failed(request: Request, error: Exception) -> Prediction:
    """What went wrong, as the journal records it; what a picture's file is like needs no type."""
    known = isinstance(error, ImageError)
    return Prediction(request.id, error=str(error) if known else f"{type(error).__name__}: {error}")
