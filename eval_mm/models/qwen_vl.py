"""Qwen-VL and Qwen-VL-Chat, run natively by the package qwen_vl.

Marks become the model's own special tokens, plain text never does. A chat request needs a checkpoint with a
chat format. Coordinates are 0..999 over each side, as the published grounding script reads them.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import torch

from eval_mm.errors import UserError
from eval_mm.models import NotHereError, Settings
from eval_mm.models.endings import cut
from eval_mm.schema import Image, Mark, ModelInfo, Prediction, Request
from qwen_vl.chat import SYSTEM, chat_turn, stop_ids
from qwen_vl.checkpoint import DEMO_FOLDER, LoadedModel, describe, load
from qwen_vl.engine import Answer, Engine, Query
from qwen_vl.errors import CheckpointError, ImageError
from qwen_vl.errors import NotHereError as NoFilesHereError
from qwen_vl.fingerprint import fingerprint
from qwen_vl.image import load_image, preprocess
from qwen_vl.model import empty_model
from qwen_vl.prompt import LATER, ImagePart, Special, TokenPrompt, build_prompt
from qwen_vl.tokenizer import Tokenizer


class QwenVLBackend:
    """Answers requests as the engine of qwen_vl does: many at once, one picture's together."""

    def __init__(self, loaded: LoadedModel, info: ModelInfo):
        self.info = info
        self._loaded = loaded
        self._engine = Engine(loaded.model)

    @classmethod
    def describe(cls, spec: str, value: str, settings: Settings, fetch: bool = True) -> ModelInfo:
        """The checkpoint `spec` names: "demo", a folder or a hub id; UserError where it cannot be had."""
        try:
            found = describe(_place(spec), settings.device, settings.dtype, fetch)
            checkpoint = fingerprint(found.folder)
        except NoFilesHereError as error:
            raise NotHereError(str(error)) from error
        except CheckpointError as error:
            raise UserError(str(error)) from error
        dtype_name = str(found.dtype).removeprefix("torch.")
        return ModelInfo(
            name="demo" if spec == "demo" else spec if not Path(spec).is_dir() else Path(spec).resolve().name,
            fingerprint=f"{checkpoint}-{dtype_name}",
            protocol="qwen-vl",
            box_scale="999",
            chat=found.chat_format == "chatml",
            compute=f"{found.device}, {dtype_name}",
            demo=found.config.demo,
            parameters=sum(tensor.numel() for tensor in empty_model(found.config).parameters()),
        )

    @classmethod
    def load(cls, spec: str, value: str, settings: Settings) -> "QwenVLBackend":
        """The checkpoint as `describe` knows it, ready to be asked."""
        info = cls.describe(spec, value, settings)
        try:
            return cls(load(_place(spec), settings.device, settings.dtype), info)
        except CheckpointError as error:
            raise UserError(str(error)) from error

    @classmethod
    def prompt_counter(cls, spec: str, value: str, settings: Settings) -> Callable[[Request], int]:
        """Counts as the model would, by the checkpoint's own vocabulary."""
        tokenizer = describe(_place(spec), settings.device, settings.dtype, fetch=False).tokenizer
        return lambda request: len(_prompt(tokenizer, request).ids)

    def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
        """Answers in any order. Pictures are read anew in every call, since they may have changed."""
        asked: dict[int, tuple[Request, int]] = {}  # and tokens of its prompt

        def queries() -> Iterator[Query | Answer]:
            for number, request in enumerate(requests):
                asked[number] = request, 0
                try:
                    query = self._query(number, request)
                except Exception as error:  # the one boundary per sample: recorded, counted, the run goes on
                    yield Answer(number, error=error)
                    continue
                asked[number] = request, len(query.ids)
                yield query

        with closing(self._engine.answer(queries(), self._pixels)) as answers:
            for answer in answers:
                assert isinstance(answer.id, int), answer.id
                request, prompt_tokens = asked.pop(answer.id)
                try:
                    prediction = self._prediction(request, prompt_tokens, answer)
                except Exception as error:  # the same boundary, on the way back
                    prediction = _failed(request, error)
                yield prediction

    def _query(self, number: int, request: Request) -> Query:
        assert self.info.chat or not request.chat, f"{self.info.name} has no chat format"
        tokenizer = self._loaded.tokenizer
        return Query(
            number,
            _prompt(tokenizer, request).ids,
            tuple(part.path for part in request.prompt if isinstance(part, Image)),
            tuple(tuple(tokenizer.encode_text(choice)) for choice in request.choices),
            request.min_new_tokens,
            request.max_new_tokens,
            stop_ids(tokenizer, request.chat),
        )

    def _pixels(self, path: str) -> torch.Tensor:
        return preprocess(load_image(path), self._loaded.config.visual.image_size)

    def _prediction(self, request: Request, prompt_tokens: int, answer: Answer) -> Prediction:
        if answer.error is not None:
            return _failed(request, answer.error)
        if answer.logprobs is not None:
            return Prediction(request.id, choice_logprobs=answer.logprobs, prompt_tokens=prompt_tokens)
        whole = self._loaded.tokenizer.decode_answer(answer.ids)
        text = cut(whole, request.stop)
        return Prediction(
            request.id,
            text,
            stop_reason=answer.stop_reason if text == whole else "stop",
            prompt_tokens=prompt_tokens,
            new_tokens=len(answer.ids),
        )


def _prompt(tokenizer: Tokenizer, request: Request) -> TokenPrompt:
    """The token ids of a request, pictures as the places they will take."""
    parts: list[str | Special | ImagePart] = []
    for part in request.prompt:
        if isinstance(part, Image):
            parts.append(LATER)
        else:
            parts.append(Special(part.token) if isinstance(part, Mark) else part)
    if request.chat:
        return chat_turn(tokenizer, parts, request.system or SYSTEM)
    return build_prompt(tokenizer, parts)


def _place(spec: str) -> str | Path:
    """What the package calls the checkpoint."""
    return DEMO_FOLDER if spec == "demo" else spec


def _failed(request: Request, error: Exception) -> Prediction:
    """What went wrong, as the journal records it; what a picture's file is like needs no type."""
    known = isinstance(error, ImageError)
    return Prediction(request.id, error=str(error) if known else f"{type(error).__name__}: {error}")
