"""Models of the library transformers: `--model hf:FOLDER_OR_ID`, and LoRA adapters of peft on top.

Weights come from safetensors files and code from the installed library alone: a checkpoint that needs code of
its own is refused, and so is one whose weights do not fit its configuration. Answers are greedy; what a
checkpoint's generation_config.json says of sampling and repetition is not followed, so that numbers of two
models mean the same.

A batch holds prompts of like length, padded on the left. Ranked choices are forced token by token through the
model's own generation, so that whatever a family does with positions and pictures is done for them too.

Shapes: B rows of a batch, T tokens, V vocabulary.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from eval_mm.models import Settings
from eval_mm.models.hf_checkpoint import HFCheckpoint, describe, load
from eval_mm.models.hf_prompts import Prompted, batch, can_stand_together, prompted
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
        self._batch_tokens = batch_tokens or BATCH_TOKENS[self._model.device.type]

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
        stream = iter(requests)
        with ThreadPoolExecutor(max_workers=1) as worker:  # a tokenizer is not safe in two threads
            coming = worker.submit(self._prepare, list(islice(stream, WINDOW)))
            while prepared := coming.result():
                coming = worker.submit(self._prepare, list(islice(stream, WINDOW)))
                waiting = [one for one in prepared if isinstance(one, Prompted)]
                yield from (one for one in prepared if isinstance(one, Prediction))
                for group in self._batches(waiting):
                    yield from self._answer(group)

    def _prepare(self, requests: Sequence[Request]) -> list[Prompted | Prediction]:
        return [self._prompted(request) for request in requests]

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
        """Answers a batch; one that memory is too small for is halved, down to the single request."""
        try:
            predictions = (self._ranked if prompts[0].request.choices else self._written)(prompts)
        except torch.OutOfMemoryError as error:
            if len(prompts) == 1:
                yield _failed(prompts[0].request, error)
                return
            predictions = None
        except Exception as error:  # the one boundary per call of the model
            if len(prompts) == 1:
                yield _failed(prompts[0].request, error)
                return
            predictions = None
        if predictions is not None:
            yield from predictions
            return
        half = len(prompts) // 2
        log.warning("a batch of %d could not be answered at once, halved", len(prompts))
        yield from self._answer(prompts[:half])
        yield from self._answer(prompts[half:])

    def _written(self, prompts: Sequence[Prompted]) -> list[Prediction]:
        """Greedy answers."""
        limits = prompts[0].request
        ids_BT = self._generate(prompts, limits.min_new_tokens, limits.max_new_tokens).sequences
        start = max(one.num_tokens for one in prompts)
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
            logprobs = [logits_BV.double().log_softmax(dim=-1) for logits_BV in made.logits]
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
        self, prompts: Sequence[Prompted], min_new: int, max_new: int, forced: "Forced | None" = None
    ) -> Any:
        device, dtype = self._model.device, self._model.dtype
        inputs = {
            name: value.to(device, dtype) if value.is_floating_point() else value.to(device)
            for name, value in batch(prompts, self._pad).items()
        }
        return self._model.generate(
            **inputs,
            generation_config=GenerationConfig(
                do_sample=False,
                num_beams=1,
                min_new_tokens=min_new or None,
                max_new_tokens=max_new,
                eos_token_id=self._eos or None,
                pad_token_id=self._pad,
                return_dict_in_generate=True,
                output_logits=forced is not None,
            ),
            logits_processor=LogitsProcessorList([forced] if forced is not None else []),
        )

    def _prediction(self, one: Prompted, ids: list[int]) -> Prediction:
        end = next((place for place, token in enumerate(ids) if token in self._eos), None)
        ids = ids[:end]
        text = self._processor.tokenizer.decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        for stop in one.request.stop:
            text = text.partition(stop)[0]
        return Prediction(
            one.request.id,
            text,
            stop_reason="length" if end is None else "stop",
            prompt_tokens=one.num_tokens,
            new_tokens=len(ids),
            image_size=self._seen(one),
        )

    def _seen(self, one: Prompted) -> tuple[int, int] | None:
        """Width and height of a single picture as the model saw it, where its processor resizes freely."""
        grid = one.pictures.get("image_grid_thw")
        if self.info.box_scale != "resized" or grid is None or len(grid) != 1:
            return None
        side = self._processor.image_processor.patch_size
        _, rows, columns = grid[0].tolist()
        return columns * side, rows * side


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


def _limits(request: Request) -> tuple[Any, ...]:
    return bool(request.choices), request.min_new_tokens, request.max_new_tokens, request.stop


def _num_rows(one: Prompted) -> int:
    return max(1, len(one.request.choices))


def _failed(request: Request, error: Exception) -> Prediction:
    """What went wrong, as the journal records it; what a picture's file is like needs no type."""
    known = isinstance(error, ImageError)
    return Prediction(request.id, error=str(error) if known else f"{type(error).__name__}: {error}")
