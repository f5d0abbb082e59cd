"""Requests as the JSON of OpenAI's protocol, and its replies as predictions.

`Chat` is /chat/completions as everybody speaks it. `Parts` is the form of /completions that `python -m
qwen_vl serve` takes besides: text, structural tokens and pictures in order, outside any chat turn, and
continuations to be ranked.

Reasoning is kept apart from the answer: what a server hands over apart already, and what stands before
`</think>` in the text. A text that opens `<think>` and does not end it has no answer.
"""

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from eval_mm.calls.faults import Again, Refused
from eval_mm.calls.server import tokens
from eval_mm.models.endings import cut
from eval_mm.schema import Image, Mark, Prediction, Request

NO_COMPLETION = "the server's reply is no completion"
NO_RANKS = "the server returns no log-probabilities, by which this protocol ranks the options"
OPENING, CLOSING = "<think>", "</think>"
TOP = 20
"""The most likely first tokens that a server is asked for."""


class NoRanksError(Refused):
    """A reply without log-probabilities: of all questions, or of one whose answer is empty."""


class Chat(NamedTuple):
    """Chat completions; `limit` is what this server calls the most new tokens."""

    fixed: Mapping[str, object]
    limit: str

    @property
    def path(self) -> str:
        """Where it is posted."""
        return "/chat/completions"

    def body(self, request: Request, url: Callable[[str], str]) -> dict[str, object]:
        """The JSON of a request; structural tokens are left out."""
        content: list[dict[str, object]] = []
        for part in request.prompt:
            if isinstance(part, Image):
                content.append({"type": "image_url", "image_url": {"url": url(part.path)}})
            elif isinstance(part, str):
                content.append({"type": "text", "text": part})
        told = [{"role": "system", "content": request.system}] if request.system else []
        body = {**self.fixed, "messages": [*told, {"role": "user", "content": content}]}
        body[self.limit] = 1 if request.choices else request.max_new_tokens
        if request.stop:
            body["stop"] = list(request.stop)
        if request.choices:
            body |= {"logprobs": True, "top_logprobs": TOP}
        return body

    def read(self, value: Any, request: Request) -> Prediction:
        """The answer of a reply; Again where it is none, NoRanksError where options cannot be ranked."""
        try:
            choice = value["choices"][0]
            message = choice["message"]
            text, refusal = _text(message.get("content")), _text(message.get("refusal"))
            apart = _text(message.get("reasoning_content")) or _text(message.get("reasoning"))
            finish, usage = choice.get("finish_reason"), value.get("usage")
        except (LookupError, TypeError, AttributeError):
            raise Again(NO_COMPLETION) from None
        if finish == "error":
            raise Again(f"{NO_COMPLETION}: it ended with an error")
        counts = tokens(usage, "prompt_tokens"), tokens(usage, "completion_tokens")
        if refusal or finish == "content_filter":
            return Prediction(request.id, refusal or text, stop_reason="refusal", **_counted(counts))
        if request.choices:
            ranks = _ranks(choice.get("logprobs"), request.choices)
            return Prediction(request.id, choice_logprobs=ranks, **_counted(counts))
        thought, answer = split_reasoning(text)
        reasoning = "\n".join(part for part in (apart, thought) if part)
        return Prediction(
            request.id,
            cut(answer, request.stop),
            stop_reason=_reason(finish),
            reasoning=reasoning,
            **_counted(counts),
        )


class Parts(NamedTuple):
    """Completions of a prompt in parts."""

    fixed: Mapping[str, object]

    @property
    def path(self) -> str:
        """Where it is posted."""
        return "/completions"

    def body(self, request: Request, url: Callable[[str], str]) -> dict[str, object]:
        """The JSON of a request."""
        parts: list[dict[str, object]] = []
        for part in request.prompt:
            if isinstance(part, Image):
                parts.append({"image_url": {"url": url(part.path)}})
            else:
                parts.append({"mark": part.token} if isinstance(part, Mark) else {"text": part})
        body = {
            **self.fixed,
            "prompt_parts": parts,
            "max_tokens": request.max_new_tokens,
            "min_tokens": request.min_new_tokens,
            "stop": list(request.stop),
        }
        return body | ({"choices": list(request.choices)} if request.choices else {})

    def read(self, value: Any, request: Request) -> Prediction:
        """The answer of a reply, as it came; Again where it is none."""
        try:
            choice = value["choices"][0]
            text, finish, usage = choice["text"], choice.get("finish_reason"), value.get("usage")
            ranks = choice.get("logprobs_of_choices")
        except (LookupError, TypeError, AttributeError):
            raise Again(NO_COMPLETION) from None
        counts = tokens(usage, "prompt_tokens"), tokens(usage, "completion_tokens")
        if request.choices:
            if not _numbers(ranks) or len(ranks) != len(request.choices):
                raise Again(f"{NO_COMPLETION}: it has no log-probability for each option")
            return Prediction(request.id, choice_logprobs=tuple(ranks), prompt_tokens=counts[0])
        if not isinstance(text, str):
            raise Again(NO_COMPLETION)
        return Prediction(request.id, text, stop_reason=_reason(finish), **_counted(counts))


def split_reasoning(text: str) -> tuple[str, str]:
    """Reasoning and answer of a text; the tag that opens may be missing, since some templates write it."""
    opened = text.lstrip().startswith(OPENING)
    before, closed, after = text.partition(CLOSING)
    if not closed and not opened:
        return "", text
    return before.lstrip().removeprefix(OPENING).strip(), after.lstrip()


def _ranks(logprobs: Any, choices: tuple[str, ...]) -> tuple[float, ...]:
    """The log-probability of every option as the first token; empty where that is none of them.

    An option that is not among the most likely tokens gets the value of the least likely of these, which is
    more than it has.
    """
    try:
        first = logprobs["content"][0]["top_logprobs"]
        found = [(entry["token"], entry["logprob"]) for entry in first]
    except (LookupError, TypeError):
        found = []
    if not found or not _numbers([number for _, number in found]):
        raise NoRanksError(NO_RANKS)
    best: dict[str, float] = {}
    for token, number in found:
        if isinstance(token, str):
            name = token.strip()
            best[name] = max(best.get(name, -math.inf), number)
    if not any(choice.strip() in best for choice in choices):
        return ()
    least = min(number for _, number in found)
    return tuple(best.get(choice.strip(), least) for choice in choices)


def _numbers(values: Any) -> bool:
    """Whether they are log-probabilities; a whole number too large for a float is none."""
    return isinstance(values, list) and all(
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
        for value in values
    )


def _text(value: Any) -> str:
    """A text; of a list of parts the texts. TypeError for anything else."""
    if value is None:
        return ""
    if isinstance(value, list):
        parts = [part["text"] for part in value if part.get("type") in ("text", "output_text")]
        value = "".join(parts)
    if not isinstance(value, str):
        raise TypeError(f"a text of type {type(value).__name__}")
    return value


def _reason(finish: Any) -> str | None:
    """Why an answer ended, as the harness says it."""
    if finish is None:
        return None
    return "length" if finish == "length" else "stop"


def _counted(counts: tuple[int | None, int | None]) -> dict[str, Any]:
    return {"prompt_tokens": counts[0], "new_tokens": counts[1]}
