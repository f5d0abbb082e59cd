"""Replies in the shapes of OpenAI's API: whole, as the events of a stream, and errors.

https://platform.openai.com/docs/api-reference. `logprobs_of_choices` is our own.
"""

import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Protocol

from qwen_vl.serving.answering import Ending

LONGEST_MESSAGE, LONGEST_FIELD = 500, 100
"""Characters of an error that are sent: names of fields come from the client and may be pages."""

Reply = dict[str, Any]


class HTTPError(Exception):
    """A reply other than 200: its status, what is wrong, and the field of the request that it is about."""

    def __init__(
        self, status: int, message: str, field: str | None = None, headers: dict[str, str] | None = None
    ):
        super().__init__(message)
        self.status, self.field, self.headers = status, field, headers

    def body(self) -> Reply:
        """The reply's JSON; the message is one line."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        message = " ".join(str(self).split())[:LONGEST_MESSAGE]
        name = " ".join((self.field or "").split())[:LONGEST_FIELD] or None
        return {"error": {"message": message, "type": kind, "param": name, "code": self.status}}


class Shape(Protocol):
    """How one kind of request is answered; an object is one answer, which has one id."""

    def whole(self, text: str, ending: Ending) -> Reply:
        """All at once."""
        ...

    def begin(self, text: str) -> Reply:
        """The first event of a stream."""
        ...

    def go_on(self, text: str) -> Reply:
        """The next one."""
        ...

    def end(self, ending: Ending) -> Reply:
        """Why it ended."""
        ...

    def usage(self, ending: Ending) -> Reply:
        """The counts, in an event of their own."""
        ...


@dataclass(frozen=True, slots=True)
class ChatShape:
    """Of /v1/chat/completions."""

    model: str
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, text: str, ending: Ending) -> Reply:
        """All at once."""
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": ending.finish_reason}
        return {**self._common("chat.completion"), "choices": [choice], "usage": _counts(ending)}

    def begin(self, text: str) -> Reply:
        """Who speaks, said once: clients join what they get of every field."""
        return self._chunk({"role": "assistant", "content": text})

    def go_on(self, text: str) -> Reply:
        """The next piece."""
        return self._chunk({"content": text})

    def end(self, ending: Ending) -> Reply:
        """Why it ended."""
        return self._chunk({}, ending.finish_reason)

    def usage(self, ending: Ending) -> Reply:
        """The counts."""
        return {**self._common("chat.completion.chunk"), "choices": [], "usage": _counts(ending)}

    def _chunk(self, delta: dict[str, str], reason: str | None = None) -> Reply:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return {**self._common("chat.completion.chunk"), "choices": [choice]}

    def _common(self, kind: str) -> Reply:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


@dataclass(frozen=True, slots=True)
class CompletionShape:
    """Of /v1/completions."""

    model: str
    id: str = field(default_factory=lambda: f"cmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, text: str, ending: Ending) -> Reply:
        """All at once."""
        choice = self._choice(text, ending.finish_reason)
        if ending.logprobs is not None:
            choice["logprobs_of_choices"] = ending.logprobs
        return {**self._common([choice]), "usage": _counts(ending)}

    def begin(self, text: str) -> Reply:
        """The first piece."""
        return self._common([self._choice(text, None)])

    def go_on(self, text: str) -> Reply:
        """The next one."""
        return self.begin(text)

    def end(self, ending: Ending) -> Reply:
        """Why it ended."""
        return self._common([self._choice("", ending.finish_reason)])

    def usage(self, ending: Ending) -> Reply:
        """The counts."""
        return {**self._common([]), "usage": _counts(ending)}

    def _choice(self, text: str, reason: str | None) -> Reply:
        return {"index": 0, "text": text, "logprobs": None, "finish_reason": reason}

    def _common(self, choices: list[Reply]) -> Reply:
        common = {"id": self.id, "object": "text_completion", "created": self.created, "model": self.model}
        return {**common, "choices": choices}


def _counts(ending: Ending) -> dict[str, int]:
    prompt, new = ending.prompt_tokens, ending.new_tokens
    return {"prompt_tokens": prompt, "completion_tokens": new, "total_tokens": prompt + new}
