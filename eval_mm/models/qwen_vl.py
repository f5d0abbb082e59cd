"""Qwen-VL and Qwen-VL-Chat, run natively by the package qwen_vl.

Marks become the model's own special tokens, plain text never does. A chat request needs a checkpoint with a
chat format. Coordinates are 0..999 over each side, as the published grounding script reads them.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path

from torch import Tensor, inference_mode

from eval_mm.errors import UserError
from eval_mm.schema import Image, Mark, ModelInfo, Prediction, Prompt, Request
from qwen_vl.chat import chat_turn
from qwen_vl.checkpoint import DEMO_FOLDER, LoadedModel, load
from qwen_vl.errors import CheckpointError, ImageError
from qwen_vl.fingerprint import fingerprint
from qwen_vl.generate import generate, image_features, mean_logprobs
from qwen_vl.image import load_image, preprocess
from qwen_vl.prompt import ImagePart, Special, TokenPrompt, build_prompt

MAX_KEPT_IMAGES = 8
"""Encoded pictures kept for the next questions; requests come with one picture's questions together."""


class QwenVLBackend:
    """Answers requests one by one with the reference generation."""

    def __init__(self, loaded: LoadedModel, info: ModelInfo):
        self.info = info
        self._loaded = loaded
        self._features: OrderedDict[str, Tensor] = OrderedDict()

    @classmethod
    def load(cls, spec: str, value: str, device: str, dtype: str) -> "QwenVLBackend":
        """The checkpoint `spec` names: "demo", a folder or a hub id; UserError where it cannot be had."""
        try:
            loaded = load(DEMO_FOLDER if spec == "demo" else spec, device, dtype)
            checkpoint = fingerprint(loaded.folder)
        except CheckpointError as error:
            raise UserError(str(error)) from error
        dtype_name = str(loaded.model.dtype).removeprefix("torch.")
        info = ModelInfo(
            name="demo" if spec == "demo" else spec if not Path(spec).is_dir() else Path(spec).resolve().name,
            fingerprint=f"{checkpoint}-{dtype_name}",
            protocol="qwen-vl",
            box_scale="999",
            chat=loaded.chat_format == "chatml",
            compute=f"{loaded.model.device}, {dtype_name}",
            demo=loaded.config.demo,
            parameters=sum(tensor.numel() for tensor in loaded.model.parameters()),
        )
        return cls(loaded, info)

    def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
        """Answers in the order asked."""
        self._features.clear()  # a picture may have changed since the last call
        for request in requests:
            try:
                yield self._answer(request)
            except ImageError as error:
                yield Prediction(request.id, error=str(error))
            except Exception as error:  # the one boundary per sample: recorded, counted, and the run goes on
                yield Prediction(request.id, error=f"{type(error).__name__}: {error}")

    def _answer(self, request: Request) -> Prediction:
        assert self.info.chat or not request.chat, f"{self.info.name} has no chat format"
        prompt = self._tokens(request.prompt, request.chat)
        model, tokenizer = self._loaded.model, self._loaded.tokenizer
        if request.choices:
            continuations = [tokenizer.encode_text(choice) for choice in request.choices]
            logprobs = tuple(mean_logprobs(model, prompt, continuations))
            return Prediction(request.id, choice_logprobs=logprobs, prompt_tokens=len(prompt.ids))
        answer = generate(
            model,
            [prompt],
            min_new_tokens=request.min_new_tokens,
            max_new_tokens=request.max_new_tokens,
            stop_ids=self._stop_ids(request.chat),
        )[0]
        text = tokenizer.decode_answer(answer.ids)
        for stop in request.stop:
            text = text.partition(stop)[0]
        return Prediction(
            request.id,
            text,
            stop_reason=answer.stop_reason,
            prompt_tokens=len(prompt.ids),
            new_tokens=len(answer.ids),
        )

    def _stop_ids(self, chat: bool) -> set[int]:
        """End of text, and for a chat turn the marks around turns."""
        tokenizer = self._loaded.tokenizer
        marks = {tokenizer.special_id("<|im_start|>"), tokenizer.special_id("<|im_end|>")}
        return {tokenizer.eod_id} | (marks if chat else set())

    def _tokens(self, prompt: Prompt, chat: bool) -> TokenPrompt:
        parts: list[str | Special | ImagePart] = []
        for part in prompt:
            if isinstance(part, Image):
                parts.append(ImagePart(self._encode(part.path)))
            else:
                parts.append(Special(part.token) if isinstance(part, Mark) else part)
        return (chat_turn if chat else build_prompt)(self._loaded.tokenizer, parts)

    def _encode(self, path: str) -> Tensor:
        """The visual tokens of a picture, computed once while its questions are asked."""
        if path not in self._features:
            pixels = preprocess(load_image(path), self._loaded.config.visual.image_size)
            with inference_mode():
                self._features[path] = image_features(self._loaded.model, [pixels])[0]
            if len(self._features) > MAX_KEPT_IMAGES:
                self._features.popitem(last=False)
        return self._features[path]
