"""Requests -> queries for the engine, everything about them checked before one waits in line."""

import hashlib
import secrets
import time
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image
from torch import Tensor

from qwen_vl.chat import SYSTEM, chat_turn, stop_ids
from qwen_vl.engine import Query
from qwen_vl.errors import ImageError
from qwen_vl.image import preprocess
from qwen_vl.messages import Element
from qwen_vl.prompt import ImagePart, Special, TokenPrompt, build_prompt
from qwen_vl.sampling import Sampling
from qwen_vl.serving.bodies import Address, ChatBody, CompletionBody, ContentMessage
from qwen_vl.serving.fetching import Fetch
from qwen_vl.serving.pictures import Limits, from_url
from qwen_vl.serving.worker import Asked
from qwen_vl.session import QwenVL
from qwen_vl.tokenizer import KEPT_IN_ANSWERS

COMPLETION_TOKENS = 16
"""The longest answer of a completion that does not say, as OpenAI has it."""
FETCH_SECONDS = 20.0
"""What fetching all pictures of a request may take."""
CHARACTERS = 16
"""Characters that a token may have on average: longer texts are refused before they are cut into tokens."""


class RefusedError(Exception):
    """A request that cannot be answered: what is wrong, and the field."""

    def __init__(self, message: str, field: str | None = None):
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the server takes: pictures, and tokens of prompt and answer together."""

    pictures: Limits = field(default_factory=Limits)
    context: int = 8192


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads requests for one model. `fetch` gets pictures of web addresses, where the server allows any."""

    session: QwenVL
    bounds: Bounds
    fetch: Fetch | None = None

    def has_addresses(self, body: ChatBody | CompletionBody) -> bool:
        """Whether pictures have to be fetched, which takes others' time."""
        urls = (address.url for _, address in _addresses(body))
        return self.fetch is not None and any(url[:5].lower() != "data:" for url in urls)

    def read(self, body: ChatBody | CompletionBody) -> Asked:
        """The query that a request is; RefusedError, also for its pictures."""
        return self.chat(body) if isinstance(body, ChatBody) else self.completion(body)

    def chat(self, body: ChatBody) -> Asked:
        """A conversation as the checkpoint was taught it."""
        self._check_length((text for message in body.messages for text in _texts(message)), "messages")
        opened = self._pictures(_addresses(body))
        system, turns, query = self._conversation(body.messages, opened)
        try:
            if body.picture_numbers is not False or not self.session.is_chat:
                prompt = self.session.context(query, turns, system=system)
            elif turns:
                raise RefusedError("without picture_numbers a conversation has one turn", "picture_numbers")
            else:
                parts = [
                    self._image(element["image"]) if "image" in element else element["text"]
                    for element in query
                ]
                prompt = chat_turn(self.session.loaded.tokenizer, parts, SYSTEM if system is None else system)
        except ValueError as error:
            raise RefusedError(str(error), "messages") from None
        defaults, is_chat = self.session.defaults, self.session.is_chat
        return self._asked(prompt, body, defaults.max_new_tokens, defaults.sampling, chat=is_chat)

    def completion(self, body: CompletionBody) -> Asked:
        """A prompt as it is."""
        given = body.prompt_parts or ()
        texts = (body.prompt, *(part.text for part in given), *(body.choices or ()))
        self._check_length((text for text in texts if text), "prompt")
        opened = iter(self._pictures(_addresses(body)))
        parts: list[str | Special | ImagePart] = [] if body.prompt is None else [body.prompt]
        for place, part in enumerate(given):
            if part.mark is not None:
                if part.mark not in KEPT_IN_ANSWERS:
                    known = ", ".join(KEPT_IN_ANSWERS)
                    raise RefusedError(
                        f"mark is one of {known}, not {part.mark!r:.40}", f"prompt_parts.{place}"
                    )
                parts.append(Special(part.mark))
            else:
                parts.append(self._image(next(opened)) if part.text is None else part.text)
        tokenizer = self.session.loaded.tokenizer
        prompt = build_prompt(tokenizer, parts)
        if not prompt.ids:
            raise RefusedError("the prompt is empty", "prompt")
        options = tuple(tuple(tokenizer.encode_text(choice)) for choice in body.choices or ())
        if not all(options):
            raise RefusedError("a choice is empty", "choices")
        return self._asked(prompt, body, COMPLETION_TOKENS, Sampling(), chat=False, options=options)

    def _conversation(
        self, messages: Sequence[ContentMessage], opened: Sequence[Image.Image]
    ) -> tuple[str | None, list[tuple[Any, Any]], list[Element]]:
        """System text, turns so far, and the question."""
        pictures = iter(opened)
        said = [(message.role, _elements(message, pictures)) for message in messages]
        systems = [elements for role, elements in said if role in ("system", "developer")]
        if len(systems) > 1 or (systems and said[0][1] is not systems[0]):
            raise RefusedError("one system message, and that first", "messages")
        if any("image" in element for elements in systems for element in elements):
            raise RefusedError("a system message is text", "messages")
        system = "".join(element["text"] for element in systems[0]) if systems else None
        spoken = said[1:] if systems else said
        roles = [role for role, _ in spoken]
        if roles != ["user", "assistant"] * (len(roles) // 2) + ["user"]:
            raise RefusedError("turns of user and assistant in turn, the last of the user", "messages")
        texts = [elements for _, elements in spoken]
        return system, list(zip(texts[:-1:2], texts[1::2], strict=True)), texts[-1]

    def _pictures(self, addresses: Iterable[tuple[str, Address]]) -> list[Image.Image]:
        named = list(addresses)
        if len(named) > self.bounds.pictures.images:
            raise RefusedError(
                f"{len(named):,} pictures; this server takes {self.bounds.pictures.images} a request",
                named[0][0],
            )
        opened = []
        end = time.monotonic() + FETCH_SECONDS
        for place, address in named:
            try:
                image = from_url(address.url, self.bounds.pictures, self.fetch, end - time.monotonic())
            except ImageError as error:
                raise RefusedError(str(error), place) from None
            # at once as small as `preprocess` will make it: as they came they could be gigabytes together
            side = self.session.loaded.config.visual.image_size
            opened.append(image.resize((side, side), Image.Resampling.BICUBIC))
        return opened

    def _check_length(self, texts: Iterable[str], field: str) -> None:
        length, most = sum(map(len, texts)), CHARACTERS * self.bounds.context
        if length > most:
            raise RefusedError(
                f"{length:,} characters; this server takes {most:,}, which are more than the "
                f"{self.bounds.context:,} tokens that it takes",
                field,
            )

    def _image(self, image: Image.Image) -> ImagePart:
        return ImagePart(preprocess(image, self.session.loaded.config.visual.image_size))

    def _asked(
        self,
        prompt: TokenPrompt,
        body: ChatBody | CompletionBody,
        default: int,
        sampling: Sampling,
        *,
        chat: bool,
        options: tuple[tuple[int, ...], ...] = (),
    ) -> Asked:
        field = "messages" if chat else "prompt"
        limit = body.limit or max(1, min(default, self.bounds.context - len(prompt.ids)))
        longest = max(map(len, options), default=limit)
        if len(prompt.ids) + longest > self.bounds.context:
            raise RefusedError(
                f"{len(prompt.ids):,} tokens of prompt and {longest:,} of answer; this server takes "
                f"{self.bounds.context:,} together",
                field,
            )
        least = body.min_tokens or 0
        if least > limit:
            raise RefusedError(f"min_tokens {least} is above the limit {limit}", "min_tokens")
        try:
            sampling = sampling.changed(body.temperature, body.top_p, body.top_k)
        except ValueError as error:
            raise RefusedError(str(error)) from None
        keys = [_key(image) for image in prompt.images]
        query = Query(
            None,
            prompt.ids,
            tuple(keys),
            options,
            least,
            limit,
            self._stop_ids(chat, body.stops, () if body.skip_special_tokens else KEPT_IN_ANSWERS),
            sampling if sampling.temperature > 0 else None,
            secrets.randbelow(2**63) if body.seed is None else body.seed,
        )
        return Asked(query, dict(zip(keys, prompt.images, strict=True)))

    def _stop_ids(self, chat: bool, stops: Iterable[str], seen: Collection[str]) -> frozenset[int]:
        """The model's own ends, and tokens named as stops that are not `seen` in the text."""
        tokenizer = self.session.loaded.tokenizer
        unseen = {stop for stop in stops if stop in tokenizer.special_ids and stop not in seen}
        return stop_ids(tokenizer, chat) | {tokenizer.special_id(stop) for stop in unseen}


def _addresses(body: ChatBody | CompletionBody) -> Iterator[tuple[str, Address]]:
    """The pictures of a request, each with the field that it stands in."""
    if isinstance(body, CompletionBody):
        for place, part in enumerate(body.prompt_parts or ()):
            if part.image_url is not None:
                yield f"prompt_parts.{place}", part.image_url
        return
    for place, message in enumerate(body.messages):
        if not isinstance(message.content, str):
            for number, piece in enumerate(message.content):
                if piece.type == "image_url":
                    yield f"messages.{place}.content.{number}", piece.image_url


def _texts(message: ContentMessage) -> list[str]:
    if isinstance(message.content, str):
        return [message.content]
    return [part.text for part in message.content if part.type == "text"]


def _elements(message: ContentMessage, pictures: Iterable[Image.Image]) -> list[Element]:
    if isinstance(message.content, str):
        return [{"text": message.content}]
    coming = iter(pictures)
    return [
        {"text": part.text} if part.type == "text" else {"image": next(coming)} for part in message.content
    ]


def _key(pixels: Tensor) -> Hashable:
    """A name of a picture by what the model sees of it."""
    return hashlib.blake2b(pixels.numpy().tobytes(), digest_size=16).digest()
