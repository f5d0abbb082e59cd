"""The model as one talks to it from Python: ask, go on asking, draw what it found.

    from qwen_vl import QwenVL

    model = QwenVL.from_pretrained("Qwen/Qwen-VL-Chat")
    answer, history = model.chat([{"image": "a.png"}, {"text": "What is this?"}])
    answer, history = model.chat("Where is the dog?", history)      # a str is plain text, always
    picture = model.draw(history)                                   # a PIL image, or None without a box

Follows `chat` of the published model (https://huggingface.co/Qwen/Qwen-VL-Chat); chat.py lists the deviations
of context and answer, messages.py those of messages, sampling.py those of drawing tokens.

A base checkpoint has no chat format (published: a failed assertion). Here every question is completed on its
own, in the prompts of the published benchmarks (messages.completion); of the history only the pictures count:
a question without any is about the last ones.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from qwen_vl.boxes import draw_boxes
from qwen_vl.chat import SYSTEM, chat_context, stop_ids, to_list_format
from qwen_vl.checkpoint import DEMO_FOLDER, LoadedModel, load
from qwen_vl.generate import image_features
from qwen_vl.image import load_image, preprocess
from qwen_vl.messages import (
    Element,
    Message,
    Picture,
    Turn,
    answer,
    boxes,
    completion,
    elements,
    opening,
    parts,
    pictures,
    turns,
)
from qwen_vl.prompt import TokenPrompt, build_prompt
from qwen_vl.sampling import MAX_SEED, check_whole, read_defaults, stream

MAX_KEPT_IMAGES = 8
"""Encoded pictures kept for the next questions about them."""


class QwenVL:
    """A loaded checkpoint that can be talked to. The network alone is `model.QwenVL`."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded
        self.defaults = read_defaults(loaded.folder / "generation_config.json")
        self._features: OrderedDict[bytes, Tensor] = OrderedDict()

    @classmethod
    def from_pretrained(cls, path_or_id: str | Path, device: str = "auto", dtype: str = "auto") -> "QwenVL":
        """Load a checkpoint folder, a hub id such as "Qwen/Qwen-VL-Chat", or the bundled "demo".

        device: "auto", "cpu", "cuda", "cuda:1"; dtype: "auto", "bfloat16", "float16", "float32".
        CheckpointError says in one line what is wrong.
        """
        return cls(load(DEMO_FOLDER if str(path_or_id) == "demo" else path_or_id, device, dtype))

    @property
    def is_chat(self) -> bool:
        """Whether the checkpoint has a chat format; a base model completes."""
        return self.loaded.chat_format == "chatml"

    def chat(
        self,
        query: Message,
        history: Sequence[tuple[Message, Message | None]] | None = None,
        *,
        system: str | None = None,
        max_new_tokens: int | None = None,
        max_window_size: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        seed: int = 0,
        on_text: Callable[[str], object] | None = None,
    ) -> tuple[str, list[Turn]]:
        """The response to a query, and the history with both, for the next call.

        The response is text with the tags of boxes in it; the history keeps it as elements (messages.py).
        What is None is taken from the checkpoint's generation_config.json: the official ones draw (do_sample,
        top_p 0.3), one that says nothing is greedy, and so is temperature=0. The same seed, checkpoint and
        conversation give the same text. on_text is called with every new piece of the response.

        The query is a str, plain text, or the list of elements itself; a str in the history is plain text
        whoever said it (from_published reads its tags).

        ValueError for what is no message (or an empty one), no turn and no setting; ImageError for a picture
        that cannot be read.
        """
        sampling = self.defaults.sampling.changed(temperature, top_p, top_k)
        limit = self.defaults.max_new_tokens if max_new_tokens is None else max_new_tokens
        check_whole("max_new_tokens", limit, 1)
        check_whole("seed", seed, 0, MAX_SEED)
        before = turns(history)
        prompt = self.context(query, before, system=system, max_window_size=max_window_size)
        tokenizer = self.loaded.tokenizer
        begun = [] if self.is_chat else build_prompt(tokenizer, opening(query)).ids
        ids = [*begun]
        shown = 0
        for token in stream(
            self.loaded.model,
            self._encoded(prompt),
            max_new_tokens=int(limit),
            stop_ids=stop_ids(tokenizer, self.is_chat),
            sampling=sampling,
            seed=int(seed),
        ):
            ids.append(token)
            if on_text is not None:
                # The last character may still be half a character, the last spaces may be the end.
                text = self._text(ids).rstrip("\N{REPLACEMENT CHARACTER}").rstrip()
                if len(text) > shown:
                    on_text(text[shown:])
                    shown = len(text)
        response = self._text(ids)
        if on_text is not None and len(response) > shown:
            on_text(response[shown:])
        said: list[Element] = answer(tokenizer, ids)
        return response, [*before, Turn(query, said)]

    def from_published(self, text: str) -> list[Element]:
        """The elements of a text in the published list form, whose tags are structure: `<img>a.png</img>`,
        `<ref>`, `<box>`, `<quad>`. For texts you trust: the files they name are opened.

        "Picture N: " before a picture goes, since `chat` numbers pictures. ValueError for a tag without end.
        """
        text = re.sub(r"Picture \d+: *(<img>.*?</img>)\n?", r"\1", text)
        return [*to_list_format(self.loaded.tokenizer, text)]

    def context(
        self,
        query: Message,
        history: Sequence[tuple[Message, Message | None]] | None = None,
        *,
        system: str | None = None,
        max_window_size: int | None = None,
    ) -> TokenPrompt:
        """The prompt that `chat` asks with: ids, and the pixels (3, S, S) of the pictures in them."""
        tokenizer = self.loaded.tokenizer
        before = turns(history)
        if all(element.get("text") == "" for element in elements(query)):
            raise ValueError("the message is empty; a message is a text or a list of elements")
        if system is not None and not isinstance(system, str):
            raise ValueError(f"system is a text, not {system!r:.40}")
        if max_window_size is not None:
            check_whole("max_window_size", max_window_size, 0)
        if not self.is_chat:
            if system is not None:
                raise ValueError("a base model has no system text: the checkpoint has no chat format")
            if not pictures(query):
                last = next((found for turn in before[::-1] if (found := pictures(turn.query))), [])
                query = [*({"image": picture} for picture in last), *elements(query)]
            return build_prompt(tokenizer, completion(query, self._look))
        numbers = count(1)

        def said(message: Message) -> TokenPrompt:
            return build_prompt(tokenizer, parts(message, self._look, numbers))

        said_before = [
            (said(turn.query), None if turn.response is None else said(turn.response)) for turn in before
        ]
        return chat_context(
            tokenizer,
            said(query),
            said_before,
            SYSTEM if system is None else system,
            self.defaults.max_window if max_window_size is None else max_window_size,
        )

    def draw(
        self, history: Sequence[tuple[Message, Message | None]], font: str | Path | None = None
    ) -> Image.Image | None:
        """The latest picture with the boxes of the latest response; None without a picture or a box.

        font: a font file for labels, for letters that no font found here has.
        """
        return draw_on_latest_picture(history, font)

    def _look(self, picture: Picture) -> Tensor:
        image = picture if isinstance(picture, Image.Image) else load_image(picture)
        return preprocess(image, self.loaded.config.visual.image_size)

    def _encoded(self, prompt: TokenPrompt) -> TokenPrompt:
        """The prompt with features instead of pixels; a picture that comes again is not encoded again."""
        features = []
        for pixels in prompt.images:
            key = hashlib.blake2b(pixels.numpy().tobytes(), digest_size=16).digest()
            if key not in self._features:
                with torch.inference_mode():
                    self._features[key] = image_features(self.loaded.model, [pixels])[0]
            self._features.move_to_end(key)
            features.append(self._features[key])
            if len(self._features) > MAX_KEPT_IMAGES:
                self._features.popitem(last=False)
        return TokenPrompt(prompt.ids, tuple(features))

    def _text(self, ids: Sequence[int]) -> str:
        return self.loaded.tokenizer.decode_answer(ids, keep_image_special=True).strip()


def draw_on_latest_picture(
    history: Sequence[tuple[Message, Message | None]], font: str | Path | None = None
) -> Image.Image | None:
    """The latest picture of the queries with the boxes of the latest response; None without either.

    As the published `draw_bbox_on_latest_picture`; ImageError where the picture cannot be read any more.
    """
    said = turns(history)
    found = boxes(said[-1].response) if said and said[-1].response is not None else []
    latest = next((picture for turn in said[::-1] for picture in pictures(turn.query)[::-1]), None)
    if not found or latest is None:
        return None
    return draw_boxes(latest if isinstance(latest, Image.Image) else load_image(latest), found, font)
