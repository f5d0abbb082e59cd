"""What clients may send, field by field. Anything else is refused by name, so that no wish goes unheard.

The fields of OpenAI's API that a language model of this kind can honour, the ones every client sends with a
neutral value, and a few of our own, marked below.
"""

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_STOPS = 8
MAX_STOP = 1000
MAX_CHOICES = 64

Stop = Annotated[str, Field(max_length=MAX_STOP)]


class Manner(NamedTuple):
    """How an answer is told: all of a request that is needed while it is answered."""

    stream: bool
    usage: bool
    stops: tuple[str, ...]
    skip_special_tokens: bool


class Body(BaseModel):
    """Fields by name, no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Address(Body):
    """A data URL, or a web address where the server allows it."""

    url: str
    detail: Literal["auto", "low", "high"] | None = None  # every picture is read at the model's own size


class TextPart(Body):
    """Plain text: tags and control tokens in it stay text."""

    type: Literal["text"]
    text: str


class ImagePart(Body):
    """A picture."""

    type: Literal["image_url"]
    image_url: Address


class ContentMessage(Body):
    """A turn of a conversation. What a reply's message has besides, clients send back with it, empty."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Annotated[TextPart | ImagePart, Field(discriminator="type")]]
    name: str | None = None
    refusal: None = None
    annotations: Annotated[list[Any], Field(max_length=0)] | None = None
    audio: None = None
    function_call: None = None
    tool_calls: Annotated[list[Any], Field(max_length=0)] | None = None


class StreamOptions(Body):
    """What a stream ends with."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Limited(Body):
    """What chat and completion share."""

    model: str
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    min_tokens: Annotated[int, Field(ge=0)] | None = None  # not OpenAI's; vLLM's; a stop text still cuts
    temperature: Annotated[float, Field(ge=0, le=100)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None  # not OpenAI's; vLLM's
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=MAX_STOPS)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    skip_special_tokens: bool | None = None  # not OpenAI's; vLLM's: leave the tags of boxes out of the text
    user: str | None = None
    n: Literal[1] | None = None
    presence_penalty: Literal[0] | None = None
    frequency_penalty: Literal[0] | None = None
    logit_bias: Annotated[dict[str, float], Field(max_length=0)] | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts that end an answer."""
        listed = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(text for text in listed if text)

    @property
    def manner(self) -> Manner:
        """How the answer is told."""
        usage = self.stream_options is not None and bool(self.stream_options.include_usage)
        return Manner(bool(self.stream), usage, self.stops, bool(self.skip_special_tokens))


class ChatBody(Limited):
    """POST /v1/chat/completions."""

    messages: Annotated[list[ContentMessage], Field(min_length=1, max_length=1000)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    picture_numbers: bool | None = None  # our own: unless false, "Picture 1: " and so on, as it was taught
    logprobs: Literal[False] | None = None
    top_logprobs: Literal[0] | None = None
    response_format: dict[Literal["type"], Literal["text"]] | None = None
    tools: Annotated[list[Any], Field(max_length=0)] | None = None
    tool_choice: Literal["none", "auto"] | None = None
    parallel_tool_calls: bool | None = None
    store: Literal[False] | None = None
    metadata: dict[str, str] | None = None

    @property
    def limit(self) -> int | None:
        """The most new tokens."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens


class PromptPart(Body):
    """Our own: a piece of a prompt: text, mark (a structural token such as <ref>) or picture."""

    text: str | None = None
    mark: str | None = None
    image_url: Address | None = None

    @model_validator(mode="after")
    def _one(self) -> "PromptPart":
        if sum(value is not None for value in (self.text, self.mark, self.image_url)) != 1:
            raise ValueError("a part is one of text, mark, image_url")
        return self


class CompletionBody(Limited):
    """POST /v1/completions: a prompt that the model goes on with, greedily unless asked otherwise.

    `prompt_parts` is the prompt with pictures in it, `choices` ranks continuations instead of writing one;
    both are our own.
    """

    prompt: str | None = None
    prompt_parts: Annotated[list[PromptPart], Field(min_length=1, max_length=1000)] | None = None
    choices: Annotated[list[str], Field(min_length=1, max_length=MAX_CHOICES)] | None = None
    echo: Literal[False] | None = None
    best_of: Literal[1] | None = None
    logprobs: None = None
    suffix: None = None

    @model_validator(mode="after")
    def _prompted(self) -> "CompletionBody":
        if (self.prompt is None) == (self.prompt_parts is None):
            raise ValueError("one of prompt (text) and prompt_parts (text, marks, pictures)")
        if self.choices is not None and self.stream:
            raise ValueError("choices are ranked at once, not streamed")
        return self

    @property
    def limit(self) -> int | None:
        """The most new tokens."""
        return self.max_tokens
