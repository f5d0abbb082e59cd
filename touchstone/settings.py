"""What a judgement is made with: all that could change a number, and its hash."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from touchstone.prompts import JudgePrompt

STUB = "stub"
"""The judge that is none: word overlap, for trying out the whole path without a key."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The judge and what it is told. `temperature` None leaves it to the server.

    `repeat` tells apart judgements of the same answers by the same judge at different times. `base_url` is
    the server's, None for the stub: two servers may run two models under one name.
    """

    model: str
    prompt: JudgePrompt
    temperature: float | None = 0.0
    max_reply_tokens: int = 512
    repeat: int = 0
    base_url: str | None = None

    def to_json(self) -> dict[str, Any]:
        """What a result says of its judge."""
        return {
            "model": self.model,
            "prompt": self.prompt.name,
            "prompt_sha256": self.prompt.sha256,
            "temperature": self.temperature,
            "max_reply_tokens": self.max_reply_tokens,
            "repeat": self.repeat,
        } | ({} if self.base_url is None else {"base_url": self.base_url})

    @property
    def hash(self) -> str:
        """12 hex digits; the prompt's name does not count, its words do."""
        told = {name: value for name, value in self.to_json().items() if name != "prompt"}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def protocol(self) -> str:
        """The name of the scorer in a result: two judges or prompts never have one name."""
        return f"judge-{self.hash}"

    @property
    def is_stub(self) -> bool:
        """Whether the numbers are no judgement of quality."""
        return self.model == STUB
